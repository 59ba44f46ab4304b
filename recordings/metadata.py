"""What is known of the subject and the session beside its rows; names follow BIDS where it has them.

``subject`` and ``task`` are attributes of their own (BIDS ``participant_id`` and ``TaskName``); these are
further ones. Any other name of small letters, digits and _ may be added.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from drivers.errors import ConfigError

NUMBERS = {"age": ("years", 0.0, 130.0), "height": ("m", 0.3, 2.6), "weight": ("kg", 1.0, 400.0)}
"""Names whose value is a number: unit, and the range in which it makes sense."""

WORDS = {
    "sex": ("male", "female", "other", "n/a"),
    "handedness": ("left", "right", "ambidextrous", "n/a"),
}
"""Names whose value is one of a few words."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_LONGEST = 1000


def check_metadata(values: Mapping[str, object]) -> dict[str, str]:
    """Return metadata as texts.

    Raises:
        ConfigError: a name or a value makes no sense; it says which.
    """
    checked: dict[str, str] = {}
    for name, value in values.items():
        text = " ".join(str(value).split())
        if not isinstance(name, str) or not _NAME.match(name):
            raise ConfigError(
                f"metadata: '{str(name)[:80]}' is no name", mend="Use small letters, digits and _"
            )
        if value is None or isinstance(value, dict | list) or not text or len(text) > _LONGEST:
            raise ConfigError(f"metadata.{name} is no text", mend=f"Give it 1 to {_LONGEST} characters")
        if name in NUMBERS:
            unit, least, most = NUMBERS[name]
            if not least <= _number(text) <= most:
                raise ConfigError(
                    f"metadata.{name} is '{text[:40]}'", mend=f"Give {unit}, from {least:g} to {most:g}"
                )
        if name in WORDS and text not in WORDS[name]:
            raise ConfigError(f"metadata.{name} is '{text[:40]}'", mend=f"Choose of {', '.join(WORDS[name])}")
        checked[name] = text
    return checked


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
