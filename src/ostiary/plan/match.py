"""Which route answers a request: the reference meaning that the compiled routes are tested against.

1. The most specific host decides: the exact name, else the longest wildcard above it. Only routes
   of that one host are looked at, so a request that none of them takes finds nothing (404),
   whatever a wider host would say.
2. Among routes whose path and method match, an exact path beats every prefix, a longer prefix a
   shorter one, and at the same path a route that names the method beats one that takes all.
3. Order in the document never matters; no two routes can tie (`plan.duplicate-route`).

Fed by tests and by anybody who asks about a plan without a proxy.
"""

from __future__ import annotations

from ostiary.names import Key
from ostiary.plan.hosts import covers
from ostiary.plan.model import PathKind, PathMatch, Plan, Route


def match(  # noqa: PLR0917  a request is three words at a place
    plan: Plan, gateway: Key, listener: str, host: str, path: str, method: str
) -> Route | None:
    """The route for a request: `host` lower case without port, `path` normalised without query."""
    here = [r for r in plan.routes if r.gateway == gateway and r.listener == listener]
    hosts = {pattern for route in here for pattern in route.hosts if covers(pattern, host)}
    if not hosts:
        return None
    # An exact name has no `*`, so it is preferred; of wildcards the longer is the nearer.
    chosen = max(hosts, key=lambda pattern: (pattern == host, len(pattern)))
    found = [
        (_rank(route, one), route)
        for route in here
        if chosen in route.hosts and (route.methods is None or method in route.methods)
        for one in route.paths
        if path_matches(one, path)
    ]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def path_match(pattern: str) -> PathMatch:
    """`/x/*` is the prefix `/x`; everything else is exact."""
    if pattern.endswith("/*"):
        return PathMatch(PathKind.PREFIX, pattern[:-2])
    return PathMatch(PathKind.EXACT, pattern)


def path_matches(pattern: PathMatch, path: str) -> bool:
    """Whether `path` is the pattern's, or for a prefix lies below it on a segment boundary."""
    if pattern.kind is PathKind.EXACT:
        return path == pattern.value
    return path == pattern.value or path.startswith(pattern.value + "/")


def _rank(route: Route, path: PathMatch) -> tuple[bool, int, bool]:
    return (path.kind is not PathKind.EXACT, -len(path.value), route.methods is None)
