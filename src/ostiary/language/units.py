"""Durations and sizes as people write them. Fed by the nouns; feeds `plan`."""

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


SIZE: Final = re.compile(r"(\d{1,6})(KiB|MiB)")
_BYTES: Final = {"KiB": 1 << 10, "MiB": 1 << 20}


def size(text: str) -> int:
    """`128KiB` is 131072, `1MiB` 1048576. The text was checked when read."""
    found = SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a size")
    return int(found[1]) * _BYTES[found[2]]
