"""What happens to a request's headers before anything reads them.

Strip all that a client must not say, then write the scope under which the routes of its host are
found: two early header mutations, or one of the guard. Feeds `edge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ostiary.compiler.spelling import scope_name
from ostiary.features.roles import Role, early
from ostiary.plan.model import Listener
from ostiary.protos import pack
from ostiary.protos.messages import core, early_mutation, matcher, mutation_rules
from ostiary.wire import RESERVED_PREFIX, SCOPE_HEADER, UNSOUND_HEADER

AUTHORITY_HEADER: Final = "x-forwarded-host"
"""The name and port that the browser used, from which `Host` is restored for the upstream."""
FORWARDED_PREFIX: Final = "x-forwarded-"
STRIPPED_PREFIXES: Final = (RESERVED_PREFIX, "x-envoy-")
STRIPPED_NAMES: Final = (
    "forwarded",
    "proxy",
    "x-client-trace-id",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
)
"""Names by which applications let a request say that it is another one, or set a variable of theirs
(`Proxy` becomes HTTP_PROXY where an application runs as CGI)."""


_CLIENT_ADDRESS: Final = (
    "client-ip",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
)
"""Names by which applications let a request say from where it comes."""


def strip(*, keep_forwarded: bool = False) -> core.TypedExtensionConfig:
    """Takes reserved and overriding headers, and those about the client.

    A trusted proxy may say X-Forwarded-* and the client's address.
    """
    prefixes, names = _stripped(keep_forwarded=keep_forwarded)
    gone = [_remove_on_match(matcher.StringMatcher(prefix=one)) for one in prefixes]
    gone += [mutation_rules.HeaderMutation(remove=one) for one in names]
    return _extension("ostiary.strip", gone)


def _stripped(*, keep_forwarded: bool) -> tuple[Sequence[str], Sequence[str]]:
    """Beginnings of names, and names."""
    if keep_forwarded:
        return STRIPPED_PREFIXES, STRIPPED_NAMES
    return (*STRIPPED_PREFIXES, FORWARDED_PREFIX), (*STRIPPED_NAMES, *_CLIENT_ADDRESS)


def place(listener: Listener, wildcards: Sequence[str]) -> core.TypedExtensionConfig:
    """Writes `listener|host`, and the authority with the port that was stripped from it."""
    written = [
        _write(SCOPE_HEADER, _scope_value(listener.name, wildcards)),
        _write(AUTHORITY_HEADER, f"%REQ(:authority)%{_port(listener)}"),
    ]
    return _extension("ostiary.place", written)


def by_guard(
    listener: Listener, wildcards: Sequence[str], *, keep_forwarded: bool, keep_sent: bool
) -> core.TypedExtensionConfig:
    """Both by the guard, which finds the scope of a host name in capitals too.

    It also marks what the path guard refuses, and with `keep_sent` writes down the headers that
    Envoy takes away before any filter runs, for rules about them.
    """
    prefixes, names = _stripped(keep_forwarded=keep_forwarded)
    told = {
        "listener": listener.name,
        "wildcards": sorted(wildcards),
        "port": _port(listener),
        "scope_header": SCOPE_HEADER,
        "authority_header": AUTHORITY_HEADER,
        "unsound_header": UNSOUND_HEADER,
        "any_host": bool(wildcards),
        "keeps_sent": keep_sent,
        "strip": {"prefixes": list(prefixes), "names": list(names)},
    }
    return early(Role.SCOPE, told)


def _port(listener: Listener) -> str:
    return "" if listener.port == 443 else f":{listener.port}"  # noqa: PLR2004  the scheme's own


def _scope_value(listener: str, wildcards: Sequence[str]) -> str:
    """A plain copy where it suffices; CEL costs 3-5 microseconds more and stands for wildcards."""
    if "*" in wildcards:
        return scope_name(listener, "*")
    if not wildcards:
        return scope_name(listener, "%REQ(:authority)%")
    host = "request.headers[':authority']"
    value = host
    for one in wildcards:
        value = f"{host}.endsWith('{one[1:]}') ? '{one}' : ({value})"
    return scope_name(listener, f"%CEL({value})%")


def _write(name: str, value: str) -> mutation_rules.HeaderMutation:
    return mutation_rules.HeaderMutation(
        append=core.HeaderValueOption(
            header=core.HeaderValue(key=name, value=value),
            append_action=core.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD,
        )
    )


def _remove_on_match(names: matcher.StringMatcher) -> mutation_rules.HeaderMutation:
    return mutation_rules.HeaderMutation(
        remove_on_match=mutation_rules.HeaderMutation.RemoveOnMatch(key_matcher=names)
    )


def _extension(
    name: str, changes: Sequence[mutation_rules.HeaderMutation]
) -> core.TypedExtensionConfig:
    return core.TypedExtensionConfig(
        name=name, typed_config=pack(early_mutation.HeaderMutation(mutations=changes))
    )
