"""`identity`: who can say who somebody is."""

from __future__ import annotations

from typing import Literal

from ostiary.language.written import Written


class Provider(Written):
    """A source of sign-ins. `local` means accounts kept here (`ostiary user add`)."""

    type: Literal["local"] | None = None
    """None written: the provider's name says it."""
