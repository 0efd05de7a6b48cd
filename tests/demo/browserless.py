"""A browser without a window: cookies, redirects and navigations over httpx, for this machine."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from demo_process import Demo
from loopback import loopback_client

NAVIGATION = {
    "sec-fetch-mode": "navigate",
    "sec-fetch-site": "none",
    "accept": "text/html,*/*;q=0.8",
}


class Person:
    """One browser profile. Every `*.localhost` name leads to the demo's loopback address."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.client = loopback_client(demo.facts["ca"])

    def close(self) -> None:
        self.client.close()

    def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        """One request, no redirect followed; cookies are kept as a browser keeps host cookies."""
        return self.client.request(method, urljoin(self.demo.url, url), **more)

    def visit(self, url: str) -> httpx.Response:
        """A navigation with every redirect followed."""
        answer = self.ask("GET", url, headers=NAVIGATION)
        for _ in range(10):
            if not answer.is_redirect:
                return answer
            target = urljoin(str(answer.url), answer.headers["location"])
            answer = self.client.get(target, headers=NAVIGATION)
        raise AssertionError(f"redirects without end: {answer.url}")

    def sign_in(self, name: str, password: str | None = None, url: str = "/") -> httpx.Response:
        """Walk to `url`, fill in the form that stands in the way, and arrive."""
        page = self.visit(url)
        host = urlsplit(str(page.url)).hostname or ""
        assert host.startswith("login."), (page.url, page.text)
        fields = dict(
            re.findall(
                r'<input[^>]*type="hidden"[^>]*name="([^"]+)"[^>]*value="([^"]*)"', page.text
            )
        )
        action = re.search(r'<form[^>]*action="([^"]*)"', page.text)
        form = {key: unescape(value) for key, value in fields.items()}
        form |= {"username": name, "password": password or self.demo.password(name)}
        origin = f"https://{host}:{self.demo.port}"
        answer = self.client.post(
            urljoin(str(page.url), unescape(action.group(1)) if action else str(page.url)),
            data=form,
            headers={**NAVIGATION, "sec-fetch-site": "same-origin", "origin": origin},
        )
        return (
            self.visit(urljoin(str(answer.url), answer.headers["location"]))
            if (answer.is_redirect)
            else answer
        )

    def cookie(self, name: str) -> str:
        """The value of a cookie on the application's host."""
        return next(
            c.value or "" for c in self.client.cookies.jar if c.name == name and "notes" in c.domain
        )
