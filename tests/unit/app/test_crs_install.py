"""A release is proven before it is believed, read before it is used, and there whole or not."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import guard_library
import pytest

from ostiary.app.crs_fetch import Origin, fetch, prove_beside, prove_sum
from ostiary.app.crs_install import CURRENT, install, of_archive, of_folder, version_of
from ostiary.errors import Refused, Unreachable

RULE = 'SecRule ARGS "@rx evil" "id:{},phase:2,deny,ver:\'OWASP_CRS/{}\'"\n'


def release(version: str = "4.1.0", number: int = 7, **more: bytes) -> dict[str, bytes]:
    top = f"coreruleset-{version}"
    return {
        f"{top}/crs-setup.conf.example": b"# set-up\n",
        f"{top}/rules/REQUEST-1.conf": RULE.format(number, version).encode(),
        f"{top}/rules/words.data": b"a\n",
        f"{top}/README.md": b"no rules",
    } | {f"{top}/{name}": content for name, content in more.items()}


def tarred(files: Mapping[str, bytes], *others: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for other in others:
            archive.addfile(other)
    return out.getvalue()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def published(folder: Path, content: bytes) -> Path:
    below = folder / "v4.1.0"
    below.mkdir(parents=True, exist_ok=True)
    path = below / "coreruleset-4.1.0-minimal.tar.gz"
    path.write_bytes(content)
    return path


def test_a_release_is_taken_by_its_sum_and_by_no_other(tmp_path: Path) -> None:
    content = tarred(release())
    published(tmp_path, content)
    with served(tmp_path) as address:
        origin = Origin(releases=address)
        assert fetch("4.1.0", hashlib.sha256(content).hexdigest(), origin) == content
        with pytest.raises(Refused, match="not the one that was given"):
            fetch("4.1.0", "0" * 64, origin)
        with pytest.raises(Unreachable, match="answered with 404"):
            fetch("4.1.1", "0" * 64, origin)
    with pytest.raises(Unreachable, match="not reached") as caught:
        fetch("4.1.0", "0" * 64, origin)
    archive = f"{address}/v4.1.0/coreruleset-4.1.0-minimal.tar.gz"
    assert caught.value.hint.startswith(f"fetch {archive} on a machine")
    assert "--from" in caught.value.hint
    with pytest.raises(Refused, match="no version"):
        fetch("../4.1.0", "0" * 64, origin)
    with pytest.raises(Refused, match="no SHA-256"):
        prove_sum(content, "abc", "it")


def gpg(home: Path, *arguments: str) -> str:
    command = ["gpg", "--homedir", str(home), "--batch", "--passphrase", "", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


@pytest.mark.skipif(not shutil.which("gpg"), reason="NO GPG: signatures were not checked")
def test_a_release_is_taken_by_the_signature_of_the_pinned_key_alone(tmp_path: Path) -> None:
    home = tmp_path / "keys"
    home.mkdir(mode=0o700)
    archive = published(tmp_path / "site", tarred(release()))
    try:
        gpg(home, "--quick-generate-key", "releases", "ed25519", "sign", "never")
        (tmp_path / "site/key").write_text(gpg(home, "--armor", "--export"))
        listed = gpg(home, "--with-colons", "--list-keys").splitlines()
        (fingerprint,) = [one.split(":")[9] for one in listed if one.startswith("fpr")]
        gpg(home, "--armor", "--detach-sign", str(archive))
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
    with served(tmp_path / "site") as address:
        origin = Origin(address, f"{address}/key", fingerprint)
        assert fetch("4.1.0", "", origin) == archive.read_bytes()
        with pytest.raises(Refused, match="no valid signature"):
            fetch("4.1.0", "", Origin(address, f"{address}/key"))
        with pytest.raises(Refused, match="not the key that it is checked with"):
            prove_beside(archive.read_bytes(), archive, origin)
        shutil.copyfile(tmp_path / "site/key", archive.with_name("key"))
        assert prove_beside(archive.read_bytes(), archive, origin)
        with pytest.raises(Refused, match="no valid signature"):
            prove_beside(archive.read_bytes() + b" ", archive, origin)
        alone = Path(shutil.copyfile(archive, tmp_path / archive.name))
        assert not prove_beside(alone.read_bytes(), alone, origin)
        archive.write_bytes(tarred(release(number=8)))
        with pytest.raises(Refused, match="no valid signature"):
            fetch("4.1.0", "", origin)


def test_only_rule_files_are_taken_out_of_an_archive() -> None:
    link = tarfile.TarInfo("coreruleset-4.1.0/rules/link.conf")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    hostile = {
        "../rules/a.conf": b"x",
        "coreruleset-4.1.0/../rules/b.conf": b"x",
        "/coreruleset-4.1.0/rules/c.conf": b"x",
        "coreruleset-4.1.0/rules/deep/d.conf": b"x",
        "coreruleset-4.1.0/rules/e.sh": b"x",
    }
    files = of_archive(tarred(release() | hostile, link))
    names = ["crs-setup.conf.example", "rules/REQUEST-1.conf", "rules/words.data"]
    assert sorted(files) == names
    assert version_of(files) == "4.1.0"


def test_what_is_no_release_is_refused(tmp_path: Path) -> None:
    for broken in (b"", b"hello", tarred(release())[:100]):
        with pytest.raises(Refused, match="cannot be read"):
            of_archive(broken)
    with pytest.raises(Refused, match="no rules in it"):
        of_archive(tarred({"a/rules/x.data": b""}))
    with pytest.raises(Refused, match="more or larger"):
        of_archive(tarred({f"a/rules/{n}.conf": b"" for n in range(1001)}))
    with pytest.raises(Refused, match="state no version"):
        version_of({"rules/a.conf": b"# nothing"})
    with pytest.raises(Refused, match="cannot be read"):
        of_folder(tmp_path / "gone")


def test_a_version_follows_another_and_keeps_the_changed_set_up(tmp_path: Path) -> None:
    guard_library.needed()
    first = install(of_archive(tarred(release())), "4.1.0", tmp_path)
    assert (first.version, first.rules, first.kept_setup) == ("4.1.0", 1, False)
    (tmp_path / CURRENT / "crs-setup.conf").write_text("# ours\n")
    second = install(of_archive(tarred(release("4.2.0"))), "4.2.0", tmp_path)
    assert second.kept_setup
    assert (tmp_path / CURRENT).resolve().name == "4.2.0"
    assert (tmp_path / CURRENT / "crs-setup.conf").read_text() == "# ours\n"
    again = install(of_folder(tmp_path / "4.1.0"), "4.1.0", tmp_path)
    assert again.folder == tmp_path / "4.1.0"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["4.1.0", "4.2.0", CURRENT]


def test_rules_that_the_engine_refuses_change_nothing(tmp_path: Path) -> None:
    guard_library.needed()
    install(of_archive(tarred(release())), "4.1.0", tmp_path)
    broken = of_archive(tarred(release("4.2.0") | {"coreruleset-4.2.0/rules/b.conf": b"SecRool\n"}))
    with pytest.raises(Refused, match=r"b\.conf:1: "):
        install(broken, "4.2.0", tmp_path)
    assert (tmp_path / CURRENT).resolve().name == "4.1.0"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["4.1.0", CURRENT]
