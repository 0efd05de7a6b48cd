"""The policy record: all that `login` and `explain` need to decide about a route again.

It is stored under its content hash before the proxies get a route that names the hash, and is
never changed; so a decision can be explained long after the document has moved on.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from ostiary.policy.rules import Level


@dataclass(frozen=True, slots=True)
class PolicyRecord:
    """One route's rules as they stood when compiled."""

    route: str
    """`tenant/namespace/name`."""
    hosts: tuple[str, ...]
    levels: tuple[Level, ...]
    login: bool
    place: str
    """`file:line:column` of the route when the record was made; not part of the hash."""
    waf: str = ""
    """What was looked into for attacks, JSON of `waf_words`; empty: nothing."""
    credentials: str = ""
    """What programs may show, JSON as the guard is told; empty: nothing."""

    def dump(self) -> str:
        """Canonical JSON: equal records give equal text."""
        # The records of rules that ask for no risk are those of before there was any; in a JSON
        # text a quotation mark stands behind a backslash, so only the key itself is found.
        text = _ADAPTER.dump_json(self).decode().replace(',"risk":null', "")
        if not self.credentials:
            text = text.replace(',"credentials":""', "")
        return text if self.waf else text.replace(',"waf":""', "")

    @property
    def hash(self) -> str:
        """The first 16 hex digits of the SHA-256 of what decides: a moved line changes nothing."""
        return hashlib.sha256(replace(self, place="").dump().encode()).hexdigest()[:16]


def load(text: str) -> PolicyRecord:
    """The record whose `dump()` was `text`."""
    return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(PolicyRecord)
