"""Two scopes with one key make Envoy refuse a whole message; this finds them before sending.

Fed by `server` at each publish; costs what changed, for unchanged scopes are not read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from ostiary.compiler.resources import Resource
from ostiary.errors import CompileError
from ostiary.protos.messages import route

Key: TypeAlias = tuple[str, ...]


class ScopeKeys:
    """Which scope of one view owns which key; immutable, `renewed` makes the next."""

    def __init__(self) -> None:
        self._names: dict[Key, str] = {}
        self._keys: dict[str, Key] = {}

    def renewed(self, scopes: Mapping[str, Resource], changed: Iterable[str]) -> ScopeKeys:
        """The keys after `changed` (names added, edited or gone); `CompileError` on a clash."""
        new = ScopeKeys()
        new._names, new._keys = dict(self._names), dict(self._keys)
        touched = sorted(changed)
        for name in touched:
            new._drop(name)
        for name in touched:
            if name in scopes:
                new._claim(scopes, name)
                self._compare(scopes[name], new._keys[name])
        return new

    def _compare(self, scope: Resource, key: Key) -> None:
        # Envoy never forgets the old key and refuses it later to whoever takes it over.
        if self._keys.get(scope.name, key) != key:
            raise CompileError(
                f"scope {scope.name} ({scope.place}) changed its key to {'|'.join(key)}; "
                "a scope with another key needs another name"
            )

    def _drop(self, name: str) -> None:
        key = self._keys.pop(name, None)
        if key is not None:
            del self._names[key]

    def _claim(self, scopes: Mapping[str, Resource], name: str) -> None:
        key = _key(scopes[name])
        owner = self._names.setdefault(key, name)
        if owner != name:
            raise CompileError(
                f"scopes {owner} ({scopes[owner].place}) and {name} ({scopes[name].place}) "
                f"have the same key {'|'.join(key)}; nothing of this revision was sent"
            )
        self._keys[name] = key


def _key(scope: Resource) -> Key:
    message = route.ScopedRouteConfiguration.FromString(scope.body)
    return tuple(fragment.string_key for fragment in message.key.fragments)
