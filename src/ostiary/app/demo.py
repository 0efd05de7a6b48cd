"""`ostiary demo`: one command protects a real application and says what to try.

Fed by the command line; feeds the terminal and `demo.json`.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
import shlex
import socket as sockets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary.app.accounts import add_accounts
from ostiary.app.installation import Installation, free_port, open_installation, write_facts
from ostiary.app.up import Say, Up
from ostiary.demo.document import document
from ostiary.demo.notes import serve
from ostiary.proxy.guard import installed as guarded
from ostiary.supervisor import Child

HOST: Final = "notes.localhost"
SIGN_IN_HOST: Final = "login.localhost"
HTTPS, HTTP, MINI = 8443, 8080, 15443
ACCOUNTS: Final = {"editor": ("editors",), "visitor": ("visitors",)}
LONGEST_SOCKET: Final = 107
"""Bytes in the path of a unix socket (sun_path, unix(7))."""


@dataclass(frozen=True, slots=True)
class Told:
    """How we speak to the person who started the demo."""

    say: Say
    command: str
    """What they type to call us, e.g. `.venv/bin/ostiary`."""


def demo(state: Path, told: Told) -> None:
    """The demo runs until a signal; its facts are in `demo.json` before it says `ready`."""
    state = state.absolute()
    installation = open_installation(state, (state / "demo.yaml",), demo=True)
    (state / "demo.json").unlink(missing_ok=True)
    https, http, mini = (_port(port, told.say) for port in (HTTPS, HTTP, MINI))
    passwords = {name: secrets.token_urlsafe(9) for name in ACCOUNTS}
    add_accounts(installation, passwords, ACCOUNTS)
    up = Up(installation, told.say)
    up.probes = [(HOST, https), (SIGN_IN_HOST, https)]
    up.on_ready = functools.partial(_ready, up, https, passwords, told)
    log = installation.logs / "notes.log"
    with _socket(state) as application:
        installation.documents[0].write_text(
            document(https, http, mini, application, guard=guarded())
        )
        try:
            up.start((Child("notes", functools.partial(_notes, application), log),))
        finally:
            (state / "demo.json").unlink(missing_ok=True)


@contextmanager
def _socket(state: Path) -> Iterator[Path]:
    """Where the application listens: a folder that only its owner can enter."""
    folder = state / "notes"
    folder.mkdir(mode=0o700, exist_ok=True)
    place = folder / "app.sock"
    place.unlink(missing_ok=True)
    if len(bytes(place)) <= LONGEST_SOCKET:
        yield place
        return
    with tempfile.TemporaryDirectory(prefix="ostiary-demo-") as short:
        yield Path(short) / "app.sock"


def _port(wanted: int, say: Say) -> int:
    port = free_port("127.0.0.1", wanted)
    if port != wanted:
        say(f"port {wanted} is taken; the demo uses {port} instead")
    return port


def _notes(application: Path, _channel: sockets.socket) -> None:
    asyncio.run(serve(application))


def _ready(up: Up, port: int, passwords: dict[str, str], told: Told) -> None:
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
    for line in words(installation, port, passwords, told.command):
        told.say(line)
    told.say(f"ready: {url}")


def words(
    installation: Installation, port: int, passwords: dict[str, str], command: str
) -> list[str]:
    """What a newcomer reads: addresses, accounts, a line for curl, things to try."""
    url = f"https://{HOST}:{port}"
    state, ca = installation.state, shlex.quote(str(installation.ca_file))
    option = "" if state == Path.cwd() / ".ostiary" else f" --state {shlex.quote(str(state))}"
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
        "  Without a browser: nobody is signed in, so the answer is 401 and says where to go",
        f"    curl -i --cacert {ca} --resolve {HOST}:{port}:127.0.0.1 {url}/notes",
        "",
        "  Six things to try" if guarded() else "  Four things to try",
        "    1. Sign in as editor in two windows, write a note, and watch it arrive in the other.",
        "    2. Sign in as visitor in a private window, and read why you are refused.",
        "    3. Ask with the decision id of that page, and see what was looked at:",
        f"         {command} explain ID{option}",
        "    4. In the document, change [editors] to [editors, visitors] in the route's `access`",
        "       and save: it applies at once. Visitor is refused still, now by the service's own",
        "       `access`; change that too, and visitor is in.",
        *_with_guard(command, option),
        "",
        "  A browser warns about our own authority until you trust it:",
        f"    {command} trust install{option}",
        "  and take it out when you are done:",
        f"    {command} trust remove{option}",
        "",
        "  Ctrl-C ends it all.",
        "",
    ]


def _with_guard(command: str, option: str) -> list[str]:
    """The fifth and the sixth thing to try, or why there are none."""
    if not guarded():
        return [
            "       Two more, ending a live page and stopping an attack, need the guard (the wheel",
            "       `ostiary-guard`).",
        ]
    return [
        "    5. Withdraw trust while editor's page is open: it ends, and says why.",
        f"         {command} verdict put user editor --reason demo{option}",
        "       Then give it back, and load the page again:",
        f"         {command} verdict lift user editor{option}",
        "    6. Attack: write the note <script>alert(1)</script> as editor, and read what stopped",
        "       it and where. `explain` with the decision id of that page says which rule.",
    ]
