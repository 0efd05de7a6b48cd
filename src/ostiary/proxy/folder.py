"""The folder of one proxy: private, locked by its agent, Envoy's working directory.

Fed by `app` with a path; feeds the other files of this room. Unix sockets are addressed through
the open folder, because a socket's path may have 107 bytes only.
"""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path
from typing import Final

from ostiary.errors import Refused

CONTROL_SOCKET: Final = "control.sock"
"""Where Envoy's `CONTROL_CLUSTER` connects to: the relay."""
ADMIN_SOCKET: Final = "admin.sock"
"""Where Envoy's admin interface listens."""
SPARE_SOCKET: Final = "spare.sock"
"""Where the last good snapshot is served while the control plane is away."""
GUARD_SOCKET: Final = "guard.sock"
"""Where the guard inside Envoy says how it is."""
VERDICTS: Final = "verdicts.table"
"""What the guard last knew, for its next start."""
IDENTITY: Final = "identity.pem"
"""Private key and certificate chain of the proxy."""
BUNDLE: Final = "bundle.pem"
BOOTSTRAP: Final = "bootstrap.pb"
ENVOY_LOG: Final = "envoy.log"
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class Folder:
    """An existing folder of mode 0700 that belongs to us, held by this process alone.

    Raises `Refused` when others may read it or another agent holds it. `close()` lets it go.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        _prepare(self.path)
        self._handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._lock = _lock(self.path)
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")

    def close(self) -> None:
        """Another agent may take the folder."""
        os.close(self._lock)
        os.close(self._handle)

    def socket(self, name: str) -> str:
        """A short path of the unix socket `name`, good in this process."""
        return f"/proc/self/fd/{self._handle}/{name}"

    def read(self, name: str) -> bytes | None:
        """The content of a file; None when there is none."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> None:
        """The file holds `content`, whole or not at all, readable by its owner only.

        It is put in place by rename: that is the event Envoy watches for.
        """
        target = self.path / name
        target.parent.mkdir(mode=0o700, exist_ok=True)
        fresh = target.with_name(target.name + ".new")
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        fresh.rename(target)


def _prepare(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.stat()
    except OSError as error:
        raise Refused(
            "proxy-folder-unusable",
            f"the proxy's folder {path} cannot be used: {error.strerror}",
            "give a folder that this user may write",
        ) from error
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & _OTHERS:
        raise Refused(
            "proxy-folder-open",
            f"others than its proxy can reach {path}, which holds the proxy's private key",
            f"make it yours alone: chmod 700 {path}; if it held a key, delete identity.pem",
        )


def _lock(path: Path) -> int:
    handle = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise Refused(
            "proxy-folder-in-use",
            f"another agent holds the proxy's folder {path}",
            "a proxy has one agent: end the other, or give this one a folder of its own",
        ) from error
    return handle
