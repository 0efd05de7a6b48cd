"""How long a certificate lives and when it is renewed: arithmetic on UTC times.

Fed by `authority` and `proxy` with their clocks; feeds certificate templates and renewal loops.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

SVID_LIFETIME: Final = timedelta(hours=1)
SERVING_LIFETIME: Final = timedelta(days=7)
ROOT_LIFETIME: Final = timedelta(days=3650)
BACKDATE: Final = timedelta(minutes=5)
"""A certificate begins this long before it is issued: the reader's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate holds (UTC, both ends included, RFC 5280 4.1.2.5)."""

    not_before: datetime
    not_after: datetime

    @property
    def renew_at(self) -> datetime:
        """Half of the useful life: half is left to try again before anything stops working."""
        useful = self.not_after - self.not_before - BACKDATE
        return self.not_after - max(useful, timedelta(0)) / 2

    def holds(self, now: datetime) -> bool:
        """Whether a reader whose clock shows `now` accepts it."""
        return self.not_before <= now <= self.not_after


def starting(now: datetime, lifetime: timedelta, *, until: datetime | None = None) -> Validity:
    """The validity of what is issued at `now`: back-dated, never outliving its issuer (`until`)."""
    whole = now.replace(microsecond=0)  # X.509 counts seconds
    end = whole + lifetime
    return Validity(whole - BACKDATE, min(end, until) if until else end)
