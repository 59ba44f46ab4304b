"""Which of PortAudio's inputs a rig means, now and when it is back after it was unplugged."""

from __future__ import annotations

import re
from typing import Any

from drivers.errors import DeviceError, Fault, MissingDependency

_CARD = re.compile(r" \(hw:\d+,\d+\)$")
"""What ALSA adds to a name: the number that the card has at present."""


def library(stream: str) -> Any:
    """Return sounddevice.

    Raises:
        MissingDependency: PortAudio is not installed.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise MissingDependency(
            f"{stream}: a microphone needs the library PortAudio, which is not installed",
            mend="Run 'apt install libportaudio2' (macOS: 'brew install portaudio')",
        ) from error
    return sounddevice


class Inputs:
    """Finds the input of one stream, again and again.

    Args:
        stream: its name.
        wanted: name of the input, part of it, or its index; empty: the system's default.

    Attributes:
        stale: PortAudio's list of devices may be of another time.
    """

    def __init__(self, stream: str, wanted: int | str) -> None:
        self.stale = False
        self._stream = stream
        self._wanted = None if wanted == "" else wanted
        self._opened: dict[str, Any] | None = None

    def opened(self, device: dict[str, Any]) -> bool:
        """Note that an input was opened; return whether it was before."""
        before, self._opened = self._opened is not None, device
        return before

    def find(self, sounddevice: Any) -> dict[str, Any]:
        """Return PortAudio's description of the input.

        Raises:
            DeviceError: there is none, or several have that name.
        """
        if self.stale:  # PortAudio lists devices once; what was plugged in since is seen only anew
            self._list_anew(sounddevice)
        if self._opened is not None:
            return self._find_again(sounddevice, self._opened)
        for attempt in range(2):
            try:
                return dict(sounddevice.query_devices(self._wanted, "input"))
            except (ValueError, sounddevice.PortAudioError) as error:
                if attempt:
                    raise self._not_found(sounddevice, error) from error
                self._list_anew(sounddevice)
        raise AssertionError

    def _list_anew(self, sounddevice: Any) -> None:
        sounddevice._terminate()
        sounddevice._initialize()
        self.stale = False

    def _find_again(self, sounddevice: Any, opened: dict[str, Any]) -> dict[str, Any]:
        """Return the input that was opened before, though its number be another now.

        Another one, such as the system's next default, is another stream.
        """
        same = [
            dict(item)
            for item in sounddevice.query_devices()
            if item["max_input_channels"] > 0
            and item["hostapi"] == opened["hostapi"]
            and _CARD.sub("", item["name"]) == _CARD.sub("", opened["name"])
        ]
        if not same:
            self.stale = True
            raise DeviceError(
                self._stream,
                Fault.NOT_FOUND,
                f"there is no sound input '{opened['name']}'",
                mend="Plug it in again; the stream goes on by itself",
            )
        return next((item for item in same if item["name"] == opened["name"]), same[0])

    def _not_found(self, sounddevice: Any, error: Exception) -> DeviceError:
        inputs = [
            f"{item['index']} '{item['name']}'"
            for item in sounddevice.query_devices()
            if item["max_input_channels"] > 0
        ]
        found = ", ".join(inputs) or "none"
        if "Multiple" in str(error):
            what = f"several sound inputs are named like '{self._wanted}'"
        elif self._wanted is None:
            what = "there is no default sound input"
        else:
            what = f"there is no sound input '{self._wanted}'"
        return DeviceError(self._stream, Fault.NOT_FOUND, what, mend=f"Set 'device'; inputs found: {found}")
