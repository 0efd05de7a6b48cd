"""What the pages tell a reader to write and to type, written and typed."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from browserless import Person
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from demo_process import OSTIARY
from test_withdrawn_trust import SAME_ORIGIN
from up_process import Up, end, free_ports, until, wait_ready

from ostiary.proxy.guard import installed

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs/tutorial.md"
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / "docs/how-to").iterdir(),
]
PROGRAMS = {
    "cp",
    "curl",
    "docker",
    "echo",
    "export",
    "make",
    "mkdir",
    "patch",
    "python3",
    "systemctl",
    "tar",
}
PROGRAMS |= {"tools/bootstrap", "uv"}


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def ostiary(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(OSTIARY), *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=60
    )


def certificate(folder: Path, hosts: list[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a page of ours")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    made = x509.CertificateBuilder().subject_name(who).issuer_name(who).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=9))
    pem = made.add_extension(names, critical=False).sign(key, hashes.SHA256())
    (folder / "wiki.pem").write_bytes(pem.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "wiki.key").touch(mode=0o600)
    (folder / "wiki.key").write_bytes(private)


def documents(page: Path) -> Iterator[dict[str, str]]:
    """Blocks that begin with `# name.yaml` are one folder, the others a document each."""
    folder: dict[str, str] = {}
    for block in blocks(page, "yaml"):
        named = re.match(r"# ([\w.-]+\.yaml)\n", block)
        if named is None:
            yield {"gateway.yaml": block}
            continue
        if named.group(1) in folder:
            yield dict(folder)
        folder[named.group(1)] = block
    if folder:
        yield folder


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "yaml")], ids=name)
def test_every_document_is_sound(page: Path, tmp_path: Path) -> None:
    for number, files in enumerate(documents(page)):
        folder = tmp_path / str(number)
        folder.mkdir()
        for file, text in files.items():
            (folder / file).write_text(text)
        if "wiki.pem" in "".join(files.values()):
            certificate(folder, ["wiki.example.com", "login.example.com"])
        said = ostiary("check", str(folder), cwd=tmp_path)
        if "plan.guard" in said.stdout:
            pytest.skip("the wheel ostiary-guard is not installed: `make guard` builds it")
        assert said.returncode == 0, said.stdout


def commands(page: Path) -> Iterator[list[str]]:
    for block in blocks(page, "sh"):
        for line in block.splitlines():
            for part in re.split(r" && ", line):
                words = shlex.split(part, comments=True)
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words.pop(0)
                if words:
                    yield words


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "sh")], ids=name)
def test_every_command_and_option_exists(page: Path) -> None:
    for program, *words in commands(page):
        if Path(program).name != "ostiary":
            assert program in PROGRAMS | {"cd"}, program
            continue
        command = [word for word in words[:2] if re.fullmatch("[a-z-]+", word)]
        command = command if command[0] in {"user", "trust", "verdict", "waf"} else words[:1]
        page_of_help = help_of(*command)
        for option in (word for word in words if word.startswith("--")):
            assert f" {option} " in page_of_help, (command, option)


@functools.cache
def help_of(*command: str) -> str:
    said = ostiary(*command, "--help", cwd=ROOT)
    assert said.returncode == 0, command
    return said.stdout


@dataclass
class Reader:
    """A person who goes through the tutorial and types what stands there."""

    folder: Path
    ports: dict[str, int]
    up: Up | None = None
    decision: str = "none yet"
    passwords: dict[str, str] = field(default_factory=dict)

    def own(self, text: str) -> str:
        for written, port in self.ports.items():
            text = text.replace(written, str(port))
        return text.replace("explain ID", f"explain {self.decision}")

    def save(self, block: str) -> None:
        (self.folder / block.split("\n", 1)[0].removeprefix("# ")).write_text(self.own(block))

    def type(self, block: str) -> str:
        path = f"{OSTIARY.parent}:{os.environ['PATH']}"
        output = self.folder / "output"
        with output.open("w") as out:
            process = subprocess.Popen(
                ["sh", "-c", self.own(block)],
                cwd=self.folder,
                env={**os.environ, "PATH": path},
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )
            code = process.wait(60)
        said = output.read_text()
        assert code == 0, said
        if found := re.search(r"x-ostiary-decision: (\S+)", said):
            self.decision = found.group(1)
        added = re.findall(r"added (\w+)\n(\S+)", said)
        self.passwords |= dict(added)
        return said

    def start(self, block: str) -> None:
        command = shlex.split(self.own(block), comments=True)[1:]
        output = self.folder / "up.out"
        with output.open("w") as out:
            process = subprocess.Popen(
                [str(OSTIARY), *command],
                cwd=self.folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        self.up = Up(process, self.folder / ".ostiary", output, self.ports["8443"])
        self.up.host = "hello.localhost"
        wait_ready(self.up)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    ports = dict(zip(("8443", "9001", "9002"), free_ports(3), strict=True))
    someone = Reader(tmp_path, ports)
    yield someone
    if someone.up is not None:
        end(someone.up)
    found = subprocess.run(
        ["pgrep", "-f", f"http.server {ports['9001']} |live.py {ports['9002']}"],
        capture_output=True,
        text=True,
        check=False,
    )
    for pid in map(int, found.stdout.split()):
        os.kill(pid, 15)


@pytest.mark.envoy
def test_the_tutorial_does_what_it_says(reader: Reader) -> None:
    said: dict[str, str] = {}
    changes = 0
    first, *rest = re.findall(
        r"^```(\w+)\n(.*?)^```", TUTORIAL.read_text(), re.MULTILINE | re.DOTALL
    )
    assert "tools/bootstrap" in first[1]
    for language, block in rest:
        if language == "yaml":
            _before_a_change(reader, changes)
            reader.save(block)
            changes += 1
        elif language == "python":
            reader.save(block)
        elif block.startswith("ostiary verdict put"):
            _withdraw(reader, block)
        elif block.startswith("ostiary verdict lift") and not installed():
            continue
        elif block.startswith("# in a second terminal"):
            reader.start(block)
        else:
            if "/health" in block:
                until(lambda: "revision     2" in reader.type("ostiary status"), 10)
            said[block.split("\n", 1)[0]] = reader.type(block)
    assert "sound" in said["ostiary check gateway.yaml"]
    assert "asked to sign in" in said["ostiary explain ID"]
    knocks = [text for line, text in said.items() if line.startswith("curl")]
    assert re.findall(r"HTTP/2 (\d+)", "".join(knocks)) == ["401", "200"]
    assert "deny still new here" in knocks[1]  # ostiary effective, in the same block

    if installed():
        assert "only trying it out" in said["ostiary verdict lift user ann"]
        _visit(reader, "ann", "/", 200, "Hello from inside")


def _before_a_change(reader: Reader, changes: int) -> None:
    if reader.up is not None:
        _visit(reader, "ann", "/", 200, "Hello from inside")
        _visit(reader, "bob", "/", 403, "staff")
        salaries = (200, "Salaries") if changes == 1 else (403, "still new here")
        _visit(reader, "ann", "/private/salaries.html", *salaries)


def _withdraw(reader: Reader, block: str) -> None:
    """The live page of `ann` is open while it is typed."""
    if not installed():
        return
    assert reader.up is not None
    until(lambda: "revision     3" in reader.type("ostiary status"), 10)
    _visit(reader, "ann", "/live/", 200, "EventSource")
    with contextlib.closing(Person(reader.up)) as ann:
        ann.sign_in("ann")
        url, seen = f"{reader.up.url}/live/events", ""
        with ann.client.stream("GET", url, headers=SAME_ORIGIN, timeout=10) as answer:
            for text in answer.iter_text():
                if not seen:
                    assert "enforced at 1 of 1 gateways" in reader.type(block)
                seen += text
        assert seen.startswith("data: ")
        assert '"reason":"demo"' in seen.rpartition("event: revoked")[2]
        refused = ann.visit("/live/")
        assert refused.status_code == 403
        reader.decision = refused.headers["x-ostiary-decision"]
    assert "who said: only trying it out" in " ".join(reader.type("ostiary explain ID").split())


def _visit(reader: Reader, account: str, path: str, code: int, words: str) -> None:
    assert reader.up is not None
    reader.up.passwords = reader.passwords
    person = Person(reader.up)
    answer = person.sign_in(account, url=path)
    person.close()
    assert answer.status_code == code, answer.text
    assert words in answer.text
