"""The one error tree of Chorus.

::

    ChorusError                    what happened + the mend, always one line
    ├── ConfigError                a rig, a YAML file or an option is wrong
    ├── MissingDependency          a library is not installed (names the install command)
    ├── DeviceError                a device failed (names the stream and a typed Fault)
    ├── BusError                   the bus
    │   ├── WireError              a message could not be parsed and was refused whole
    │   └── BusUnreachable         nobody answers at the address
    ├── RecordingError             a session file
    │   ├── RecordingExists        never overwritten
    │   └── RecordingUnreadable    truncated, foreign or of a newer version
    ├── DataError                  a data set or a label is missing or malformed
    ├── CalibrationError           what was seen does not calibrate a device well enough
    └── WeightsError               weights could not be obtained, verified or loaded
"""

from __future__ import annotations

import enum

_COMMANDS = ("apt ", "brew ", "chorus ", "make ", "pip ", "python ", "sudo ")
"""A mend that begins with one of these is a command, and keeps its case."""


class ChorusError(Exception):
    """Base of every error that Chorus raises on purpose.

    Args:
        what: what happened, and to which device, stream or file.
        mend: the command or setting that mends it.
    """

    def __init__(self, what: str, *, mend: str) -> None:
        self.what = " ".join(what.split())
        self.mend = " ".join(mend.split())
        super().__init__(self.what, self.mend)

    def __str__(self) -> str:
        mend = self.mend if self.mend.startswith(_COMMANDS) else self.mend[:1].upper() + self.mend[1:]
        return f"{self.what.rstrip('.')}. {mend}"


class ConfigError(ChorusError):
    """A rig, a YAML file or a command-line option is wrong."""


class MissingDependency(ChorusError):
    """A library that this feature needs is not installed."""


class Fault(enum.StrEnum):
    """Why a device failed, so that a caller can act on it."""

    NOT_FOUND = "not found"
    PERMISSION = "permission denied"
    BUSY = "in use by another program"
    SILENT = "sends nothing"
    GARBAGE = "sends bytes that are not the expected protocol"
    UNPLUGGED = "was unplugged"
    UNSUPPORTED = "does not support the setting"
    FAILED = "failed"


class DeviceError(ChorusError):
    """A device failed.

    Args:
        stream: name of the stream in the rig.
        fault: the typed reason.
        what: what happened, in words.
        mend: the command or setting that mends it.
    """

    def __init__(self, stream: str, fault: Fault, what: str, *, mend: str) -> None:
        self.stream = stream
        self.fault = fault
        super().__init__(f"{stream}: {what}", mend=mend)


class BusError(ChorusError):
    """The bus failed."""


class WireError(BusError):
    """A message could not be parsed; it was refused whole."""


class BusUnreachable(BusError):
    """Nobody answers at the address."""


class RecordingError(ChorusError):
    """A session file failed."""


class RecordingExists(RecordingError):
    """The output exists already; recordings are never overwritten."""


class RecordingUnreadable(RecordingError):
    """The file is truncated, foreign or of a version this program does not know."""


class DataError(ChorusError):
    """A data set or a label is missing or malformed."""


class CalibrationError(ChorusError):
    """What was seen does not calibrate a device, or not well enough to be used."""


class WeightsError(ChorusError):
    """Weights could not be obtained, verified or loaded."""
