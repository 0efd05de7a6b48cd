"""`ostiary demo`: one command protects a real application and says what to try.

Fed by the command line; feeds the terminal and `demo.json`.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import socket as sockets
from pathlib import Path
from typing import Final

from ostiary.app.accounts import add_accounts
from ostiary.app.installation import Installation, free_port, open_installation, write_facts
from ostiary.app.up import Say, Up
from ostiary.demo.document import document
from ostiary.demo.notes import serve
from ostiary.supervisor import Child

HOST: Final = "notes.localhost"
SIGN_IN_HOST: Final = "login.localhost"
HTTPS, HTTP, MINI = 8443, 8080, 15443
ACCOUNTS: Final = {"editor": ("editors",), "visitor": ()}


def demo(state: Path, say: Say) -> None:
    """The demo runs until a signal; its facts are in `demo.json` before it says `ready`."""
    state = state.absolute()
    installation = open_installation(state, (state / "demo.yaml",), demo=True)
    (state / "demo.json").unlink(missing_ok=True)
    folder = state / "notes"
    folder.mkdir(mode=0o700, exist_ok=True)
    application = folder / "app.sock"
    application.unlink(missing_ok=True)
    https, http, mini = (_port(port, say) for port in (HTTPS, HTTP, MINI))
    installation.documents[0].write_text(document(https, http, mini, application))
    passwords = {name: secrets.token_urlsafe(9) for name in ACCOUNTS}
    add_accounts(installation, passwords, ACCOUNTS)
    up = Up(installation, say)
    up.probes = [(HOST, https), (SIGN_IN_HOST, https)]
    up.on_ready = functools.partial(_ready, up, https, passwords, say)
    log = installation.logs / "notes.log"
    try:
        up.start((Child("notes", functools.partial(_notes, application), log),))
    finally:
        (state / "demo.json").unlink(missing_ok=True)


def _port(wanted: int, say: Say) -> int:
    port = free_port("127.0.0.1", wanted)
    if port != wanted:
        say(f"port {wanted} is taken; the demo uses {port} instead")
    return port


def _notes(application: Path, _channel: sockets.socket) -> None:
    asyncio.run(serve(application))


def _ready(up: Up, port: int, passwords: dict[str, str], say: Say) -> None:
    installation = up.installation
    url = f"https://{HOST}:{port}"
    write_facts(
        installation.state / "demo.json",
        {
            "url": url,
            "ca": str(installation.ca_file),
            "accounts": [{"name": n, "password": p} for n, p in passwords.items()],
            "admin": {
                "url": f"https://127.0.0.1:{installation.admin.port}",
                "token_file": str(installation.token_file),
            },
            "processes": up.processes(),
        },
    )
    for line in _words(installation, url, port, passwords):
        say(line)
    say(f"ready: {url}")


def _words(installation: Installation, url: str, port: int, passwords: dict[str, str]) -> list[str]:
    state = f" --state {installation.state}"
    accounts = [f"    {name:<8} {password}" for name, password in passwords.items()]
    return [
        "",
        f"  The notes application   {url}",
        f"  Its sign-in host        https://{SIGN_IN_HOST}:{port}",
        f"  The document            {installation.documents[0]}",
        "",
        "  Accounts (passwords are new in every run)",
        *accounts,
        "",
        "  Without a browser",
        f"    curl --cacert {installation.ca_file} --resolve {HOST}:{port}:127.0.0.1 {url}/notes",
        "",
        "  Four things to try",
        "    1. Sign in as editor and write a note; keep the page open in two windows.",
        "    2. Sign in as visitor (another browser profile) and read why you are refused.",
        f"    3. ostiary explain ID{state}      with the decision id of that page",
        "    4. Change `editors` to `visitors` in the document and save: it applies at once.",
        "",
        "  A browser warns about our own authority until you trust it:",
        f"    ostiary trust install{state}      (and `trust remove` afterwards)",
        "",
    ]
