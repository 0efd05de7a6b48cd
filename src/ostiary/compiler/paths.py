"""The path guard: which request paths a gateway reads the same way as every application does.

Envoy has resolved dot segments, doubled slashes and unreserved escapes before; what is left and
could still be read in two ways is refused: `;` parameters, a second layer of escaping (`%25`),
control characters, escaped slashes and backslashes, bytes that are no UTF-8 (RFC 3629, section 3)
and overlong forms. The expression says what is *good*, so that what it fails to describe is
refused. Feeds `edge`.

Below a wildcard the host name is the client's own word too, and applications build addresses from
it: `evil.example,a.apps.example` would be two hosts to some. So it has to be a plain name.
"""

from __future__ import annotations

from typing import Final

from ostiary.features.replies import Reply, details, has, mapper
from ostiary.protos.messages import accesslog, hcm, matcher, rbac, rbac_filter, route
from ostiary.wire import UNSOUND_HEADER

_TAIL = "%[89ab][0-9a-f]"
_UTF8 = "|".join(
    (
        "%c2%[ab][0-9a-f]",
        f"%c[3-9a-f]{_TAIL}",
        f"%d[0-9a-f]{_TAIL}",
        f"%e0%[ab][0-9a-f]{_TAIL}",
        f"%e[1-9a-cef]{_TAIL}{_TAIL}",
        f"%ed%[89][0-9a-f]{_TAIL}",
        f"%f0%[9ab][0-9a-f]{_TAIL}{_TAIL}",
        f"%f[1-3]{_TAIL}{_TAIL}{_TAIL}",
        f"%f4%8[0-9a-f]{_TAIL}{_TAIL}",
    )
)
_ASCII = "%(?:2[0-46-9a-e]|3[0-9ac-f]|[46][0-9a-f]|5[0-9abd-f]|7[0-9a-e])"
GOOD_PATH: Final = rf"(?i)/(?:[!\"$&-:<->@-\[\]-~]|{_ASCII}|{_UTF8})*(?:\?.*)?"
"""The whole of a sound `:path`, query included (whose content is the application's affair)."""
PATH_GUARD: Final = "path-guard"
"""The policy that refused the path, as the decision log sees it."""
GOOD_HOST: Final = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\]"
"""The whole of a sound host, as browsers send it: lower case, no user, no empty label."""
HOST_GUARD: Final = "host-guard"
"""The policy that refused the host name, likewise."""
BAD_REQUEST: Final = 400
_REFUSAL: Final = (
    "400 Bad Request: this path can be read in more than one way (; parameters, escaped slashes, "
    "double escaping, control characters or broken UTF-8), so it goes nowhere.\n"
    "Decision: %REQ(X-REQUEST-ID)%\n"
)


_NO_HOST: Final = (
    "400 Bad Request: this is no plain host name in lower case, so it goes nowhere.\n"
    "Decision: %REQ(X-REQUEST-ID)%\n"
)


def guard(*, any_host: bool) -> rbac_filter.RBAC:
    """Refuses what is not a sound path, before any filter or route reads it.

    With `any_host` a client chooses the host name, and it must be sound too. One filter a
    listener, for the compiled expression takes 29 KiB: as a route of every host it took more
    memory than all else.
    """
    policies = {PATH_GUARD: _unless(":path", GOOD_PATH)}
    if any_host:
        policies[HOST_GUARD] = _unless(":authority", GOOD_HOST)
    rules = rbac.RBAC(action=rbac.RBAC.DENY, policies=policies)
    return rbac_filter.RBAC(rules=rules, rules_stat_prefix="path_")


def refusals() -> list[hcm.ResponseMapper]:
    """Make a 400 in words of what the path guard refused."""
    reason = "rbac_access_denied_matched_policy[{}]"
    return [
        _refusal(details(reason.format(PATH_GUARD)), _REFUSAL),
        _refusal(details(reason.format(HOST_GUARD)), _NO_HOST),
    ]


def marked_refusals() -> list[hcm.ResponseMapper]:
    """The same of what the guard marked, for which there is no route then."""
    exact = matcher.StringMatcher
    return [
        _refusal(has(UNSOUND_HEADER, exact(exact="path")), _REFUSAL),
        _refusal(has(UNSOUND_HEADER, exact(exact="host")), _NO_HOST),
    ]


def _unless(header: str, good: str) -> rbac.Policy:
    sound = matcher.StringMatcher(safe_regex=matcher.RegexMatcher(regex=good))
    unsound = route.HeaderMatcher(name=header, string_match=sound, invert_match=True)
    return rbac.Policy(
        permissions=[rbac.Permission(header=unsound)], principals=[rbac.Principal(any=True)]
    )


def _refusal(when: accesslog.AccessLogFilter, words: str) -> hcm.ResponseMapper:
    return mapper(Reply(when, BAD_REQUEST, words))
