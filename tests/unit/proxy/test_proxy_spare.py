"""The spare on disk: signature, number, date, content, and what is not in it."""

import hashlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.certs import issue
from ostiary.certs.enrolment import SecretUpdate, SnapshotAnswer
from ostiary.certs.stamp import Stamp
from ostiary.certs.validity import starting
from ostiary.errors import Refused
from ostiary.proxy.folder import Folder
from ostiary.proxy.spare import SpareStore

ME = "spiffe://demo.ostiary/default/default/gateway/main"


class Signer:
    """A root key that stamps archives."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        span = starting(datetime.now(UTC), timedelta(days=1))
        self.bundle = issue.pem(issue.workload_root(self.key, "demo.ostiary", 1, span))

    def answer(
        self,
        number: int,
        archive: bytes,
        *,
        proxy: str = ME,
        lives: float = 3600.0,
        secrets: dict[str, SecretUpdate] | None = None,
    ) -> SnapshotAnswer:
        digest = hashlib.sha256(archive).hexdigest()
        stamp = Stamp(proxy, number, time.time() + lives, digest)
        signature = self.key.sign(stamp.message(), ec.ECDSA(hashes.SHA256()))
        return SnapshotAnswer(stamp, signature, secrets or {}, archive)


@pytest.fixture
def signer() -> Signer:
    return Signer()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Folder]:
    made = Folder(tmp_path / "proxy")
    yield made
    made.close()


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


def test_what_was_accepted_is_served_after_a_restart(folder: Folder, signer: Signer) -> None:
    assert SpareStore(folder, ME).load(signer.bundle) is None
    secret = {"serving/x/0": SecretUpdate("v1", b"key")}
    SpareStore(folder, ME).accept(signer.answer(1, b"one", secrets=secret), signer.bundle)
    again = SpareStore(folder, ME)
    spare = again.load(signer.bundle)
    assert spare is not None
    assert (spare.proxy, spare.number, spare.archive) == (ME, 1, b"one")
    assert spare.secrets["serving/x/0"].body == b"key"
    asked = again.request()
    assert asked.digest == hashlib.sha256(b"one").hexdigest()
    assert asked.secrets == {"serving/x/0": "v1"}


def test_an_unchanged_answer_needs_no_archive(folder: Folder, signer: Signer) -> None:
    store = SpareStore(folder, ME)
    store.accept(signer.answer(1, b"one"), signer.bundle)
    later = signer.answer(1, b"one", lives=7200)
    unchanged = SnapshotAnswer(later.stamp, later.signature, {}, b"")
    store.accept(unchanged, signer.bundle)
    assert f'"valid_until": {later.stamp.valid_until}' in (
        (folder.path / "spare/stamp.json").read_text()
    )
    assert store.load(signer.bundle) is not None


def test_a_lower_number_is_refused_and_the_newer_one_stays(folder: Folder, signer: Signer) -> None:
    SpareStore(folder, ME).accept(signer.answer(5, b"five"), signer.bundle)
    again = SpareStore(folder, ME)
    assert code_of(lambda: again.accept(signer.answer(4, b"four"), signer.bundle)) == (
        "snapshot-replayed"
    )
    spare = again.load(signer.bundle)
    assert spare is not None
    assert spare.archive == b"five"
    again.accept(signer.answer(6, b"six"), signer.bundle)
    assert len(list((folder.path / "spare").glob("*.archive"))) == 1


def test_an_authority_made_anew_begins_again_at_one(folder: Folder, signer: Signer) -> None:
    SpareStore(folder, ME).accept(signer.answer(5, b"five"), signer.bundle)
    other = Signer()
    again = SpareStore(folder, ME)
    again.accept(other.answer(1, b"one"), other.bundle)
    spare = again.load(other.bundle)
    assert spare is not None
    assert spare.number == 1


def test_foreign_signatures_proxies_and_contents_are_refused(
    folder: Folder, signer: Signer
) -> None:
    store = SpareStore(folder, ME)
    good = signer.answer(1, b"one")
    forged = Signer().answer(1, b"one")
    other = signer.answer(1, b"one", proxy=ME + "2")
    swapped = SnapshotAnswer(good.stamp, good.signature, {}, b"two")
    old = signer.answer(1, b"one", lives=-1)
    assert code_of(lambda: store.accept(forged, signer.bundle)) == "snapshot-unsigned"
    assert code_of(lambda: store.accept(other, signer.bundle)) == "snapshot-foreign"
    assert code_of(lambda: store.accept(swapped, signer.bundle)) == "snapshot-broken"
    assert code_of(lambda: store.accept(old, signer.bundle)) == "snapshot-expired"
    assert store.load(signer.bundle) is None


def test_what_was_changed_or_grew_old_on_disk_is_not_served(
    folder: Folder, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SpareStore(folder, ME)
    store.accept(signer.answer(1, b"one"), signer.bundle)
    assert code_of(lambda: store.load(Signer().bundle)) == "snapshot-unsigned"
    later = time.time() + 3601
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: later)
        assert code_of(lambda: store.load(signer.bundle)) == "snapshot-expired"
    (archive,) = (folder.path / "spare").glob("*.archive")
    archive.write_bytes(b"two")
    assert code_of(lambda: SpareStore(folder, ME).load(signer.bundle)) == "snapshot-broken"
    assert SpareStore(folder, ME).request().digest == ""
    (folder.path / "spare/stamp.json").write_text("garbage")
    assert SpareStore(folder, ME).load(signer.bundle) is None


def test_secrets_lie_apart_private_and_go_when_withdrawn(folder: Folder, signer: Signer) -> None:
    store = SpareStore(folder, ME)
    both = {"a": SecretUpdate("1", b"private-a"), "b": SecretUpdate("1", b"private-b")}
    store.accept(signer.answer(1, b"one", secrets=both), signer.bundle)
    files = list((folder.path / "secrets").iterdir())
    assert [file.stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    for file in (folder.path / "spare").iterdir():
        assert b"private" not in file.read_bytes()
    kept = {"b": SecretUpdate("1", b"")}
    store.accept(signer.answer(1, b"one", secrets=kept), signer.bundle)
    spare = SpareStore(folder, ME).load(signer.bundle)
    assert spare is not None
    assert {name: secret.body for name, secret in spare.secrets.items()} == {"b": b"private-b"}
