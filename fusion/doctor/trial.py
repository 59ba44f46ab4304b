"""A rig tried for a moment: every device is opened and read, and what that costs the processor is measured.

All streams run at once, each in a process of its own, as they do in a recording. Nothing is kept.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from drivers.base import EndOfStream, Samples
from drivers.errors import ChorusError, DeviceError, Fault
from drivers.rig import Rig, create_driver, load_rig
from fusion.doctor.finding import Finding

SECONDS, OPENING_S = 2.0, 30.0
"""How long each stream is measured, and how long its device may take to open."""
RECORDER = 0.25
"""Cores that the recorder takes, encoding apart: as measured with 60 pictures a second and four IMUs."""
SHARE = 0.9
"""Of the cores: the rest is for the system."""
SLOW, FULL = 0.8, 0.85
"""A stream below this share of its rate is slow: by the processor, if it takes so much of a core."""


@dataclasses.dataclass(frozen=True)
class Trial:
    """What trying a stream came to.

    Attributes:
        stream: its name.
        device: make and model.
        nominal: rows per second that its device promises; 0: none.
        measured: rows per second that came.
        cores: processor taken, in cores.
        waited: processor it wanted and other programs had, in cores; 0 where the system does not tell.
        bytes_s: bytes per second handed over.
        fault: typed reason of a failure, or empty.
        what, mend: the failure.
    """

    stream: str
    device: str = ""
    nominal: float = 0.0
    measured: float = 0.0
    cores: float = 0.0
    waited: float = 0.0
    bytes_s: float = 0.0
    fault: str = ""
    what: str = ""
    mend: str = ""


def try_all(rig: Rig, seconds: float = SECONDS) -> list[Trial]:
    """Try all streams of a rig that run on this machine, at once."""
    names = [name for name, stream in rig.streams.items() if not stream.remote]
    with tempfile.TemporaryDirectory(prefix="chorus-doctor-") as folder:
        path = Path(folder, "rig.yaml")
        path.write_text(rig.text, encoding="utf-8")
        command = [sys.executable, "-m", "fusion.doctor.trial", str(path), rig.folder]
        more = [f"--seconds={seconds}", f"--epoch={time.monotonic_ns()}"]
        running = {
            name: subprocess.Popen(
                [*command, name, *more], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            for name in names
        }
        deadline = time.monotonic() + OPENING_S + seconds
        return [_outcome(name, process, deadline) for name, process in running.items()]


def judge(trials: list[Trial], cores: int, rig_path: str) -> Iterator[Finding]:
    """Say what stands in the way of a rig, by how its streams did."""
    for trial in trials:
        if trial.what:
            yield Finding(trial.what, trial.mend)
        elif trial.nominal and trial.measured < SLOW * trial.nominal:
            yield _slow(trial, rig_path)
    taken = sum(trial.cores for trial in trials) + RECORDER
    if trials and taken > SHARE * cores:
        parts = ", ".join(f"{trial.stream} {trial.cores:.2f}" for trial in trials)
        heaviest = max(trials, key=lambda trial: trial.cores)
        yield Finding(
            f"too slow: the rig takes {taken:.1f} of {cores} cores ({parts}, recorder {RECORDER})",
            _relief(heaviest.stream, rig_path),
        )


def _slow(trial: Trial, rig_path: str) -> Finding:
    rates = f"{trial.stream}: {trial.measured:.1f} rows came a second, not {trial.nominal:g}"
    if trial.cores + trial.waited > FULL:
        return Finding(f"{rates}: the processor is too slow for it", _relief(trial.stream, rig_path))
    return Finding(
        f"{rates}, though the processor had time",
        "Check the device's settings (a camera in the dark exposes longer), or set its true rate in the rig",
    )


def _relief(stream: str, rig_path: str) -> str:
    return (
        f"Lower the rate or size of {stream} in the rig, or run it on another machine: "
        f"chorus drive {rig_path} --only {stream} --connect ADDRESS"
    )


def _outcome(name: str, process: subprocess.Popen[str], deadline: float) -> Trial:
    try:
        said, _ = process.communicate(timeout=max(0.1, deadline - time.monotonic()))
        return Trial(**json.loads(said))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return Trial(
            name, what=f"{name}: its device did not open in {OPENING_S:g} s", mend="Switch it off and on"
        )
    except (ValueError, TypeError):
        what = f"{name}: its driver ended with status {process.returncode}"
        return Trial(name, what=what, mend="Report it to the driver's author")


def try_one(rig: Rig, stream: str, epoch_ns: int, seconds: float) -> Trial:
    """Open and read one stream, here."""
    try:
        driver = create_driver(rig, stream, epoch_ns)
        try:
            info = driver.open()
            begin, cpu, waited, rows, size = time.monotonic(), time.process_time(), _waited_s(), 0, 0
            while time.monotonic() < begin + seconds:
                samples = driver.read(0.1)
                if samples is not None:
                    rows, size = rows + len(samples), size + _bytes(samples)
            passed = time.monotonic() - begin
            cpu, waited = time.process_time() - cpu, max(0.0, _waited_s() - waited)
        except EndOfStream:
            return Trial(stream)
        finally:
            driver.close()
    except ChorusError as error:
        fault = error.fault if isinstance(error, DeviceError) else Fault.FAILED
        what = error.what if error.what.startswith(stream) else f"{stream}: {error.what}"
        return Trial(stream, fault=fault, what=what, mend=error.mend)
    except Exception as error:
        what = f"{stream}: its driver failed with {type(error).__name__}: {error}"
        return Trial(stream, fault=Fault.FAILED, what=what, mend="Report it to the driver's author")
    measured, bytes_s = rows / passed, size / passed
    return Trial(stream, info.device, info.rate_hz, measured, cpu / passed, waited / passed, bytes_s)


def _waited_s() -> float:
    """Return how long the threads of this process have waited for a processor, s; Linux tells it."""
    total = 0
    for entry in Path("/proc/self/task").glob("*/schedstat"):
        try:
            total += int(entry.read_text().split()[1])
        except (OSError, IndexError, ValueError):  # the thread ended, or the kernel keeps no such figures
            continue
    return total / 1e9


def _bytes(samples: Samples) -> int:
    data = samples.data
    return sum(map(len, data)) if isinstance(data, tuple) else int(data.nbytes)


def main() -> None:
    """Try one stream and print how it did, for :func:`try_all`."""
    parser = argparse.ArgumentParser(prog="python -m fusion.doctor.trial")
    parser.add_argument("rig")
    parser.add_argument("folder")
    parser.add_argument("stream")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--epoch", type=int, required=True)
    options = parser.parse_args()
    rig = dataclasses.replace(load_rig(options.rig), folder=options.folder)
    print(json.dumps(dataclasses.asdict(try_one(rig, options.stream, options.epoch, options.seconds))))


if __name__ == "__main__":
    main()
