"""Routes of ours, and the sign-in of each gateway.

On the sign-in host everything goes to `login`; on every host where people sign in, the paths
below `/.ostiary/` do. Fed by `resolve`; the compiler sends every `own` route to `login`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ostiary.errors import ConfigError
from ostiary.features.fragment import Block
from ostiary.features.waf import Inspection
from ostiary.language.document import Noun
from ostiary.language.sessions import Sessions
from ostiary.language.units import seconds
from ostiary.names import Key
from ostiary.plan.doors import Door
from ostiary.plan.model import PathKind, PathMatch, Route, SignIn
from ostiary.plan.policy import PolicyRecord
from ostiary.wire import OWN_PATHS

_EVERYTHING = PathMatch(PathKind.PREFIX, "")
_OURS = PathMatch(PathKind.PREFIX, OWN_PATHS.rstrip("/"))
_HTTPS = 443
_NO_POLICY = PolicyRecord("ostiary", (), (), login=False, place="").hash
"""Nothing is decided on our own routes, so they share one record."""


def own_paths(gateway: Key, listener: str, host: str, waf: Inspection | None = None) -> Route:
    """`/.ostiary/` on a host where people sign in; `waf` is what the gateway looks into."""
    name = f"paths.{gateway.name}.{listener}.{host}"
    return replace(_own(gateway, listener, host, name, _OURS), blocks=_blocks(waf))


def sign_in_route(sign_in: SignIn, waf: Inspection | None = None) -> Route:
    """The whole sign-in host; `waf` is what the gateway looks into."""
    name = f"sign-in.{sign_in.gateway.name}"
    made = _own(sign_in.gateway, sign_in.listener, sign_in.host, name, _EVERYTHING)
    return replace(made, blocks=_blocks(waf))


def _blocks(waf: Inspection | None) -> dict[str, Block]:
    return {} if waf is None else {"waf": waf}


def _own(gateway: Key, listener: str, host: str, name: str, path: PathMatch) -> Route:
    key = Key("ostiary", "ostiary", name)
    return Route(
        key=key,
        gateway=gateway,
        listener=listener,
        hosts=(host,),
        paths=(path,),
        methods=None,
        service=None,
        login=False,
        levels=(),
        blocks={},
        policy=_NO_POLICY,
        own=True,
    )


def sign_in(
    door: Door, sessions: Noun[Sessions] | None, groups: Iterable[str], providers: Sequence[str]
) -> SignIn | None:
    """How people sign in at this gateway; None when it has no host for that."""
    listener = door.sign_in_listener
    if listener is None or door.sign_in_host is None:
        return None
    lives = sessions.value if sessions is not None else Sessions()
    names = frozenset(groups)
    port = "" if listener.port == _HTTPS else f":{listener.port}"
    return SignIn(
        gateway=door.key,
        listener=listener.name,
        host=door.sign_in_host,
        origin=f"https://{door.sign_in_host}{port}",
        token_lifetime=int(seconds(lives.token)),
        idle_lifetime=int(seconds(lives.idle)),
        absolute_lifetime=int(seconds(lives.absolute)),
        offline_grace=int(seconds(lives.offline_grace)),
        group_names=names,
        group_set=hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest()[:16],
        providers=tuple(providers),
    )


def no_sign_in_host(door: Door) -> ConfigError:
    """The fault of a gateway with sign-in and no name for it."""
    listener = door.sign_in_listener.name if door.sign_in_listener else "https"
    return ConfigError(
        "plan.sign-in-host",
        f"{door.noun}: the hosts of listener {listener} share no domain to put a sign-in host in",
        door.noun.at("listeners", listener, "hosts"),
        "add `sign_in_host: login.<your domain>` to the listener",
    )


def session_faults(noun: Noun[Sessions]) -> list[ConfigError]:
    """What is wrong with the lifetimes."""
    lives = noun.value
    token, idle, absolute = seconds(lives.token), seconds(lives.idle), seconds(lives.absolute)
    faults: list[ConfigError] = []

    def check(key: str, sentence: str, hint: str, *, holds: bool) -> None:
        if not holds:
            faults.append(ConfigError("plan.sessions", f"sessions: {sentence}", noun.at(key), hint))

    hint = "write whole seconds, from 1s to 1h"
    check("token", f"a token cannot live {lives.token}", hint, holds=1 <= token <= 3600)  # noqa: PLR2004
    hint = "write token <= idle <= absolute"
    check("idle", f"idle {lives.idle} is under token {lives.token}", hint, holds=token <= idle)
    sentence = f"absolute {lives.absolute} is under idle {lives.idle}"
    check("absolute", sentence, hint, holds=idle <= absolute)
    grace = seconds(lives.offline_grace)
    sentence = f"offline_grace {lives.offline_grace} outlives absolute {lives.absolute}"
    check("offline_grace", sentence, "make it shorter", holds=grace <= absolute)
    return faults
