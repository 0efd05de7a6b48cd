"""How far something has come, in words: which gateways enforce it, and which do not say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ostiary.cli import terminal


def receipt(reached: Mapping[str, Any]) -> None:
    """One line on standard error, and one for each gateway that is late."""
    enforced, missing = len(reached["enforced"]), reached["missing"]
    if not reached["guarded"]:
        terminal.tell(
            "the gateways have no guard: a token issued before counts until it expires",
            terminal.CARE,
        )
        return
    milliseconds = reached["seconds"] * 1000
    all_of_them = enforced + len(missing)
    style = terminal.CARE if missing else terminal.GOOD
    if not all_of_them:
        terminal.tell("no gateway is connected: it is stored, and enforced as they come", style)
        return
    terminal.tell(
        f"enforced at {enforced} of {all_of_them} gateways after {milliseconds:.1f} ms", style
    )
    for proxy in missing:
        terminal.tell(f"not yet: {proxy}; it gets it as soon as it answers", terminal.CARE)
