"""The certificate that `trust` puts into stores, and what became of it in each."""

from __future__ import annotations

import hashlib
import os
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary.cli import terminal
from ostiary.errors import Refused

_TIMEOUT: Final = 120.0


@dataclass(frozen=True, slots=True)
class Anchor:
    """The web authority of one state directory."""

    file: Path
    """PEM, absolute."""
    der: bytes

    @classmethod
    def of(cls, state: Path) -> Anchor:
        """The authority in `state/ca.pem`."""
        file = (state / "ca.pem").absolute()
        try:
            return cls(file, ssl.PEM_cert_to_DER_cert(file.read_text()))
        except (OSError, ValueError) as error:
            raise Refused(
                "authority-missing",
                f"there is no certificate of ours at {file}",
                "start the gateway once (ostiary up, or ostiary demo), or name its --state",
            ) from error

    @property
    def name(self) -> str:
        """What stores list it under; two authorities never share a name."""
        return f"ostiary-{hashlib.sha256(self.der).hexdigest()[:12]}"

    @property
    def sha1(self) -> str:
        """What macOS calls a certificate by."""
        return hashlib.sha1(self.der, usedforsecurity=False).hexdigest().upper()


@dataclass(frozen=True, slots=True)
class Deed:
    """One store: what we did there, or why not and what the person can do."""

    done: bool
    sentence: str
    hint: str = ""


def run(command: Sequence[str]) -> str:
    """Empty when `command` succeeded, else its last words."""
    try:
        done = subprocess.run(  # noqa: S603  fixed programs, and only when asked to
            command, capture_output=True, text=True, timeout=_TIMEOUT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode == 0:
        return ""
    words = (done.stderr or done.stdout).strip().splitlines()
    return words[-1] if words else f"it ended with {done.returncode}"


def as_root(commands: Sequence[Sequence[str]], did: str) -> Deed:
    """Run `commands` as root; a person at a terminal may be asked by sudo for the password."""
    prefix: list[str] = []
    if os.geteuid() != 0:
        if not (shutil.which("sudo") and terminal.interactive()):
            lines = "\n".join(f"    sudo {' '.join(command)}" for command in commands)
            return Deed(False, "the system's store needs root; nothing was done", f"run\n{lines}")
        prefix = ["sudo"]
    for command in commands:
        problem = run([*prefix, *command])
        if problem:
            return Deed(False, f"{' '.join(command)}: {problem}")
    return Deed(True, did)
