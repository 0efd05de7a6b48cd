"""`ostiary up`: run a gateway from documents."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ostiary.cli.long_run import become
from ostiary.cli.options import STATE, State
from ostiary.errors import Refused
from ostiary.trust.spelling import seconds_of

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
AuditKept = Annotated[
    str,
    Parameter(
        name="--audit-kept",
        env_var="OSTIARY_AUDIT_KEPT",
        help="For how long the audit log keeps entries about verdicts that are over: 90d, 400d or "
        "forever. What is about a verdict that holds stays.",
    ),
]
_SHORTEST = 30 * 86_400.0
"""Seconds: who looks for what happened looks further back than a month only when there is more."""


def up(
    documents: list[Path],
    /,
    *,
    no_proxies: NoProxies = False,
    listen: Listen = "127.0.0.1",
    store: Store = "",
    fanout: Fanout = "",
    audit_kept: AuditKept = "400d",
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
    kept = _kept(audit_kept)
    os.environ["OSTIARY_STORE"], os.environ["OSTIARY_FANOUT"] = store, fanout
    paths = [str(document) for document in documents]
    become(
        "up",
        documents=paths,
        state=str(state),
        no_proxies=no_proxies,
        listen=listen,
        audit_kept=kept,
    )


def _kept(text: str) -> float:
    """Seconds, 0 for ever."""
    if text == "forever":
        return 0.0
    seconds = seconds_of(text)
    if seconds < _SHORTEST:
        raise Refused(
            "audit-kept-short",
            f"an audit log that is kept for {text} is of no use to whoever looks into an incident",
            "keep it for 30d at least; 400d is the default, and forever keeps it all",
        )
    return seconds


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
