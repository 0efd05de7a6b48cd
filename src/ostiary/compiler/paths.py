"""The path guard: which request paths a gateway reads the same way as every application does.

Envoy has resolved dot segments, doubled slashes and unreserved escapes before; what is left and
could still be read in two ways is refused: `;` parameters, a second layer of escaping (`%25`),
control characters, escaped slashes and backslashes, bytes that are no UTF-8 (RFC 3629, section 3)
and overlong forms. The expression says what is *good*, so that what it fails to describe is
refused. Feeds `scopes`.
"""

from __future__ import annotations

from typing import Final

from ostiary.protos.messages import core, matcher, route

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
REFUSAL: Final = (
    "400 Bad Request: this path can be read in more than one way "
    "(; parameters, double escaping, control characters or broken UTF-8), so it goes nowhere.\n"
)


def guard() -> route.Route:
    """The first route of every virtual host: answers 400, in words, what is not a sound path."""
    good = matcher.RegexMatcher(regex=GOOD_PATH)
    unsound = route.HeaderMatcher(
        name=":path", string_match=matcher.StringMatcher(safe_regex=good), invert_match=True
    )
    return route.Route(
        name="ostiary/ostiary/path-guard",
        match=route.RouteMatch(prefix="/", headers=[unsound]),
        direct_response=route.DirectResponseAction(
            status=400, body=core.DataSource(inline_string=REFUSAL)
        ),
    )
