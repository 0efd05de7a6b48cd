"""`ostiary waf tune`: the narrowest exclusions that shadow traffic argues for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import Parameter

from ostiary.app.waf_tuning import Patched, patch, thresholds, trouble, written
from ostiary.cli import terminal
from ostiary.cli.options import AsJson
from ostiary.cli.waf.options import Threshold, TrafficFile, traffic_of
from ostiary.waf.proposals import Declined, Least, Proposal, Subject, Tuned
from ostiary.waf.proposals import tune as proposed

_SHOWN: Final = 20
Document = Annotated[
    Path | None,
    Parameter(
        name="--document",
        show_default=False,
        help="The document, or its folder: a patch for it is printed on standard output.",
    ),
]


def tune(
    *,
    traffic: TrafficFile,
    document: Document = None,
    threshold: Threshold = 5,
    requests: int = 5,
    clients: int = 2,
    as_json: AsJson = False,
) -> None:
    """Propose the narrowest exclusions that shadow traffic argues for. Changes nothing.

    Each is a rule, one part of a request and the paths where it was seen, with its evidence: only
    requests that the application answered, of addresses that sent no attack. What an attack in the
    log argues against is not proposed, and why is said. With --document its thresholds count, and
    the patch is on standard output and all else on standard error.

    Parameters
    ----------
    requests
        How many requests an exclusion needs at least.
    clients
        Of how many addresses.
    """
    found = traffic_of(traffic)
    said = thresholds(document) if document is not None else {}
    tuned = proposed(found.entries, Least(requests, clients, threshold, said))
    sound = [one for one in tuned.proposals if not trouble(one)]
    for one in tuned.proposals:
        why = trouble(one)
        if why:
            tuned.declined.append(Declined(one.subject, one.message, one.requests, why))
    tuned.proposals = sound
    patched = patch(document, sound) if document is not None and sound else None
    if as_json:
        terminal.say(json.dumps(_told(tuned, patched), indent=2))
        return
    _show(tuned, len(found.unread))
    if patched is not None:
        for one, why in patched.unplaced:
            terminal.tell(f"not in the patch: {_name(one.subject)}: {why}", terminal.CARE)
        sys.stdout.write(patched.diff)


def _show(tuned: Tuned, unread: int) -> None:
    """About what was found, on standard error; the patch alone is the answer."""
    tell = terminal.tell
    for one in tuned.proposals:
        tell(f"{_name(one.subject)}: {one.message}", "bold")
        days = f"{one.days} {'day' if one.days == 1 else 'days'}"
        tell(f"  evidence     {one.requests} requests, {one.clients} addresses, {days}")
        tell(f"  looks like   {one.sample}")
        tell(f"  exclude      {written(one).flow}")
    for left in tuned.declined[:_SHOWN]:
        asked = f"{left.requests} {'request' if left.requests == 1 else 'requests'}"
        tell(f"not proposed: {_name(left.subject)} ({asked}): {left.because}", terminal.CARE)
    if len(tuned.declined) > _SHOWN:
        tell(f"and {len(tuned.declined) - _SHOWN} more are not proposed; --json has all")
    for attack in tuned.attacks[:_SHOWN]:
        rules = ", ".join(map(str, attack.rules[:_SHOWN]))
        tell(f"an attack: line {attack.line}, {attack.method} {attack.path}: rules {rules}")
    if unread:
        tell(f"{unread} lines were not read", terminal.CARE)
    tell(f"{tuned.stopped} requests would be stopped today, {tuned.left} with these exclusions")


def _name(subject: Subject) -> str:
    return f"rule {subject.rule} for {subject.target} on route {subject.route or '(unknown)'}"


def _told(tuned: Tuned, patched: Patched | None) -> dict[str, Any]:
    unplaced = patched.unplaced if patched else []
    return {
        "proposals": [_proposal(one) for one in tuned.proposals],
        "declined": [
            {**one.subject._asdict(), "requests": one.requests, "because": one.because}
            for one in tuned.declined
        ],
        "attacks": [one.line for one in tuned.attacks],
        "stopped": tuned.stopped,
        "left": tuned.left,
        "unplaced": [{**one.subject._asdict(), "because": why} for one, why in unplaced],
        "patch": patched.diff if patched else "",
    }


def _proposal(one: Proposal) -> dict[str, Any]:
    return {
        **one.subject._asdict(),
        "message": one.message,
        "paths": list(one.paths),
        "requests": one.requests,
        "clients": one.clients,
        "days": one.days,
        "sample": one.sample,
    }
