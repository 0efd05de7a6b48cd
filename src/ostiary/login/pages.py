"""The pages a person sees: plain HTML, no script, nothing loaded from anywhere.

Every value is escaped by the template engine; the policy allows one style sheet by nonce and
nothing else. Fed by all of `login`; feeds browsers.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

_NONCE_BYTES: Final = 16
_TEMPLATES: Final = Environment(
    loader=PackageLoader("ostiary.login"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class Page:
    """One answer in HTML with its headers, ready for either wire."""

    status: int
    html: str
    headers: tuple[tuple[str, str], ...]


def page(
    template: str, status: int = 200, *, form_origins: Iterable[str] = (), **values: Any
) -> Page:
    """`templates/<template>.html` filled with `values`.

    `form_origins` are the origins a form's answer may redirect to, besides our own.
    """
    nonce = secrets.token_urlsafe(_NONCE_BYTES)
    html = _TEMPLATES.get_template(f"{template}.html").render(nonce=nonce, **values)
    return Page(status, html, tuple(_headers(nonce, form_origins).items()))


def words(status: int, title: str, text: str, action: tuple[str, str] | None = None) -> Page:
    """A page of one heading, one sentence and perhaps a link (text, address)."""
    return page("words", status, title=title, text=text, action=action)


def _headers(nonce: str, form_origins: Iterable[str]) -> Mapping[str, str]:
    targets = " ".join(["'self'", *form_origins])
    return {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": (
            f"default-src 'none'; style-src 'nonce-{nonce}'; form-action {targets}; "
            "frame-ancestors 'none'; base-uri 'none'"
        ),
        "cache-control": "private, no-store",
        # Not no-referrer: that would make browsers send `Origin: null` with our own forms.
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
    }
