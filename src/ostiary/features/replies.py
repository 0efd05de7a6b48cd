"""What a local reply is: when it is given and what it says. No feature of its own.

Envoy's reasons choose the reply, never a bare status. Feeds `refusals`, `withdrawn` and
`blocked`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ostiary.features.fragment import ListenerSite
from ostiary.protos import pack
from ostiary.protos.messages import accesslog, cel_filter, core, hcm, matcher, route
from ostiary.wire import DECISION_HEADER, SIGN_IN_PATH, START_COOKIE_PREFIX

START_LIFETIME: Final = 600
"""Seconds a person has to sign in before the way back is forgotten."""
DECISION: Final = "%REQ(X-REQUEST-ID)%"
NO_STORE: Final = ("cache-control", "private, no-store")
PLAIN: Final = "text/plain; charset=utf-8"
PAGE: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
NO_SCRIPT: Final = (
    "content-security-policy",
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
)
STYLE: Final = "body{font:1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:4rem auto}"
"""Of a page that Envoy itself gives."""
_HTTPS: Final = 443
Condition = accesslog.AccessLogFilter


@dataclass(frozen=True, slots=True)
class Reply:
    """When (`filter`) what is said; None leaves that part as Envoy or a filter wrote it."""

    when: accesslog.AccessLogFilter
    status: int | None = None
    body: str | None = None
    kind: str = PLAIN
    headers: Sequence[tuple[str, str]] = ()


def to_sign_in(listener: ListenerSite, sign_in: str) -> list[tuple[str, str]]:
    """The headers of a redirect to the sign-in host, with a cookie for the way back."""
    port = "" if listener.port == _HTTPS else f":{listener.port}"
    back = f"https://%REQ(:AUTHORITY)%{port}%REQ(:PATH)%"
    cookie = f"{START_COOKIE_PREFIX}{DECISION}=1; Path=/; Secure; HttpOnly; SameSite=Lax"
    return [
        ("location", f"{sign_in}{SIGN_IN_PATH}?start={DECISION}&to={back}"),
        ("set-cookie", f"{cookie}; Max-Age={START_LIFETIME}"),
        NO_STORE,
    ]


def challenge(sign_in: str) -> tuple[str, str]:
    """Where a program's person signs in."""
    return "www-authenticate", f'Ostiary sign-in="{sign_in}{SIGN_IN_PATH}"'


def config(replies: Sequence[Reply]) -> hcm.LocalReplyConfig:
    """`replies`, the first that fits."""
    return hcm.LocalReplyConfig(mappers=[mapper(reply) for reply in replies])


def mapper(reply: Reply) -> hcm.ResponseMapper:
    """One reply; the decision id is in its head whatever else it says."""
    mapper = hcm.ResponseMapper(
        filter=reply.when,
        headers_to_add=[
            _header(name, value) for name, value in [(DECISION_HEADER, DECISION), *reply.headers]
        ],
    )
    if reply.status is not None:
        mapper.status_code.value = reply.status
    if reply.body is not None:
        mapper.body_format_override.CopyFrom(
            core.SubstitutionFormatString(
                text_format_source=core.DataSource(inline_string=reply.body),
                content_type=reply.kind,
            )
        )
    return mapper


def _header(name: str, value: str) -> core.HeaderValueOption:
    return core.HeaderValueOption(
        header=core.HeaderValue(key=name, value=value),
        append_action=core.HeaderValueOption.HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def worded(status: str, sentence: str) -> str:
    """A refusal in plain text."""
    return f"{status}: {sentence}\nDecision: {DECISION}\n"


def details(reason: str) -> accesslog.AccessLogFilter:
    """Envoy's own reason; metadata and flags of the refusing filter are written after the reply."""
    expression = f'response.code_details == "{reason}"'
    config = pack(cel_filter.ExpressionFilter(expression=expression))
    name = "envoy.access_loggers.extension_filters.cel"
    return Condition(extension_filter=accesslog.ExtensionFilter(name=name, typed_config=config))


def both(*filters: accesslog.AccessLogFilter) -> accesslog.AccessLogFilter:
    """All of `filters`."""
    return Condition(and_filter=accesslog.AndFilter(filters=filters))


def either(*filters: accesslog.AccessLogFilter) -> accesslog.AccessLogFilter:
    """At least one of `filters`."""
    return Condition(or_filter=accesslog.OrFilter(filters=filters))


def has(name: str, match: matcher.StringMatcher | None = None) -> accesslog.AccessLogFilter:
    """The request has the header `name`, and it matches."""
    if match is None:
        header = route.HeaderMatcher(name=name, present_match=True)
    else:
        header = route.HeaderMatcher(name=name, string_match=match)
    return Condition(header_filter=accesslog.HeaderFilter(header=header))


def lacks(name: str) -> accesslog.AccessLogFilter:
    """The request has no header `name`."""
    header = route.HeaderMatcher(name=name, present_match=True, invert_match=True)
    return Condition(header_filter=accesslog.HeaderFilter(header=header))


def navigation() -> accesslog.AccessLogFilter:
    """`Sec-Fetch-Mode: navigate`, or without Sec-Fetch a GET that accepts HTML."""
    string = matcher.StringMatcher
    old = both(
        lacks("sec-fetch-mode"),
        has(":method", string(exact="GET")),
        has("accept", string(contains="text/html")),
        lacks("upgrade"),
    )
    return either(has("sec-fetch-mode", string(exact="navigate")), old)


def grpc() -> accesslog.AccessLogFilter:
    """The request is a gRPC call."""
    return has("content-type", matcher.StringMatcher(prefix="application/grpc"))


def flagged(*flags: str) -> accesslog.AccessLogFilter:
    """One of Envoy's own response flags."""
    return Condition(response_flag_filter=accesslog.ResponseFlagFilter(flags=flags))
