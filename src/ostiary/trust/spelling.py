"""How people write times and rates of verdicts: `90s`, `1h`, `10/m`.

Fed by the command line and the admin API; feeds `verdict`.
"""

from __future__ import annotations

import re
from typing import Final

from ostiary.errors import Refused

_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")
_RATE: Final = re.compile(r"([0-9]{1,9})/([0-9]{0,9})([smhd])")


def seconds_of(text: str) -> float:
    """`90s`, `15m`, `1h`, `30d` in seconds; `Refused` for anything else, and for nothing at all."""
    found = _DURATION.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise Refused(
            "verdict-duration",
            f"{text!r} is no length of time",
            "a number and a unit: 90s, 15m, 1h or 30d",
        )
    return int(found[1]) * _SECONDS[found[2]]


def rate_of(text: str) -> tuple[int, float]:
    """`10/m` as (10, 60.0), `5/10s` as (5, 10.0): how many in how many seconds."""
    found = _RATE.fullmatch(text)
    number, times = (int(found[1]), int(found[2] or 1)) if found else (0, 0)
    if found is None or not number or not times:
        raise Refused(
            "verdict-rate",
            f"{text!r} is no rate",
            "how many in what time: 10/s, 100/m or 5/10s",
        )
    return number, times * _SECONDS[found[3]]
