"""A release of the OWASP Core Rule Set put where documents find it, whole or not at all.

Only rule files are taken, into names of ours; the engine reads them before anything changes; one
rename makes them the rules that `crs` means. Feeds `ostiary waf install-crs`.
"""

from __future__ import annotations

import io
import os
import re
import secrets
import shutil
import sys
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from ostiary.app import waf_rules
from ostiary.errors import Refused
from ostiary.sources.rule_files import crs_places

CURRENT: Final = "current"
"""The link to the version that documents read."""
_SETUP, _EXAMPLE = "crs-setup.conf", "crs-setup.conf.example"
_ENDINGS: Final = (".conf", ".data", ".conf.example")
_LARGEST_FILE: Final = 8 << 20
_MOST_FILES: Final = 1_000
_STATED: Final = re.compile(rb"ver:'OWASP_CRS/([0-9][A-Za-z0-9.-]{0,30})'")


@dataclass(frozen=True, slots=True)
class Installed:
    """What is there now."""

    version: str
    folder: Path
    rules: int
    kept_setup: bool
    """The set-up that somebody had changed was taken over from the version before."""


def usual_place() -> Path:
    """The environment of this program where it has one of its own, else the home directory."""
    own, home, *_ = crs_places()
    return (own if sys.prefix != sys.base_prefix else home).parent


def of_archive(content: bytes) -> dict[str, bytes]:
    """The rule files of a tar archive by their names below its top. Raises `Refused`."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as archive:
            for member in archive:
                name = _wanted(PurePosixPath(member.name))
                if name is None or not member.isreg():
                    continue
                _bounded(len(files), member.size)
                held = archive.extractfile(member)
                files[name] = held.read() if held else b""
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        raise Refused(
            "crs-broken", f"the archive cannot be read: {error}", "fetch it again"
        ) from error
    return _complete(files)


def of_folder(folder: Path) -> dict[str, bytes]:
    """The rule files of an unpacked release. Raises `Refused`."""
    files: dict[str, bytes] = {}
    try:
        for path in _rule_paths(folder):
            _bounded(len(files), path.stat().st_size)
            files[str(path.relative_to(folder).as_posix())] = path.read_bytes()
    except OSError as error:
        raise Refused(
            "crs-broken",
            f"{folder} cannot be read: {(error.strerror or 'error').lower()}",
            "check its name and its permissions",
        ) from error
    return _complete(files)


def version_of(files: Mapping[str, bytes]) -> str:
    """The version that the rules themselves state. Raises `Refused`."""
    for content in files.values():
        found = _STATED.search(content)
        if found:
            return found[1].decode()
    raise Refused(
        "crs-broken", "the rules state no version", "this is no release of the Core Rule Set"
    )


def install(files: Mapping[str, bytes], version: str, place: Path) -> Installed:
    """`files` are `place/version`, and `place/current` leads there. Raises `Refused`."""
    folder, partial = place / version, place / f".{version}.{secrets.token_hex(4)}"
    held = place / CURRENT / _SETUP
    kept = held.is_file()
    try:
        (partial / "rules").mkdir(parents=True, mode=0o755)
        for name, content in files.items():
            (partial / name).write_bytes(content)
        if kept:
            shutil.copyfile(held, partial / _SETUP)
        rules = _judged(partial)
        _replace(partial, folder)
        link = place / f".{CURRENT}.{secrets.token_hex(4)}"
        link.symlink_to(version)
        link.replace(place / CURRENT)
    except OSError as error:
        raise Refused(
            "crs-unwritten",
            f"{place} cannot be written: {(error.strerror or 'error').lower()}",
            "say with --to where the rules shall lie",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Installed(version, folder, rules, kept)


def _judged(folder: Path) -> int:
    """How many rules the engine reads there. Raises `Refused`: the ones before stay."""
    files = waf_rules.read([str(folder)], Path())
    waf_rules.plan(files)
    return len(waf_rules.rule_set(files).rules)


def _replace(partial: Path, folder: Path) -> None:
    """A folder cannot be renamed onto one with something in it, so that one goes aside first."""
    old = partial.with_name(f"{partial.name}.old")
    if folder.exists():
        folder.rename(old)
    os.replace(partial, folder)  # noqa: PTH105  Path.replace means files
    shutil.rmtree(old, ignore_errors=True)


def _wanted(path: PurePosixPath) -> str | None:
    """The name below the archive's top folder, if it is that of a rule file."""
    parts = path.parts[1:]
    if any(one in {"..", "/"} for one in path.parts):
        return None
    if parts in {(_SETUP,), (_EXAMPLE,)}:
        return parts[0]
    inside = len(parts) == len(("rules", "name")) and parts[0] == "rules"
    return "/".join(parts) if inside and parts[1].endswith(_ENDINGS) else None


def _rule_paths(folder: Path) -> Iterator[Path]:
    for path in [folder / _SETUP, folder / _EXAMPLE, *sorted((folder / "rules").iterdir())]:
        if path.name.endswith(_ENDINGS) and path.is_file():
            yield path


def _bounded(count: int, size: int) -> None:
    if count >= _MOST_FILES or size > _LARGEST_FILE:
        raise Refused(
            "crs-broken",
            "there are more or larger files than a release of the Core Rule Set has",
            "fetch it again from the project",
        )


def _complete(files: dict[str, bytes]) -> dict[str, bytes]:
    if not any(name.startswith("rules/") and name.endswith(".conf") for name in files):
        raise Refused(
            "crs-broken",
            "there are no rules in it",
            "a release has a folder called rules with files that end in .conf",
        )
    return files
