"""What one proxy ought to hold: its view, the fast lanes on top, refused resources replaced.

Fed by `server` (revisions, endpoints, secrets) and `stream` (refusals); read by every stream of
the proxy. All streams of a proxy share one `Desired`, and all of them share the bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Final, Literal, TypeAlias

from ostiary.compiler.resources import ENDPOINTS, SCOPE, SECRET, Resource, View
from ostiary.patched import differences
from ostiary.xds.quarantine import Refusal, refusal
from ostiary.xds.scope_keys import ScopeKeys

SecretSource: TypeAlias = Callable[[str, str], Resource | None]
"""(SPIFFE id, secret name) -> the secret, asked only for names of the proxy's view."""
Changes: TypeAlias = Mapping[str, set[str]]
"""Type URL -> names that are new, different or gone."""


class Hold(Enum):
    """The answer "leave what the proxy has"."""

    AS_IS = "as-is"


AS_IS: Final = Hold.AS_IS
Want: TypeAlias = Resource | Literal[Hold.AS_IS] | None


class Desired:
    """The aim of one proxy. `want` is what a stream must bring about for one name."""

    def __init__(self, proxy: str, secret_source: SecretSource | None = None) -> None:
        self.proxy = proxy
        self.view: View | None = None
        self.number = 0
        """Counts published revisions; the higher is the newer."""
        self.refusals: dict[tuple[str, str], Refusal] = {}
        self._keys = ScopeKeys()
        self._previous: Mapping[str, Mapping[str, Resource]] = {}
        self._secret_source = secret_source
        self._secrets: dict[str, Resource] = {}
        self._endpoints: dict[str, Resource] = {}

    def want(self, type_url: str, name: str) -> Want:
        """The resource to hold, None for "not to hold", `AS_IS` where the new one was refused."""
        resource = self._plain(type_url, name)
        refused = self.refusals.get((type_url, name))
        if resource is None or refused is None or refused.resource.version != resource.version:
            return resource
        if refused.instead is not None:
            return refused.instead
        return None if type_url == SCOPE else AS_IS

    def names(self, type_url: str) -> Iterable[str]:
        """All names of a type, for a wildcard subscription. Secrets are never listed."""
        return self._resources(type_url).keys()

    def scopes_after(self, view: View | None) -> ScopeKeys:
        """The scope keys once `view` is adopted; `CompileError` when two are the same."""
        scopes = view.resources.get(SCOPE, {}) if view else {}
        return self._keys.renewed(scopes, _differences(self._resources(SCOPE), scopes))

    def adopt(self, view: View | None, number: int, keys: ScopeKeys) -> Changes:
        """`view` is the aim from now on; says what differs. None: this proxy has none any more."""
        changes: dict[str, set[str]] = {}
        new = view.resources if view else {}
        for type_url in {*new, *(self.view.resources if self.view else {})}:
            names = _differences(self._resources(type_url), new.get(type_url, {}))
            if names:
                changes[type_url] = names
        for name in changes.get(ENDPOINTS, ()):
            self._endpoints.pop(name, None)  # what the revision says is newer than the lane
        if changes and self.view:
            self._previous = self.view.resources
        changes[SECRET] = self._secret_changes(view)
        self.view, self.number, self._keys = view, number, keys
        self._forget_refusals()
        return changes

    def take_endpoints(self, resource: Resource) -> None:
        """`resource` replaces the endpoints of its name until a revision changes them."""
        self._endpoints[resource.name] = resource
        self.refusals.pop((ENDPOINTS, resource.name), None)

    def take_secrets(self, secrets: Mapping[str, Resource]) -> None:
        """These are the secrets of those names; others stay."""
        self._secrets.update(secrets)
        for name in secrets:
            self.refusals.pop((SECRET, name), None)

    def refuse(self, resource: Resource, error: str) -> Refusal | None:
        """`resource` is not sent again in this version; says what happens instead.

        None when the desired state has moved on and nobody will send it anyway.
        """
        slot = (resource.type_url, resource.name)
        current = self._plain(*slot)
        if self._is_stand_in(resource):
            self.refusals[slot] = self.refusals[slot].answered(accepted=False)
        elif current is not None and current.version == resource.version:
            before = self._previous.get(resource.type_url, {}).get(resource.name)
            self.refusals[slot] = refusal(resource, error, before)
        else:
            return None
        return self.refusals[slot]

    def again(self, type_url: str, name: str) -> bool:
        """What was refused is sent once more; False when nothing was."""
        return self.refusals.pop((type_url, name), None) is not None

    def accept(self, resource: Resource) -> Refusal | None:
        """A proxy took `resource`; says what happens next if that was a stand-in on trial."""
        slot = (resource.type_url, resource.name)
        if not self._is_stand_in(resource) or self.refusals[slot].final:
            return None
        self.refusals[slot] = self.refusals[slot].answered(accepted=True)
        return self.refusals[slot]

    def served(self) -> View | None:
        """The view as it is really served: endpoint lane and stand-ins included."""
        if self.view is None or not (self.refusals or self._endpoints):
            return self.view
        resources: dict[str, dict[str, Resource]] = {}
        for type_url, names in self.view.resources.items():
            wanted = {name: self.want(type_url, name) for name in names}
            kept = {name: want for name, want in wanted.items() if isinstance(want, Resource)}
            resources[type_url] = kept
        return View(self.proxy, resources, self.view.secrets)

    def _is_stand_in(self, resource: Resource) -> bool:
        known = self.refusals.get((resource.type_url, resource.name))
        instead = known.instead if known else None
        return instead is not None and instead.version == resource.version

    def _plain(self, type_url: str, name: str) -> Resource | None:
        if type_url == SECRET:
            return self._secret(name)
        compiled = self._resources(type_url).get(name)
        if type_url == ENDPOINTS and compiled is not None:
            return self._endpoints.get(name, compiled)
        return compiled

    def _secret(self, name: str) -> Resource | None:
        if self.view is None or name not in self.view.secrets:
            return None
        found = self._secrets.get(name)
        if found is None and self._secret_source is not None:
            found = self._secret_source(self.proxy, name)
        return found

    def _resources(self, type_url: str) -> Mapping[str, Resource]:
        return self.view.resources.get(type_url, {}) if self.view else {}

    def _secret_changes(self, view: View | None) -> set[str]:
        before = self.view.secrets if self.view else frozenset[str]()
        after = view.secrets if view else frozenset[str]()
        for name in before - after:
            self._secrets.pop(name, None)
        return set(before ^ after)

    def _forget_refusals(self) -> None:
        for (type_url, name), refused in list(self.refusals.items()):
            resource = self._plain(type_url, name)
            if resource is None or resource.version != refused.resource.version:
                del self.refusals[type_url, name]


def _differences(old: Mapping[str, Resource], new: Mapping[str, Resource]) -> set[str]:
    return {
        name
        for name in differences(new, old)
        if (before := old.get(name)) is None
        or (after := new.get(name)) is None
        or before.version != after.version
    }
