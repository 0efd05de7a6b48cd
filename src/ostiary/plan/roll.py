"""What all services come to together, kept up as single services come, change and go.

Fed by `study`, with the names that something changed for, so that a change among thousands costs
only itself; `tally` is the same for routes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ostiary.errors import ConfigError
from ostiary.language.document import Noun
from ostiary.language.gateway import Gateway
from ostiary.language.service import Service
from ostiary.names import Key, local
from ostiary.patched import Patched
from ostiary.plan import model
from ostiary.plan.attached import idle, turned_away, unattached
from ostiary.plan.levels import guard_faults, level_faults, level_warnings
from ostiary.plan.services import service, service_faults

Nouns = Mapping[str, Noun[Service]]


@dataclass(frozen=True, eq=False)
class _Entry:
    """What one service means to gateways that have routes to it, and what is wrong with it."""

    noun: Noun[Service]
    faults: tuple[ConfigError, ...]
    lost: ConfigError | None
    warnings: tuple[str, ...]


class Roll:
    """Every service of the document. A new one is needed when the gateways change."""

    def __init__(self, gateways: Mapping[str, Noun[Gateway]], *, guard: bool) -> None:
        self._gateways = gateways
        self._guard = guard
        self._uneasy: dict[str, _Entry] = {}
        """Those of which something has to be said."""
        self.services: Patched[Key, model.Service] = Patched()
        self.minis: dict[str, Noun[Service]] = {}
        """Those with a mini gateway."""

    def renew(
        self, nouns: Nouns, touched: Collection[str], callers: Mapping[Key, Iterable[Key]]
    ) -> None:
        """Look again at `touched`: their nouns changed, or the gateways that have routes to them.

        `callers` are those gateways, by service.
        """
        for name in touched:
            self._uneasy.pop(name, None)
            self.minis.pop(name, None)
        new: dict[Key, model.Service] = {}
        for noun in [nouns[name] for name in touched if name in nouns]:
            key = local(noun.name)
            who = tuple(sorted(callers.get(key, ())))
            made = service(noun, who)
            self._say(noun, who)
            if made.mini_gateway is not None:
                self.minis[noun.name] = noun
            if self.services.get(key) != made:
                new[key] = made
        gone = [local(name) for name in touched if name not in nouns]
        self.services = self.services.patched(new, [key for key in gone if key in self.services])

    def faults(self) -> Iterator[tuple[Noun[object], ConfigError]]:
        """What is wrong with services, each by itself."""
        return ((one.noun, fault) for one in self._uneasy.values() for fault in one.faults)

    def lost(self) -> Iterator[ConfigError]:
        """What services say that holds for nothing."""
        return (one.lost for one in self._uneasy.values() if one.lost is not None)

    def warnings(self) -> Iterator[str]:
        """What is sound and yet probably not meant."""
        return (warning for one in self._uneasy.values() for warning in one.warnings)

    def _say(self, noun: Noun[Service], callers: tuple[Key, ...]) -> None:
        needs = () if self._guard else guard_faults(noun)
        faults = (*service_faults(noun, self._gateways), *level_faults(noun), *needs)
        lost = None if callers else unattached(noun)
        unused = () if callers or lost is not None else (idle(noun),)
        warnings = (*unused, *turned_away(noun, callers), *level_warnings(noun))
        if faults or warnings or lost is not None:
            self._uneasy[noun.name] = _Entry(noun, faults, lost, warnings)
