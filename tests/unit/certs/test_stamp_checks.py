"""A snapshot's stamp: who signed it, for whom, which number, until when."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.certs import issue
from ostiary.certs.enrolment import (
    CertificateRequest,
    SecretUpdate,
    SnapshotAnswer,
    SnapshotRequest,
)
from ostiary.certs.stamp import Stamp, check_number, check_signature, check_use
from ostiary.certs.validity import starting
from ostiary.errors import Refused

ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
BUNDLE = issue.pem(
    issue.workload_root(ROOT_KEY, "demo.ostiary", 1, starting(datetime.now(UTC), timedelta(days=1)))
)
STAMP = Stamp("spiffe://demo.ostiary/a", 3, 1000.0, "abcd")
SIGNATURE = ROOT_KEY.sign(STAMP.message(), ec.ECDSA(hashes.SHA256()))


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


def test_our_signature_is_accepted() -> None:
    check_signature(STAMP, SIGNATURE, BUNDLE)


@pytest.mark.parametrize(
    "changed",
    [
        replace(STAMP, number=4),
        replace(STAMP, valid_until=2000.0),
        replace(STAMP, digest="ef"),
        replace(STAMP, proxy="spiffe://demo.ostiary/b"),
    ],
)
def test_a_changed_stamp_is_refused(changed: Stamp) -> None:
    assert code_of(lambda: check_signature(changed, SIGNATURE, BUNDLE)) == "snapshot-unsigned"


def test_use_is_for_one_proxy_one_content_and_a_day() -> None:
    check_use(STAMP, STAMP.proxy, "abcd", 999.0)
    assert code_of(lambda: check_use(STAMP, "spiffe://x/b", "abcd", 1.0)) == "snapshot-foreign"
    assert code_of(lambda: check_use(STAMP, STAMP.proxy, "ef", 1.0)) == "snapshot-broken"
    assert code_of(lambda: check_use(STAMP, STAMP.proxy, "abcd", 1001.0)) == "snapshot-expired"


def test_a_lower_number_is_a_replay() -> None:
    check_number(STAMP, 3)
    assert code_of(lambda: check_number(STAMP, 4)) == "snapshot-replayed"


def test_messages_survive_the_wire() -> None:
    answer = SnapshotAnswer(STAMP, SIGNATURE, {"s": SecretUpdate("1", b"\0\n")}, b"a\nb\0")
    assert SnapshotAnswer.from_bytes(answer.to_bytes()) == answer
    asked = SnapshotRequest("abcd", {"s": "1"})
    assert SnapshotRequest.from_bytes(asked.to_bytes()) == asked


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b"\xff", b'{"csr": 1, "token": ""}'])
def test_what_cannot_be_read_is_refused(raw: bytes) -> None:
    assert code_of(lambda: CertificateRequest.from_bytes(raw)) == "enrolment-malformed"
    assert code_of(lambda: SnapshotAnswer.from_bytes(raw)) == "enrolment-malformed"
    assert code_of(lambda: SnapshotRequest.from_bytes(raw)) == "enrolment-malformed"
