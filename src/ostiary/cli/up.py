"""`ostiary up`: run a gateway from documents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ostiary.cli.long_run import become
from ostiary.cli.options import STATE, State
from ostiary.errors import Refused

NoProxies = Annotated[
    bool,
    Parameter(
        name="--no-proxies",
        negative=(),
        show_default=False,
        help="Start no proxy here: each runs on its own machine, with `ostiary proxy`.",
    ),
]
Listen = Annotated[
    str,
    Parameter(
        name="--listen",
        help="An IP address of this machine that proxies on other machines reach.",
    ),
]


Store = Annotated[
    str,
    Parameter(
        name="--store",
        env_var="OSTIARY_STORE",
        show_default=False,
        show_env_var=True,
        help="A database for everything that must survive, instead of a file in the state: "
        "postgresql+psycopg://user@host/name.",
    ),
]
Fanout = Annotated[
    str,
    Parameter(
        name="--fanout",
        env_var="OSTIARY_FANOUT",
        show_default=False,
        show_env_var=True,
        help="Where control planes with one store tell each other of news: valkey://host.",
    ),
]


def up(
    documents: list[Path],
    /,
    *,
    no_proxies: NoProxies = False,
    listen: Listen = "127.0.0.1",
    store: Store = "",
    fanout: Fanout = "",
    state: State = STATE,
) -> None:
    """Run a gateway from documents: control plane, sign-in and every proxy.

    Says "ready" when every proxy serves what the documents say. Files and folders together are one
    document and are watched: a saved file applies at once, a faulty one changes nothing and is
    reported. Ends on Ctrl-C, with every process it started.

    Parameters
    ----------
    documents
        Files, or folders whose *.yaml files are read.
    """
    _require(documents, state)
    os.environ["OSTIARY_STORE"], os.environ["OSTIARY_FANOUT"] = store, fanout
    paths = [str(document) for document in documents]
    become("up", documents=paths, state=str(state), no_proxies=no_proxies, listen=listen)


def _require(documents: list[Path], state: Path) -> None:
    """A first start with a name that leads nowhere is a slip of the pen.

    Later starts go on: what was accepted last is served, and the file may come back.
    """
    missing = [str(document) for document in documents if not document.exists()]
    if missing and not (state / "ostiary.db").exists():
        raise Refused(
            "document-missing",
            f"there is no {', '.join(missing)}",
            "check the path; it is taken from the current directory",
        )
