"""``chorus evaluate WEIGHTS DATA``: what weights are worth on data, trivial baselines beside them."""

from __future__ import annotations

import json as json_format

from fusion.commands.arguments import UsageError, call, check_positive


def main(argv: list[str], program: str) -> int:
    return call(evaluate, argv, program)


def evaluate(
    weights: str,
    data: str,
    mask: str = "",
    corrupt: str = "",
    json: bool = False,
    seed: int = 0,
    windows: int = 64,
    window_s: float = 4.0,
    split: str = "",
    subjects: str = "",
    suite: bool = False,
) -> int:
    """Say what weights are worth on data, with trivial baselines in the same table.

    Args:
        weights: a .safetensors or .ckpt file, or the name of weights that come with the package: free, base.
        data: a session (.h5) or a folder of them; a folder of BVH files; a motion set (bandai, cmu,
            cmu_dance, deepmimic, simulator); a folder of UTD-MHAD, Berkeley MHAD or
            Human3.6M.
        mask: what is taken away, by commas: vision, imu, audio, or imu.PLACE as in imu.left_forearm.
        corrupt: what is done to the sensors, NAME:LEVEL, as in blackout:0.5 or imu_lost:3, several by commas.
        json: print JSON for other programs.
        seed: of virtual sensors, places of windows and corruptions.
        windows: how many to make of motion and of Human3.6M.
        window_s: length of a window, s.
        split: of motion: test, val, train or all; by default what training holds out, if it does.
        subjects: of these, by commas; by default those of the final test.
        suite: the 25 scenarios of missing, late, lost and noisy data, and their twin (UTD-MHAD).
    """
    check_positive("--windows", windows)
    check_positive("--window_s", window_s, "seconds")
    try:
        chosen = tuple(int(word) for word in subjects.split(",") if word)
    except ValueError:
        raise UsageError(f"--subjects is '{subjects}'", mend="Give numbers by commas, as in 1,3") from None
    from rich.console import Console

    from fusion.evaluate.conditions import parse_mask
    from fusion.evaluate.run import evaluate as run
    from fusion.evaluate.run import name_of, show
    from fusion.evaluate.sources import Asked
    from fusion.model.checkpoint import load_net
    from fusion.virtual.corrupt import corruption

    masked = parse_mask(mask)
    asked = Asked(seed, windows, window_s, split, chosen, corruption(corrupt) if corrupt else None)
    net = load_net(weights)
    if suite:
        if masked or corrupt:
            raise UsageError(
                "--suite has masks and corruptions of its own", mend="Leave out --mask, --corrupt"
            )
        from fusion.evaluate.suite import run_suite, show_suite

        found = run_suite(net, data, chosen, seed)
        if json:
            print(json_format.dumps({"weights": name_of(weights), "data": data, **found}, indent=2))
        else:
            show_suite(found, Console())
        return 0
    result = run(net, data, asked, masked, name_of(weights))
    if json:
        print(json_format.dumps(result.as_dict(), indent=2))
    else:
        show(result, Console())
    return 0
