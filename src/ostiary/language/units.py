"""Durations as people write them. Fed by the nouns; feeds `plan`."""

from __future__ import annotations

import re
from typing import Final

DURATION: Final = re.compile(r"(\d{1,9})(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """`90s` is 90.0, `250ms` 0.25, `5m` 300.0, `1h` 3600.0. The text was checked when read."""
    found = DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a duration")
    return int(found[1]) * _SECONDS[found[2]]
