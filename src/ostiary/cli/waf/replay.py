"""`ostiary waf replay`: which recorded requests other rules would decide differently."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any, Final

from cyclopts import Parameter

from ostiary.app.waf_sides import Exclusion, How, side
from ostiary.cli import terminal
from ostiary.cli.options import AsJson
from ostiary.cli.waf.options import (
    USUAL_LIMIT,
    BodyLimit,
    Paranoia,
    Threshold,
    TrafficFile,
    paranoia_of,
    traffic_of,
)
from ostiary.errors import Refused
from ostiary.waf.differences import Compared, Difference, compare
from ostiary.waf.traffic import Traffic

_SHOWN: Final = 20
"""Requests of a kind, and rules, that are shown; --json has them all."""
NewParanoia = Annotated[
    int | None, Parameter(name="--new-paranoia", show_default=False, help="Another one for NEW.")
]
NewThreshold = Annotated[
    int | None, Parameter(name="--new-threshold", show_default=False, help="Another one for NEW.")
]
Exclude = Annotated[
    list[str] | None,
    Parameter(
        name="--exclude",
        negative=(),
        show_default=False,
        help="For NEW: rules, then a part of the request and a path where they do not hold, as "
        "'941100 ARGS:comment /notes/*'.",
    ),
]


def replay(
    old: str,
    new: str,
    /,
    *,
    traffic: TrafficFile,
    most: int = 0,
    paranoia: Paranoia = 1,
    threshold: Threshold = 5,
    body_limit: BodyLimit = USUAL_LIMIT,
    new_paranoia: NewParanoia = None,
    new_threshold: NewThreshold = None,
    exclude: Exclude = None,
    as_json: AsJson = False,
) -> int:
    """Say which recorded requests other rules would decide differently.

    Each side is core, crs, files or folders of rules with commas between them, or a document: then
    each request is held against its route, and shadow mode is judged as if it blocked. The exit
    code is 1 when more than --most requests would be stopped that passed before.

    Parameters
    ----------
    old
        The rules of today.
    new
        Those that may come.
    most
        How many newly stopped requests are no failure.
    """
    found = traffic_of(traffic)
    before = How(paranoia_of(paranoia), threshold, body_limit)
    after = replace(
        before,
        paranoia=paranoia_of(new_paranoia or paranoia),
        threshold=new_threshold or threshold,
        exclude=tuple(map(exclusion_of, exclude or ())),
    )
    if not found.recorded:
        raise Refused(
            "traffic-unrecorded",
            f"{traffic} has no recorded request",
            "write `log: {file: waf.log, record: true}` under `waf`, or give a HAR file",
        )
    compared = compare(found.entries, side(old, before), side(new, after))
    if as_json:
        terminal.say(json.dumps(_told(compared, found), indent=2))
    else:
        show(compared, found)
    return 1 if len(compared.stopped) > most else 0


def exclusion_of(text: str) -> Exclusion:
    """`941100,941110 ARGS:comment /notes/*`: rules first, then parts and paths in any order."""
    rules, *more = text.split()
    return Exclusion(
        tuple(rules.split(",")),
        tuple(one for one in more if not one.startswith("/")),
        tuple(one for one in more if one.startswith("/")),
    )


def _told(compared: Compared, found: Traffic) -> dict[str, Any]:
    return {
        "asked": compared.asked,
        "newly_stopped": [_one(one) for one in compared.stopped],
        "newly_passed": [_one(one) for one in compared.passed],
        "stopped_by_both": compared.same_stopped,
        "other_rules": compared.other_rules,
        "unrecorded": compared.unrecorded,
        "cut": compared.cut,
        "unread": [{"line": line, "why": why} for line, why in found.unread],
    }


def _one(one: Difference) -> dict[str, Any]:
    return {
        "line": one.entry.line,
        "request_id": one.entry.request_id,
        "method": one.entry.method,
        "host": one.entry.host,
        "path": one.entry.path,
        "old": {"score": one.old.score, "rules": list(one.old.rules)},
        "new": {"score": one.new.score, "rules": list(one.new.rules)},
        "because": list(one.reasons),
    }


def show(compared: Compared, found: Traffic) -> None:
    """The comparison as text."""
    _list(compared.stopped, "would be stopped and passed before", terminal.BAD)
    _list(compared.passed, "would pass and were stopped before", terminal.CARE)
    for rule, count in compared.reasons()[:_SHOWN]:
        terminal.field(f"rule {rule}", f"newly stops {count}")
    terminal.say(f"{compared.asked} requests asked again", "bold")
    terminal.field("new stops", str(len(compared.stopped)))
    terminal.field("new passes", str(len(compared.passed)))
    terminal.field("both stop", str(compared.same_stopped))
    terminal.field("other rules", f"{compared.other_rules} decided alike, for other reasons")
    if compared.unrecorded:
        terminal.field("not asked", f"{compared.unrecorded} without a recorded request")
    if compared.cut:
        terminal.field("doubtful", f"{compared.cut} with a body that was not recorded as a whole")
    if found.unread:
        line, why = found.unread[0]
        terminal.field("not read", f"{len(found.unread)}; the first is line {line}: {why}")


def _list(found: list[Difference], what: str, style: str) -> None:
    if not found:
        return
    terminal.say(f"{len(found)} {what}", style)
    for one in found[:_SHOWN]:
        entry = one.entry
        because = ", ".join(map(str, one.reasons)) or f"score {one.old.score} to {one.new.score}"
        named = f"line {entry.line}" + (f", {entry.request_id}" if entry.request_id else "")
        terminal.field(entry.method, f"{entry.host}{entry.path}  {because}  ({named})")
    if len(found) > _SHOWN:
        terminal.field("", f"and {len(found) - _SHOWN} more; --json has all")
