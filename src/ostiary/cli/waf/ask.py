"""`ostiary waf test`: what rules would do with one request, rule by rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from ostiary.app import waf_rules
from ostiary.cli import terminal
from ostiary.cli.options import AsJson
from ostiary.cli.waf.options import (
    USUAL_LIMIT,
    BodyLimit,
    Paranoia,
    RuleWords,
    Threshold,
    content,
    paranoia_of,
)
from ostiary.errors import Refused
from ostiary.waf.request import Malformed, Request, of_raw, of_words

Header = Annotated[
    list[str] | None,
    Parameter(name=("--header", "-H"), negative=(), show_default=False, help="`name: value`."),
]
Body = Annotated[
    str | None,
    Parameter(name=("--body", "-d"), show_default=False, help="The body, or @FILE; @- is stdin."),
]
Raw = Annotated[
    Path | None,
    Parameter(
        name="--raw",
        show_default=False,
        help="A file with the whole request as it stands on the wire; - is stdin.",
    ),
]
Method = Annotated[
    str | None,
    Parameter(name=("--method", "-X"), show_default=False, help="GET, or POST with a body."),
]


def ask(
    target: str | None = None,
    /,
    *,
    rules: RuleWords = None,
    method: Method = None,
    header: Header = None,
    body: Body = None,
    raw: Raw = None,
    remote: str = "127.0.0.1",
    paranoia: Paranoia = 1,
    threshold: Threshold = 5,
    body_limit: BodyLimit = USUAL_LIMIT,
    times: Annotated[bool, Parameter(negative=())] = False,
    as_json: AsJson = False,
) -> int:
    """Say what rules would do with one request, rule by rule. Sends nothing anywhere.

    The exit code is 1 when the request would be stopped.

    Parameters
    ----------
    target
        A path with its query, or a URL.
    remote
        The address that it comes from.
    times
        Also say what each rule costs, in microseconds.
    """
    request = _request(
        target=target,
        method=method,
        header=header or [],
        body=body,
        raw=raw,
        remote=remote,
    )
    level = paranoia_of(paranoia)
    files = waf_rules.read(waf_rules.rule_words(rules or []), Path())
    settings = {"paranoia": level, "threshold": threshold, "body_limit": body_limit}
    plan = waf_rules.plan(files, mode="block", timing=times, **settings)
    found = waf_rules.inspect(plan, request)
    told = _told(found, plan.rules, threshold)
    if as_json:
        terminal.say(json.dumps(told, indent=2))
    else:
        show(told)
    return 1 if told["stopped"] else 0


def _request(
    *,
    target: str | None,
    method: str | None,
    header: list[str],
    body: str | None,
    raw: Path | None,
    remote: str,
) -> Request:
    if (target is None) == (raw is None):
        raise Refused(
            "no-request",
            "there is no request to test, or there are two",
            "give a path such as '/notes?q=1', or --raw FILE",
        )
    try:
        if raw is not None:
            return of_raw(content(raw), remote)
        held = _body(body)
        word = method or ("POST" if body is not None else "GET")
        return of_words(word, target or "/", header, held, remote)
    except Malformed as error:
        raise Refused("request-malformed", str(error), "write it as a client sends it") from error


def _body(word: str | None) -> bytes:
    if word is None:
        return b""
    return content(Path(word[1:])) if word.startswith("@") else word.encode()


def _told(found: Any, rules: list[dict[str, Any]], threshold: int) -> dict[str, Any]:
    """What came of it, for people and programs."""
    places = {rule["id"]: f"{rule['file']}:{rule['line']}" for rule in rules}
    matches = [
        {
            "rule": one.id,
            "message": one.message,
            "matched": one.place,
            "data": one.data,
            "severity": one.severity,
            "written_at": places.get(one.id, ""),
        }
        for one in found.matches
        if one.logged
    ]
    return {
        "stopped": found.interrupted,
        "status": found.status if found.interrupted else None,
        "by": found.by or None,
        "score": found.score,
        "threshold": threshold,
        "exhausted": found.exhausted,
        "undecided": list(found.uncertain),
        "matches": matches,
        "micros": [
            {"rule": rule, "micros": micros}
            for rule, micros in sorted(found.micros, key=lambda one: -one[1])
        ],
    }


def show(told: dict[str, Any]) -> None:
    """The answer as text."""
    if told["stopped"]:
        by = f", by rule {told['by']}" if told["by"] else ", by a limit"
        terminal.say(f"would be stopped with {told['status']}{by}", terminal.BAD)
    elif told["matches"]:
        terminal.say("would pass, though rules found something", terminal.CARE)
    else:
        terminal.say("would pass: no rule found anything", terminal.GOOD)
    terminal.field("score", f"{told['score']} of {told['threshold']}")
    if told["exhausted"]:
        terminal.field("budget", "used up", terminal.BAD)
    terminal.field("undecided", ", ".join(map(str, told["undecided"])), terminal.CARE)
    for one in told["matches"]:
        terminal.say(f"rule {one['rule']}: {one['message']}", "bold")
        terminal.field("matched", one["matched"])
        terminal.field("data", one["data"] if one["data"] != one["matched"] else "")
        terminal.field("written at", one["written_at"])
    for one in told["micros"]:
        if one["micros"]:
            terminal.field(f"{one['micros']} us", f"rule {one['rule']}")
