"""``chorus drive RIG --only NAME --connect ADDRESS``: run one device of a rig on another host."""

from __future__ import annotations

from fusion.commands.arguments import call, split_overrides


def main(argv: list[str], program: str) -> int:
    own, overrides = split_overrides(argv)

    def drive(rig: str, *, only: str, connect: str) -> int:
        """Run one device of a rig and publish it on a session's bus until the session stops.

        Ctrl-C ends it in order, too. Keys of the rig can be set: --streams.camera.fps=60.

        Args:
            rig: the rig, a YAML file; the same one that the session was started with.
            only: name of the stream to drive.
            connect: whole address that `chorus record` or `chorus live` printed, with the key of its bus,
                e.g. tcp://192.168.1.20:7400#KEY.
        """
        from drivers.interrupt import orderly_interrupt
        from drivers.process import run_driver
        from drivers.rig import load_rig

        loaded = load_rig(rig, overrides)
        print(f"{only} -> {connect}; ends with the session, or with Ctrl-C", flush=True)
        with orderly_interrupt() as stop:
            run_driver(loaded, only, connect, stop=stop.is_set)
        return 0

    return call(drive, own, program)
