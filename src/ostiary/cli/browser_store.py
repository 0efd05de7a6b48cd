"""The browsers' own stores: NSS databases of Chromium and of each Firefox profile."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ostiary.cli.anchor import Anchor, Deed, run

_CHROMIUM: Final = ".pki/nssdb"
_DATABASES: Final = (
    _CHROMIUM,
    ".local/share/pki/nssdb",
    "snap/chromium/current/.pki/nssdb",
    ".mozilla/firefox/*",
    ".config/mozilla/firefox/*",
    "snap/firefox/common/.mozilla/firefox/*",
    "Library/Application Support/Firefox/Profiles/*",
)


def install(anchor: Anchor, home: Path) -> list[Deed]:
    """Every browser database below `home` trusts `anchor` for websites afterwards."""
    certutil = shutil.which("certutil")
    if certutil is None:
        return [_no_certutil()]
    deeds = []
    if not any(_found(home)):
        deeds += _create(certutil, home / _CHROMIUM)
    for database in _found(home):
        where = ["-d", f"sql:{database}"]
        naming = ["-n", anchor.name, "-i", str(anchor.file)]
        problem = run([certutil, "-A", *where, "-t", "C,,", *naming])
        did = f"added the authority to {database}"
        deeds.append(Deed(not problem, f"{database}: {problem}" if problem else did))
    return deeds


def remove(anchor: Anchor, home: Path) -> list[Deed]:
    """No browser database below `home` has `anchor` afterwards."""
    certutil = shutil.which("certutil")
    if certutil is None:
        return [_no_certutil()]
    deeds = []
    for database in _found(home):
        where = ["-d", f"sql:{database}", "-n", anchor.name]
        if run([certutil, "-L", *where]):
            deeds.append(Deed(True, f"{database} did not have it"))
            continue
        problem = run([certutil, "-D", *where])
        did = f"removed the authority from {database}"
        deeds.append(Deed(not problem, f"{database}: {problem}" if problem else did))
    return deeds or [Deed(True, "there is no browser database here")]


def _found(home: Path) -> Iterator[Path]:
    for pattern in _DATABASES:
        for folder in sorted(home.glob(pattern)):
            if (folder / "cert9.db").is_file():
                yield folder


def _create(certutil: str, database: Path) -> list[Deed]:
    """Chromium reads this one on Linux, and makes it only when it first needs it."""
    database.mkdir(mode=0o700, parents=True, exist_ok=True)
    problem = run([certutil, "-N", "-d", f"sql:{database}", "--empty-password"])
    return [Deed(False, f"{database}: {problem}")] if problem else []


def _no_certutil() -> Deed:
    return Deed(
        False,
        "the browsers' stores were not touched: certutil is not installed",
        "install it (Debian: apt install libnss3-tools; macOS: brew install nss) and ask again",
    )
