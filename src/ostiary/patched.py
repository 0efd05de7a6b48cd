"""How one room tells the next what changed, so that one route among thousands costs one route.

A `Patched` dictionary knows which one it was made from and where it differs. Nobody has to hear of
every revision: asked about any other forerunner, `differences` compares entry by entry, and the
answer is the same. A copy costs some ten nanoseconds an entry, a walk in Python ten times that.
Fed and asked by every room from `language` to `xds`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Since(NamedTuple):
    """Where a dictionary differs from its forerunner."""

    mark: object
    touched: dict[Any, None]


class Patched(dict[K, V]):
    """A dictionary that nobody changes once it is made; `patched` makes the next one."""

    def __init__(
        self, entries: Mapping[K, V] | Iterable[tuple[K, V]] = (), since: Since | None = None
    ) -> None:
        super().__init__(entries)
        self._since = since
        self.mark = object()
        """Stands for this dictionary and does not keep it alive, as a reference would."""

    def patched(self, new: Mapping[K, V], gone: Collection[K] = ()) -> Patched[K, V]:
        """With `new` in it and `gone` (which are in it) out of it; itself when both are empty.

        A key that stays keeps its place in the order.
        """
        touched = dict.fromkeys((*new, *gone))
        if not touched:
            return self
        entries = dict(self)
        entries.update(new)
        for key in gone:
            del entries[key]
        return Patched(entries, Since(self.mark, touched))

    def touched_since(self, then: Mapping[K, V]) -> dict[K, None] | None:
        """The keys in which this differs from `then`, from which it was made; else None."""
        since = self._since
        if since is None or not isinstance(then, Patched) or then.mark is not since.mark:
            return None
        return since.touched


def differences(now: Mapping[K, V], then: Mapping[K, V]) -> dict[K, None]:
    """Every key under which not the very same value stands in both, in the order of `now`.

    Of a dictionary that was `patched`, every key that was touched.
    """
    if now is then:
        return {}
    touched = now.touched_since(then) if isinstance(now, Patched) else None
    if touched is not None:
        return touched
    changed = dict.fromkeys(key for key, value in now.items() if then.get(key) is not value)
    return {**changed, **dict.fromkeys(key for key in then if key not in now)}


class Attendance(Generic[V]):
    """Who came and who went from one look to the next, told apart by identity."""

    def __init__(self) -> None:
        self._present: dict[int, V] = {}

    def look(self, present: Iterable[V]) -> tuple[list[V], list[V]]:
        """Those who are there for the first time, and those who are there no more."""
        before = self._present
        # All of it at the machine's own speed: 0.4 ms for 5,000.
        values = tuple(present)
        now = self._present = dict(zip(map(id, values), values, strict=True))
        came = [now[one] for one in now if one not in before]
        went = [before[one] for one in before if one not in now]
        return came, went
