"""Lead a real Chromium through pages and keep the requests that it makes: `chromium.jsonl`.

    .venv/bin/python tests/waf/benign/record.py

The pages are written here; the demo's notes page is among them. Only loopback is spoken to.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final

from playwright.sync_api import Page, sync_playwright

from ostiary.demo.notes import PAGE as NOTES

KEPT: Final = Path(__file__).with_name("chromium.jsonl")
WORDS: Final = (
    "bread & <butter>, O'Brien's",
    "Select a date; we drop by at 7 or 8",
    "Größe „XL“, 3 < 4, 100 %",
    "日本語のメモです。「はい」",
    "مرحبا! هل أنت هنا؟",
    "for i in list: print(i * 2)",
    "https://example.org/a?b=c&d=e#f",
)
FILES: Final = (
    ("holiday photo (1).png", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
    ("people.csv", "name;city\r\nO'Brien;Köln\r\n".encode()),
    ("résumé.txt", b"Select, insert, update: my hobbies are filing cabinets."),
)
FORM: Final = """<!doctype html><meta charset="utf-8"><title>Form</title>
<link rel="stylesheet" href="/static/style.css?v=3"><img src="/static/logo.svg">
<form method="{method}" action="/save" enctype="{kind}"><input name="title"><textarea name="text">
</textarea><input type="file" name="file"><input type="checkbox" name="ok" checked>
<input type="date" name="day" value="2024-05-01"><input type="color" name="c" value="#aabbcc">
<select name="list[]" multiple><option selected>a<option selected>b</select>
<button name="do" value="save">Save</button></form>"""
SCRIPTS: Final = """<!doctype html><meta charset="utf-8"><title>Calls</title><script>
const text = {text};
addEventListener("load", async () => {{
  document.cookie = "prefs=" + encodeURIComponent(JSON.stringify({{dark: true, text}}));
  const json = {{"content-type": "application/json"}};
  const tree = JSON.stringify({{text, tags: [text]}});
  await fetch("/api/notes", {{method: "POST", headers: json, body: tree}});
  await fetch("/api/notes/1", {{method: "PUT", headers: json, body: JSON.stringify({{text}})}});
  const query = new URLSearchParams({{q: text, page: 2}});
  await fetch("/api/search?" + query, {{headers: {{accept: "application/json"}}}});
  const form = new FormData(), blob = new Blob([tree], {{type: "application/json"}});
  form.append("text", text);
  form.append("file", new Blob([text]), "a b.txt");
  await fetch("/upload", {{method: "POST", body: form}});
  await fetch("/save", {{method: "POST", body: new URLSearchParams({{text}})}});
  navigator.sendBeacon("/beacon", blob);
  document.title = "done";
}})</script>"""


class Recorder(BaseHTTPRequestHandler):
    """Answers with the pages and keeps what was asked."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[str]] = []

    def answer(self) -> None:
        """Keep the request; a page, or nothing."""
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        head = self.raw_requestline + b"".join(
            f"{name}: {value}\r\n".encode("latin-1") for name, value in self.headers.items()
        )
        self.seen.append((head + b"\r\n" + body).decode("latin-1"))
        page = _page(self.path).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(page)

    do_GET = do_POST = do_PUT = answer  # noqa: N815  the names that its base calls

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _page(path: str) -> str:
    name, _, rest = path.strip("/").partition("/")
    if name == "notes":
        return NOTES.format(who="editor", notes="")
    if name == "form":
        kind = "multipart/form-data" if rest == "files" else "application/x-www-form-urlencoded"
        return FORM.format(method="get" if rest == "get" else "post", kind=kind)
    if name == "calls":
        return SCRIPTS.format(text=json.dumps(WORDS[int(rest)]))
    return "<!doctype html><title>ok</title>"


def lead(page: Page, base: str, files: list[str]) -> None:
    """Through every page, with every text."""
    for number, text in enumerate(WORDS):
        page.goto(f"{base}/notes")
        page.fill("[name=text]", text)
        page.click("form.write button")
        for kind in ("get", "post", "files"):
            page.goto(f"{base}/form/{kind}?from=menu&n={number}")
            page.fill("[name=title]", text)
            page.fill("[name=text]", f"{text}\n\n{text}")
            if kind == "files":
                page.set_input_files("[name=file]", files[number % len(files)])
            page.click("button")
        page.goto(f"{base}/calls/{number}")
        page.wait_for_function("document.title === 'done'")


def recorded() -> Iterator[str]:
    """The requests of one run, ports taken out."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        names = [_file(Path(folder), *one) for one in FILES]
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        for locale, timezone in (("de-DE", "Europe/Berlin"), ("ja-JP", "Asia/Tokyo")):
            context = browser.new_context(locale=locale, timezone_id=timezone)
            lead(context.new_page(), f"http://127.0.0.1:{port}", names)
            context.close()
        browser.close()
    server.shutdown()
    for request in dict.fromkeys(Recorder.seen):
        yield request.replace(f"127.0.0.1:{port}", "app.example")


def _file(folder: Path, name: str, content: bytes) -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


if __name__ == "__main__":
    lines = [json.dumps({"request": request}) for request in recorded()]
    KEPT.write_text("\n".join(lines) + "\n")
    print(f"{len(lines)} requests in {KEPT}")  # noqa: T201  it is a program
