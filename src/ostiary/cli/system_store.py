"""The system's certificate store: Debian's, p11-kit's, or the macOS keychain."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from ostiary.cli.anchor import Anchor, Deed, as_root, run

_DEBIAN: Final = Path("/usr/local/share/ca-certificates")
_UPDATE: Final = "update-ca-certificates"
_SBIN: Final = "/usr/sbin:/sbin:/usr/bin:/bin"


def install(anchor: Anchor, home: Path) -> Deed:
    """The system's programs trust `anchor` afterwards."""
    if update := _debian():
        target = str(_DEBIAN / f"{anchor.name}.crt")
        copy = ["install", "-m", "644", str(anchor.file), target]
        return as_root([copy, [update]], f"added {target} to the system's store")
    if shutil.which("trust"):
        command = ["trust", "anchor", "--store", str(anchor.file)]
        return as_root([command], "added the authority to the system's store (p11-kit)")
    if shutil.which("security"):
        problem = run(
            [
                *("security", "add-trusted-cert", "-r", "trustRoot"),
                *("-k", _keychain(home), str(anchor.file)),
            ]
        )
        return Deed(not problem, problem or "added the authority to your login keychain")
    return _unknown()


def remove(anchor: Anchor, home: Path) -> Deed:
    """The system's programs do not trust `anchor` afterwards."""
    if update := _debian():
        target = _DEBIAN / f"{anchor.name}.crt"
        if not target.exists():
            return Deed(True, "the system's store did not have it")
        steps = [["rm", "-f", str(target)], [update, "--fresh"]]
        return as_root(steps, f"removed {target} from the system's store")
    if shutil.which("trust"):
        command = ["trust", "anchor", "--remove", str(anchor.file)]
        return as_root([command], "removed the authority from the system's store (p11-kit)")
    if shutil.which("security"):
        problem = run(["security", "delete-certificate", "-t", "-Z", anchor.sha1, _keychain(home)])
        return Deed(not problem, problem or "removed the authority from your login keychain")
    return _unknown()


def _debian() -> str | None:
    return shutil.which(_UPDATE, path=_SBIN) if _DEBIAN.is_dir() else None


def _keychain(home: Path) -> str:
    return str(home / "Library/Keychains/login.keychain-db")


def _unknown() -> Deed:
    return Deed(
        False,
        "this system has none of update-ca-certificates, trust and security",
        "import the state directory's ca.pem by hand as an authority for websites",
    )
