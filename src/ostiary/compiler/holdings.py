"""What one view holds, kept up from revision to revision, and its content hash with it.

The hash of a view is the sum of its resources' hashes, so that one changed resource among thousands
costs one; equal views have equal hashes, in whatever order they came about. Fed by `edge_view` and
`compile`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping
from typing import Final, TypeAlias

from ostiary.compiler.resources import Resource, View
from ostiary.errors import CompileError
from ostiary.patched import Patched

Changes: TypeAlias = Mapping[tuple[str, str], Resource | None]
"""(type URL, name) -> what it is from now on; None: there is none any more."""
_MODULUS: Final = 1 << 128


class Holdings:
    """The resources of one proxy. A view that was given away never changes."""

    def __init__(self, proxy: str) -> None:
        self.view = View(proxy, {}, frozenset())
        self._sum = 0

    def take(self, changes: Changes, secrets: Iterable[str] = ()) -> None:
        """`view` has `changes` in it, and these are its secrets; it stays itself without any."""
        before = self.view.resources
        new: dict[str, dict[str, Resource]] = {}
        gone: dict[str, set[str]] = {}
        for (type_url, name), one in changes.items():
            known = before.get(type_url, {}).get(name)
            if known == one:
                continue
            if one is None:
                gone.setdefault(type_url, set()).add(name)
            else:
                new.setdefault(type_url, {})[name] = one
            self._sum = (self._sum + _hash(one) - _hash(known)) % _MODULUS
        secrets = frozenset(secrets)
        if new or gone or secrets != self.view.secrets:
            groups = {**dict.fromkeys(new, _EMPTY), **before}
            patched = {
                url: _patched(group, new.get(url, {}), gone.get(url, ()))
                for url, group in groups.items()
            }
            present = {url: group for url, group in patched.items() if group}
            self.view = View(self.view.proxy, present, secrets)

    @property
    def content(self) -> int:
        """The content hash of `view`: equal on every replica."""
        text = "\0".join((self.view.proxy, str(self._sum), *sorted(self.view.secrets)))
        return _number(text)


def changes(before: Changes, now: Iterable[Resource]) -> Changes:
    """From `before` to `now`; a name used twice for different things is a bug of ours."""
    found: dict[tuple[str, str], Resource | None] = {}
    for one in now:
        other = found.setdefault((one.type_url, one.name), one)
        if other is not None and other.version != one.version:
            raise CompileError(f"two resources are called {one.name}")
    return {**dict.fromkeys(before), **found}


def revision(contents: Iterable[int]) -> str:
    """The content hash of all views together."""
    return f"{sum(contents) % (1 << 64):016x}"


_EMPTY: Final[Patched[str, Resource]] = Patched()


def _patched(
    group: Mapping[str, Resource], new: Mapping[str, Resource], gone: Collection[str]
) -> Mapping[str, Resource]:
    return (group if isinstance(group, Patched) else Patched(group)).patched(new, gone)


def _hash(one: Resource | None) -> int:
    return 0 if one is None else _number(f"{one.type_url}\0{one.name}\0{one.version}")


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")
