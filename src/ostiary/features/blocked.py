"""What is said when the rules of `waf` stop a request: that they did, and to whom may know it, why.

Nobody learns from a page how to write a better attack: a stranger reads that the request was
stopped and under which decision, a person who is signed in the rule's message and the part of the
request that it matched. Numbers, scores and what matched are for administrators, in `explain`.
gRPC clients get their trailers from the guard, which never come here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ostiary.features.replies import (
    DECISION,
    JSON,
    NO_SCRIPT,
    NO_STORE,
    PAGE,
    STYLE,
    Condition,
    Reply,
    both,
    config,
    details,
    navigation,
    worded,
)
from ostiary.protos.messages import accesslog, hcm, matcher, wkt
from ostiary.wire import (
    CREDENTIAL_KEY,
    WAF_LABEL_KEY,
    WAF_METADATA,
    WAF_WHERE_KEY,
    WHO_METADATA,
)

RETRY_AFTER: Final = 2
_LABEL: Final = f"%DYNAMIC_METADATA({WAF_METADATA}:{WAF_LABEL_KEY})%"
_WHERE: Final = f"%DYNAMIC_METADATA({WAF_METADATA}:{WAF_WHERE_KEY})%"
"""The guard leaves only letters in them that mean nothing in a page or in JSON."""
_TITLE: Final = "This request was stopped"
_STOPPED: Final = "The rules that protect this application stopped it."
_TOO_MUCH: Final = "Looking into it took more work than one request may ask for."
_REMEDY: Final = (
    "If it was meant well, tell the administrator of this application, and name the decision below."
)


def waf_replies() -> hcm.LocalReplyConfig:
    """The replies of an edge listener whose proxy has the guard."""
    stopped = details("ostiary.waf_blocked")
    return config(
        [
            *_about(both(stopped, _signed_in()), _STOPPED, (("rule", _LABEL), ("where", _WHERE))),
            *_about(stopped, _STOPPED, ()),
            *_about(details("ostiary.waf_exhausted"), _TOO_MUCH, ()),
            _TOO_LONG,
            _UNREADABLE,
            _MALFORMED,
            _BUSY,
        ]
    )


def _about(
    when: accesslog.AccessLogFilter, sentence: str, found: Sequence[tuple[str, str]]
) -> Iterator[Reply]:
    """A page for people who navigate, JSON for programs."""
    terms = {"rule": "What was found", "where": "Where"}
    rows = "".join(f'<dt>{terms[name]}</dt><dd id="{name}">{value}</dd>' for name, value in found)
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{_TITLE}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{_TITLE}</h1><p>{sentence}</p><dl>{rows}"
        f'<dt>What can be done</dt><dd class="remedy">{_REMEDY}</dd>'
        f'<dt>Decision</dt><dd><code id="decision">{DECISION}</code></dd></dl></main>'
        f"</body></html>\n"
    )
    # The status is the rule's own: 403, unless it says otherwise.
    yield Reply(both(when, navigation()), None, page, PAGE, [NO_STORE, NO_SCRIPT])
    told = "".join(f'"{name}":"{value}",' for name, value in found)
    text = (
        f'{{"error":"request-stopped","message":"{sentence} {_REMEDY}",{told}'
        f'"decision":"{DECISION}"}}\n'
    )
    yield Reply(when, None, text, JSON, [NO_STORE])


def _signed_in() -> accesslog.AccessLogFilter:
    """The guard knows who asks: the body is looked into behind the rules of `access`."""
    known = matcher.MetadataMatcher(
        filter=WHO_METADATA,
        path=[matcher.MetadataMatcher.PathSegment(key=CREDENTIAL_KEY)],
        value=matcher.ValueMatcher(present_match=True),
    )
    absent = wkt.BoolValue(value=False)
    return Condition(
        metadata_filter=accesslog.MetadataFilter(matcher=known, match_if_key_not_found=absent)
    )


_TOO_LONG: Final = Reply(
    details("ostiary.waf_body_limit"),
    413,
    worded(
        "413 Content Too Large",
        "the body of this request is longer than this route takes. Send less at once.",
    ),
)
_UNREADABLE: Final = Reply(
    details("ostiary.waf_encoding"),
    415,
    worded(
        "415 Unsupported Media Type",
        "the body of this request is encoded in a way that cannot be looked into. Send it plain.",
    ),
)
_MALFORMED: Final = Reply(
    details("ostiary.waf_body"),
    400,
    worded(
        "400 Bad Request",
        "the body of this request cannot be read as what its Content-Type says it is.",
    ),
)
_BUSY: Final = Reply(
    details("ostiary.waf_busy"),
    503,
    worded(
        "503 Service Unavailable",
        "this gateway has as much to look into as it can hold. Repeat the request in a moment.",
    ),
    headers=[("retry-after", str(RETRY_AFTER))],
)
