"""How a page about an error is read: files in, what goes wrong on disk, the text that comes out.

A page has a title (the code), a sentence, blocks of files (```yaml, or ```yaml other.yaml), maybe
a ```setup block with what YAML cannot show, and the ```text that a person reads.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from rules import rules_needed

from ostiary.errors import Faults
from ostiary.language.read import Reader
from ostiary.plan.resolve import Resolver
from ostiary.sources.files import Files

NOW = datetime(2026, 1, 1, tzinfo=UTC)
_BLOCK = re.compile(r"^```(yaml|setup)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OUTPUT = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def outcome(page: str, folder: Path) -> str:
    """What a person reads who has the files of `page` in `folder`, the current directory."""
    names = ["document.yaml"]  # a ```setup of `folder` names the empty folder instead
    steps: list[list[str]] = []
    for kind, name, text in _BLOCK.findall(page):
        if kind == "setup":
            steps += [line.split() for line in text.splitlines()]
            continue
        (folder / (name or "document.yaml")).write_text(text)
        if name:
            names.append(name)
    if ["folder"] in steps:
        names, steps = ["."], []
    late = [step for step in steps if step[0] in {"vanish", "first-start", "guard"}]
    for step in steps:
        if step not in late:
            _prepare(folder, *step)
    files = Files(names, now=lambda: NOW, crs=[folder / "crs"])
    files.read()
    for step in late:
        if step[0] == "vanish":
            (folder / step[1]).unlink()
            files.look()
    try:
        _understand(files, first_start=["first-start"] in late, guard=["guard"] in late)
    except Faults as faults:
        return f"{faults}\n".replace(f"{folder}/", "/conf/")
    return "no fault\n"


def _understand(files: Files, *, first_start: bool, guard: bool) -> None:
    resolver = Resolver(guard=guard, book=rules_needed() if guard else None)
    if first_start:
        resolver.resolve_first(Reader().read_lenient(files.read())[0])
    else:
        resolver.resolve(Reader().read(files.read()), NOW.date())


def _prepare(folder: Path, verb: str, name: str, *rest: str) -> None:
    path = folder / name
    match verb:
        case "remove":
            path.unlink()
        case "pipe":
            path.unlink()
            os.mkfifo(path)
        case "bytes":
            path.write_bytes(bytes.fromhex("".join(rest)))
        case "repeat":
            path.write_bytes(b"# a comment\n" * int(rest[0]))
        case "write":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(" ".join(rest))
        case "certificate":
            _certificate(path, folder / rest[0], *map(int, rest[1:3]))
        case "weak-key":
            _certificate(path, folder / rest[0], 2025, 2030, weak=True)
        case _:
            raise ValueError(verb)


def _certificate(file: Path, key_file: Path, start: int, end: int, *, weak: bool = False) -> None:
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = ec.generate_private_key(ec.SECP256R1())
    if weak:
        key = rsa.generate_private_key(65537, 1024)  # noqa: S505  weak on purpose
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "notes.localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(start, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(end, 1, 1, tzinfo=UTC) - timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
