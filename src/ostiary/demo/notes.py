"""A small real notes application: reads, writes, a live page by server-sent events.

It knows nothing of Ostiary but one fact: whoever reaches it was let through, and the identity
assertion in `x-ostiary-assertion` says who it is. It listens on a unix socket that only its
mini gateway can open. Fed by its mini gateway; feeds a browser.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

LONGEST_NOTE: Final = 500
MOST_NOTES: Final = 200
HEARTBEAT: Final = 15.0
"""Seconds between the comments that keep an idle event stream open."""

PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Notes</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<style>
body {{ font: 1rem/1.55 system-ui, sans-serif; max-width: 38rem; margin: 3rem auto;
  padding: 0 1rem }}
header, form.write {{ display: flex; gap: .75rem; align-items: center }}
header {{ justify-content: space-between; margin-bottom: 1.5rem }}
h1 {{ margin: 0 }}
header form {{ display: inline; margin-left: .75rem }}
input {{ flex: 1; min-width: 0 }}
input, button {{ font: inherit; padding: .5rem .75rem }}
ul {{ list-style: none; padding: 0 }}
li {{ padding: .6rem 0; border-bottom: 1px solid #8884; overflow-wrap: anywhere }}
small {{ opacity: .7 }}
#notes:empty::after {{ content: "There is no note yet."; opacity: .7 }}
</style>
<header><h1>Notes</h1><div>Signed in as <b id="who">{who}</b>
<form method="post" action="/.ostiary/logout"><button>Sign out</button></form></div></header>
<form class="write" method="post" action="/notes"><input name="text" aria-label="A new note"
placeholder="A new note" required maxlength="500" autocomplete="off" autofocus>
<button>Write</button></form>
<ul id="notes">{notes}</ul>
<p><small>Open this page in a second window: a note that is written in one arrives in the other,
over <a href="/live">one long response</a> that passes both gateways.</small></p>
<p id="ended" role="alert"></p>
<script>const live = new EventSource("/live");
live.onmessage = e => {{
  const note = JSON.parse(e.data), item = document.createElement("li");
  item.textContent = note.text + " \N{EM DASH} " + note.by;
  document.getElementById("notes").append(item)
}};
live.addEventListener("revoked", e => {{
  live.close();
  const said = JSON.parse(e.data);
  document.getElementById("ended").textContent =
    "Your access was withdrawn: " + said.reason + ", since " + said.since
}})</script></html>"""


class Notes:
    """The notes of one run, in memory, and everybody who watches them."""

    def __init__(self) -> None:
        self.notes: list[dict[str, str]] = []
        self.watchers: set[asyncio.Queue[dict[str, str]]] = set()

    def write(self, text: str, by: str) -> dict[str, str]:
        """The note is kept (the oldest goes) and every watcher will see it."""
        note = {"text": text[:LONGEST_NOTE], "by": by}
        self.notes = [*self.notes, note][-MOST_NOTES:]
        for watcher in self.watchers:
            watcher.put_nowait(note)
        return note

    async def page(self, request: Request) -> Response:
        """`GET /`: the page."""
        items = "".join(f"<li>{escape(n['text'])} — {escape(n['by'])}</li>" for n in self.notes)
        return HTMLResponse(PAGE.format(who=escape(who(request)), notes=items))

    async def read(self, _request: Request) -> Response:
        """`GET /notes`: all notes as JSON."""
        return JSONResponse(self.notes)

    async def add(self, request: Request) -> Response:
        """`POST /notes`: a form's `text`, or JSON `{"text": ...}`."""
        if request.headers.get("content-type", "").startswith("application/json"):
            try:
                body: Any = json.loads(await request.body())
            except ValueError:
                body = None
            text = body.get("text") if isinstance(body, dict) else None
            if not isinstance(text, str) or not text.strip():
                return JSONResponse({"error": 'send {"text": "..."}'}, 400)
            return JSONResponse(self.write(text, who(request)), 201)
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=10))
        if form.get("text", "").strip():
            self.write(form["text"], who(request))
        return RedirectResponse("/", 303)

    async def live(self, _request: Request) -> Response:
        """`GET /live`: every new note as a server-sent event."""
        headers = {"cache-control": "no-store"}
        return StreamingResponse(self._events(), media_type="text/event-stream", headers=headers)

    async def _events(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self.watchers.add(queue)
        try:
            yield ": you are watching\n\n"
            while True:
                try:
                    note = await asyncio.wait_for(queue.get(), HEARTBEAT)
                    yield f"data: {json.dumps(note)}\n\n"
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            self.watchers.discard(queue)


def who(request: Request) -> str:
    """The person the assertion names. The mini gateway has checked its signature already."""
    parts = request.headers.get("x-ostiary-assertion", "").split(".")
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return str(claims["sub"])
    except (IndexError, ValueError, KeyError):
        return "nobody"


def application() -> Starlette:
    """A fresh notes application."""
    notes = Notes()
    return Starlette(
        routes=[
            Route("/", notes.page),
            Route("/notes", notes.read, methods=["GET"]),
            Route("/notes", notes.add, methods=["POST"]),
            Route("/live", notes.live),
        ]
    )


async def serve(socket: Path) -> None:
    """Answer on the unix socket (in a folder only its owner can enter) until cancelled."""
    config = uvicorn.Config(
        application(), uds=str(socket), log_level="warning", timeout_graceful_shutdown=1
    )
    await uvicorn.Server(config).serve()
