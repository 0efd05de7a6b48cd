"""From one entry of Envoy's access log to one `DecisionRecord`, in a few microseconds.

An entry is a line of fields, as `compiler.logs` lists them. Pure: no clock, no store. Fed by
`receiver`; feeds `writer`.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any, Final

from ostiary.compiler.logs import (
    ABSENT,
    ALLOWS,
    CLAIMS,
    CREDENTIALS,
    GUARDED,
    LONGEST_TEXT,
    REQUEST,
    SEPARATOR,
)
from ostiary.plan.record import DecisionRecord
from ostiary.wire import EFFECT_KEY, REASON_KEY, RISK_KEY, STALE_KEY, VERDICT_KEY

CLOCK_SKEW: Final = 5
"""Seconds by which a token may be over its time at every proxy of ours."""
_REQUEST: Final = len(REQUEST)
_CREDENTIAL: Final = 1 + len(CLAIMS)
_SIZES: Final = {str(size): size for size in (_REQUEST + _CREDENTIAL, _REQUEST + 2 * _CREDENTIAL)}
"""What an entry says of its own size, before anything else: one credential is told, or two."""
_GUARDED: Final = str(len(GUARDED))
"""The same with the guard, which has three fields of its own, one after another."""
_OWN: Final = list(GUARDED).index("trust")
_OWNS: Final = 3
_SURE: Final = list(REQUEST).index("method")
"""Fields before this one are Envoy's own words: they stand where they should in any entry."""
_NOBODY: Final = ["", ABSENT, ABSENT, ABSENT, "[]", ABSENT, ABSENT, ABSENT]
_EXPIRED: Final = CREDENTIALS[STALE_KEY]
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Malformed(ValueError):
    """An entry that is not what we asked for; `record` holds what is known nevertheless."""

    def __init__(self, reason: str, record: DecisionRecord) -> None:
        super().__init__(reason)
        self.record = record


def parse(entry: Any, proxy: str, log: str) -> DecisionRecord:
    """What the `LogRecord` says, as told by the proxy with the SPIFFE id `proxy`.

    Raises `Malformed` when it has a field too many or too few, or one that cannot be read.
    """
    size, *fields = _text(entry.body.string_value).split(SEPARATOR)
    started = entry.time_unix_nano // 1000 / 1e6
    guarded = size == _GUARDED
    expected = len(GUARDED) if guarded else _SIZES.get(size)
    count = len(fields)
    said, who, found = ABSENT, ABSENT, ABSENT
    if guarded and count >= _OWN + _OWNS:
        said, who, found = fields[_OWN : _OWN + _OWNS]
        del fields[_OWN : _OWN + _OWNS]
    if count != expected:
        reason = f"{count} fields instead of {size[:8]!r}"
        raise Malformed(reason, _remnant(fields, started, proxy, log))
    try:
        claims = _told(who, log) if guarded else _credential(fields)
        made = _record(fields, claims, started, proxy, log)
        if said != ABSENT:
            made = made._replace(**_said(said))
        return made if found == ABSENT else made._replace(waf=_found(found))
    except (ValueError, OverflowError) as error:
        raise Malformed(str(error), _remnant(fields, started, proxy, log)) from error


def _record(
    fields: list[str], claims: list[str], started: float, proxy: str, log: str
) -> DecisionRecord:
    known = ["" if field == ABSENT else field for field in fields]
    credential, expires, subject, email, groups, session_host, sid, group_set = claims
    route, _, policy = known[1].rpartition("@")
    return DecisionRecord(
        known[0],
        started,
        proxy,
        log,
        route or policy,
        policy if route else "",
        _host(known[12]),
        known[11],
        known[13].partition("?")[0].partition("#")[0],
        int(known[2] or 0),
        known[4][:LONGEST_TEXT],
        _flags(known[3]),
        credential,
        # A person may be called "-": with a credential there always is a subject.
        subject if credential else "",
        "" if email == ABSENT else email,
        _groups(groups),
        "" if session_host == ABSENT else session_host,
        "" if sid == ABSENT else sid,
        "" if group_set == ABSENT else group_set,
        known[5],
        known[10].partition(",")[0],
        known[6],
        int(known[7] or 0) / 1e6,
        known[8],
        known[9][:LONGEST_TEXT],
        credential not in _UNVERIFIED and float(expires) + CLOCK_SKEW < started,
    )


_UNVERIFIED: Final = ("", _EXPIRED)


def _credential(fields: list[str]) -> list[str]:
    """The first credential that was there; each has a time of expiry, a number, never absent."""
    for start in range(_REQUEST, len(fields), _CREDENTIAL):
        if fields[start + 1] != ABSENT:
            return fields[start : start + _CREDENTIAL]
    return _NOBODY


def _told(who: str, log: str) -> list[str]:
    """The credential as the guard tells it. An expired one matters in a refusal alone."""
    if who == ABSENT:
        return _NOBODY
    found = json.loads(who)
    if not isinstance(found, list) or len(found) != _CREDENTIAL:
        raise ValueError("a credential that is no array of its claims")
    kind, expires, subject, email, groups, *rest = found
    if kind == _EXPIRED and log == ALLOWS:
        return _NOBODY
    texts = [str(one) or ABSENT for one in (email, *rest)]
    return [str(kind), str(expires), str(subject), texts[0], json.dumps(groups), *texts[1:]]


def _remnant(fields: list[str], started: float, proxy: str, log: str) -> DecisionRecord:
    """What is known of an entry that cannot be read: Envoy's own words, nothing from a client."""
    own = ["" if field == ABSENT else field for field in fields[:_SURE]]
    own += [""] * (_SURE - len(own))
    blank = own + [ABSENT] * (_REQUEST - _SURE)
    blank[2] = own[2] if own[2].isdecimal() else "0"
    blank[7] = own[7] if own[7].isdecimal() else "0"
    return _record(blank, _NOBODY, started, proxy, log)


def _text(raw: bytes) -> str:
    """Readable, whatever it was; no store takes a NUL."""
    return raw.decode("utf-8", "replace").replace("\0", "\ufffd")


def _said(text: str) -> dict[str, Any]:
    """What the guard said: the metadata that it wrote, as JSON."""
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError("a guard that says no object")  # noqa: TRY004  the sender's fault
    risk = found.get(RISK_KEY)
    if risk is not None and not isinstance(risk, int | float):
        raise ValueError("a risk that is no number")
    return {
        "verdict": str(found.get(VERDICT_KEY, "")),
        "effect": str(found.get(EFFECT_KEY, "")),
        "reason": str(found.get(REASON_KEY, "")),
        "risk": None if risk is None else int(risk),
    }


def _found(text: str) -> str:
    """What rules found, as it was written: JSON, which `explain` reads."""
    if not isinstance(json.loads(text), dict):
        raise ValueError("rules that say no object")  # noqa: TRY004  the sender's fault
    return text


@lru_cache(maxsize=4096)
def _groups(text: str) -> tuple[str, ...]:
    """A JSON array of names; people share their sets of groups, so each is read once."""
    if text == ABSENT:
        return ()
    found = json.loads(text)
    if not isinstance(found, list):
        raise ValueError("groups that are no list")  # noqa: TRY004  the sender's fault, not ours
    return tuple(str(one) for one in found)


@lru_cache(maxsize=256)
def _flags(text: str) -> str:
    """Envoy's long names as the rest of Envoy spells them: `upstream_connection_failure`."""
    return _HUMP.sub("_", text).lower()


@lru_cache(maxsize=1024)
def _host(authority: str) -> str:
    """Without the port: what is behind the last colon, unless that is inside an IPv6 address."""
    host, colon, port = authority.rpartition(":")
    return (host if colon and port.isdigit() else authority).lower()
