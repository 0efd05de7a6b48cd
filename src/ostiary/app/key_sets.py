"""Key sets of issuers: fetched every few minutes, stored for all, published when they change.

The control plane looks after them; `login` fetches one besides when a token names a key that nobody
knows. Whoever fetched, the store has it, and the guards get it a moment later.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog

from ostiary.api.ports import Red
from ostiary.errors import OstiaryError
from ostiary.identity.issuers import NO_KEYS, Issuer, read_issuers
from ostiary.sources.key_sets import fetch_keys
from ostiary.store.site import SiteStore
from ostiary.wire import ISSUERS_TEXT

PERIOD: Final = 300.0
"""Seconds between two fetches of one issuer's keys."""
AGAIN: Final = 10.0
"""Seconds until one that failed is tried again."""
_LOOK: Final = 1.0
"""Seconds between two looks at what the store has."""
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class KeySets:
    """What is known of every issuer's keys."""

    site: SiteStore
    look: float = _LOOK
    published: Mapping[str, str] = field(default_factory=dict)
    """Issuer -> its keys, as the guards have them."""
    _due: dict[Issuer, float] = field(default_factory=dict)
    _away: dict[str, str] = field(default_factory=dict)
    """Issuer -> why its keys could not be fetched."""

    def known(self, issuer: Issuer) -> str:
        """The keys that were fetched last, from where they are today."""
        text = self.site.get(_name(issuer))
        found = json.loads(text) if text else {}
        return str(found["keys"]) if found.get("of") == _origin(issuer) else NO_KEYS

    def fetch(self, issuer: Issuer) -> str:
        """The keys of this moment, stored; `OstiaryError` when they cannot be had."""
        found = fetch_keys(issuer)
        self.site.put(_name(issuer), json.dumps({"of": _origin(issuer), "keys": found}))
        return found

    def all_known(self) -> Mapping[str, str]:
        """The keys of every issuer of the accepted revision."""
        return {name: self.known(one) for name, one in self._issuers().items()}

    async def run(self, publish: Callable[[], Awaitable[None]]) -> None:
        """Keeps them fresh until cancelled; `publish` brings what changed to the guards."""
        while True:
            try:
                await asyncio.to_thread(self._refresh)
                found = await asyncio.to_thread(self.all_known)
                if found != self.published:
                    self.published = found
                    await publish()
            except OstiaryError as error:  # the store is away; what is known goes on
                _log.error("key sets not looked after", error=str(error))
            await asyncio.sleep(self.look)

    def reds(self) -> Sequence[Red]:
        """Issuers whose keys cannot be fetched."""
        hint = "its tokens count by the keys that are known; see whether its server answers"
        return [
            Red("issuer-keys", f"issuer {name}", why.partition("\n")[0], hint)
            for name, why in self._away.items()
        ]

    def _refresh(self) -> None:
        issuers = self._issuers()
        self._due = {one: self._due.get(one, 0.0) for one in issuers.values()}
        self._away = {name: why for name, why in self._away.items() if name in issuers}
        for one, due in self._due.items():
            if time.monotonic() < due:
                continue
            try:
                self.fetch(one)
            except OstiaryError as error:
                self._away[one.name] = str(error)
                self._due[one] = time.monotonic() + AGAIN
            else:
                self._away.pop(one.name, None)
                self._due[one] = time.monotonic() + PERIOD

    def _issuers(self) -> Mapping[str, Issuer]:
        return read_issuers(self.site.get(ISSUERS_TEXT) or "[]")


def _name(issuer: Issuer) -> str:
    return f"keys of {issuer.name}"


def _origin(issuer: Issuer) -> str:
    """Keys from elsewhere are not this issuer's, though the name be the same."""
    return f"{issuer.url or issuer.file} {issuer.ca}"
