"""Rule sets, payloads and oracles of others: had when a test asks, pinned, never committed.

Each function gives a place on this disk or raises `Missing` with one sentence: what is missing
and how to have it. What is had from a package registry comes through that registry's ordinary
client, with the machine's own settings. What is in no registry is looked for as a git copy in
`$OSTIARY_CORPORA`, a folder of clones or bare repositories, and read at a pinned commit.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
PATIENCE: Final = 180
"""Seconds for one download."""


class Missing(Exception):
    """Something of others cannot be had here; the sentence says what and how to change that."""


@dataclass(frozen=True, slots=True)
class GoModule:
    """A module zip, pinned by its bytes."""

    path: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A git repository at a commit, which pins every byte of it."""

    name: str
    commit: str


CRS4: Final = GoModule(
    "github.com/corazawaf/coraza-coreruleset/v4",
    "v4.25.0",
    "ca9f35410c39be69d0b2cb9536c2b19212295886e9f5709fce0b4bbbb2c43981",
)
CRS3: Final = Snapshot("coreruleset", "98b9d811f34a1aa72792aaf6245cb2f2c0f0a5b8")
"""Tag v3.3.4."""
PAYLOADS: Final = Snapshot("mgm-web-attack-payloads", "eb606fd212c7a00edb95666e150c0044a217aa44")


@cache
def module_files(module: GoModule) -> Mapping[str, bytes]:
    """The files of a module by their path below its root."""
    data = _module_zip(module).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != module.sha256:
        raise AssertionError(f"{module.path} {module.version} is not what was pinned: {found}")
    root = f"{module.path}@{module.version}/"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.removeprefix(root): archive.read(name) for name in archive.namelist()}


def _module_zip(module: GoModule) -> Path:
    go = shutil.which("go")
    if go is None:
        raise Missing(f"NO GO COMMAND: {module.path} {module.version} was not fetched; install Go")
    command = [go, "mod", "download", "-json", f"{module.path}@{module.version}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, cwd="/", check=False
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"the Go module proxy gave no {module.path} in {PATIENCE} s") from None
    answer = json.loads(done.stdout or "{}")
    if "Zip" not in answer:
        why = answer.get("Error") or done.stderr.strip()
        raise Missing(f"the Go module proxy gave no {module.path} {module.version}: {why}")
    return Path(answer["Zip"])


@cache
def snapshot_files(snapshot: Snapshot, *below: str) -> Mapping[str, bytes]:
    """The files of a git copy at its commit, by path; all, or those below some folders."""
    given = os.environ.get("OSTIARY_CORPORA")
    want = f"a git copy of {snapshot.name} with commit {snapshot.commit[:12]}"
    if not given:
        raise Missing(f"OSTIARY_CORPORA is not set: it names a folder with {want}")
    for folder in (Path(given) / snapshot.name, Path(given) / f"{snapshot.name}.git"):
        command = ["git", "-C", str(folder), "archive", "--format=tar", snapshot.commit, *below]
        if folder.is_dir():
            done = subprocess.run(command, capture_output=True, timeout=PATIENCE, check=False)
            if done.returncode == 0:
                return _unpacked(done.stdout)
    raise Missing(f"{given} (OSTIARY_CORPORA) has no {want}")


def _unpacked(data: bytes) -> Mapping[str, bytes]:
    found = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is not None:
                found[member.name] = file.read()
    return found


@cache
def python_package(name: str) -> Path:
    """A folder for `sys.path` with the package of this name from `packages/NAME.txt`."""
    wanted = HERE / "packages" / f"{name}.txt"
    text = wanted.read_bytes() + sys.version.encode()
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "ostiary" / f"{name}-{hashlib.sha256(text).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    fresh = folder.with_name(f"{folder.name}.{os.getpid()}")
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target"]
    command += [str(fresh), "--python", sys.executable, "-r", str(wanted)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{name} could not be installed from the package index: {error}") from None
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise Missing(f"{name} could not be installed from the package index: {last[0]}")
    _move(fresh, folder)
    return folder


def _move(fresh: Path, folder: Path) -> None:
    """Another worker may have been faster: then its folder stays."""
    try:
        fresh.rename(folder)
    except OSError:
        shutil.rmtree(fresh)
