"""A release of the OWASP Core Rule Set: fetched, and believed only once it is proven.

Proof is a SHA-256 that a person gives, or the detached signature of the release by the project's
key, whose fingerprint is pinned here (CRS, INSTALL.md). Feeds `crs_install`.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ostiary.errors import Refused, Unreachable

LARGEST: Final = 32 << 20
"""Bytes of a release; one has two million."""
_RELEASES: Final = "https://github.com/coreruleset/coreruleset/releases/download"
_KEY: Final = "https://coreruleset.org/security.asc"
_FINGERPRINT: Final = "36006F0E0BA167832158821138EEACA1AB8A6E72"
"""Of the key with which the project signs releases."""
_VERSION: Final = re.compile(r"\d{1,3}\.\d{1,3}\.\d{1,3}(-[a-z0-9.]{1,16})?")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_BAD: Final = frozenset({"BADSIG", "ERRSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG"})
_PATIENCE: Final = 30.0
"""Seconds without a byte."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where releases come from, and who signs them."""

    releases: str = _RELEASES
    key: str = _KEY
    fingerprint: str = _FINGERPRINT

    def address(self, version: str) -> str:
        """The archive with the rules alone, without the project's tests."""
        return f"{self.releases}/v{version}/coreruleset-{version}-minimal.tar.gz"


def fetch(version: str, sha256: str = "", origin: Origin = Origin()) -> bytes:
    """The proven archive of a release. Raises `Refused` and `Unreachable`."""
    if not _VERSION.fullmatch(version):
        raise Refused(
            "crs-version",
            f"{version!r} is no version",
            "write it as the project does, such as 4.28.0",
        )
    address = origin.address(version)
    if sha256:
        return prove_sum(_get(address, address), sha256, address)
    _needs_gpg()
    whole = (address, f"{address}.asc", origin.key)
    archive, signature, key = (_get(one, " and ".join(whole)) for one in whole)
    _prove_signature(archive, signature, key, origin.fingerprint)
    return archive


def prove_beside(content: bytes, path: Path, origin: Origin = Origin()) -> bool:
    """Whether a signature lies beside the archive `path`; it is good then. Raises `Refused`.

    The key lies beside it under the name that the project gives it.
    """
    signature = path.with_name(f"{path.name}.asc")
    key = path.with_name(origin.key.rpartition("/")[2])
    if not signature.is_file():
        return False
    if not key.is_file():
        raise Refused(
            "crs-unproven",
            f"{signature.name} lies beside the release, but not the key that it is checked with",
            f"put {origin.key} beside it, or give the release's --sha256",
        )
    _needs_gpg()
    _prove_signature(content, signature.read_bytes(), key.read_bytes(), origin.fingerprint)
    return True


def _needs_gpg() -> None:
    if shutil.which("gpg") is None:
        raise Refused(
            "crs-unproven",
            "the signature of a release cannot be checked: there is no gpg on this machine",
            "install GnuPG, or give the release's --sha256",
        )


def prove_sum(content: bytes, sha256: str, name: str) -> bytes:
    """`content`, which has that SHA-256. Raises `Refused`."""
    wanted, found = sha256.lower(), hashlib.sha256(content).hexdigest()
    if not _SHA256.fullmatch(wanted):
        raise Refused("crs-sum", f"{sha256!r} is no SHA-256", "write its 64 digits")
    if found != wanted:
        raise Refused(
            "crs-unproven",
            f"{name} has the SHA-256 {found}, not the one that was given",
            "nothing was installed; compare the sum with that of the project's release page",
        )
    return content


def _get(address: str, wanted: str) -> bytes:
    """What lies at `address`; `wanted` are all addresses that a person would have to fetch."""
    import httpx  # noqa: PLC0415  only a download needs it

    content = bytearray()
    try:
        with httpx.stream("GET", address, follow_redirects=True, timeout=_PATIENCE) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > LARGEST:
                    raise Refused(
                        "crs-too-large",
                        f"{address} is larger than {LARGEST >> 20} MiB",
                        "this is no release of CRS",
                    )
    except httpx.HTTPStatusError as error:
        raise Unreachable(
            "crs-unreachable",
            f"{address} was answered with {error.response.status_code}",
            "look whether there is such a release; one of this machine is taken with --from",
        ) from error
    except httpx.HTTPError as error:
        raise Unreachable(
            "crs-unreachable",
            f"{address} was not reached: {error}",
            f"fetch {wanted} on a machine that reaches them, put what you got into one folder "
            "here, and give the archive with --from",
        ) from error
    return bytes(content)


def _prove_signature(archive: bytes, signature: bytes, key: bytes, fingerprint: str) -> None:
    """The key counts by its fingerprint alone, so it does not matter where it came from."""
    with tempfile.TemporaryDirectory(prefix="ostiary-crs-") as name:
        home = Path(name)
        for file, content in (("key", key), ("archive", archive), ("archive.asc", signature)):
            (home / file).write_bytes(content)
        _gpg(home, "--import", "key")
        said = _gpg(home, "--verify", "archive.asc", "archive")
    signers = re.findall(r"^\[GNUPG:\] VALIDSIG (\S+).* (\S+)$", said, re.MULTILINE)
    # VALIDSIG is also said of keys that are revoked or too old; GOODSIG is not.
    words = set(re.findall(r"^\[GNUPG:\] (\S+)", said, re.MULTILINE))
    if not any(fingerprint in one for one in signers) or "GOODSIG" not in words or words & _BAD:
        raise Refused(
            "crs-unproven",
            f"the release has no valid signature of the key {fingerprint}",
            "nothing was installed; give --sha256 if you know the sum from elsewhere",
        )


def _gpg(home: Path, *arguments: str) -> str:
    """What gpg says to programs; its exit code is not asked, for only its words are proof."""
    command = ["gpg", "--homedir", str(home), "--batch", "--no-tty", "--status-fd", "1"]
    done = subprocess.run(  # noqa: S603  our own words and files
        [*command, *arguments], cwd=home, capture_output=True, check=False, timeout=60
    )
    return done.stdout.decode("utf-8", "replace")
