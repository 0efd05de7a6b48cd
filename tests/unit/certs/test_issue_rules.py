"""What may be issued to whom: requests, leaves, roots, validities, files."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ostiary.certs import issue
from ostiary.certs.csr import build_csr, check_csr
from ostiary.certs.issue import Issuer, Request
from ostiary.certs.pair import check_validity, read_pair
from ostiary.certs.validity import BACKDATE, SVID_LIFETIME, Validity, starting
from ostiary.errors import Refused

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
ME = "spiffe://demo.ostiary/default/default/service/notes"
KEY = ec.generate_private_key(ec.SECP256R1())
ROOT_KEY = ec.generate_private_key(ec.SECP256R1())
ROOT = Issuer(
    issue.workload_root(ROOT_KEY, "demo.ostiary", 1, starting(NOW, timedelta(days=10))), ROOT_KEY
)


def request(lifetime: timedelta = SVID_LIFETIME) -> Request:
    return Request(KEY.public_key(), 7, starting(NOW, lifetime))


def pem_request(key: object, names: list[x509.GeneralName]) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)  # type: ignore[arg-type]


def code_of(pem: bytes) -> str:
    with pytest.raises(Refused) as refused:
        check_csr(pem, ME)
    return refused.value.code


def test_a_request_for_ones_own_id_or_none_gives_its_key() -> None:
    assert check_csr(build_csr(KEY, ME), ME) == KEY.public_key()
    assert check_csr(pem_request(KEY, []), ME) == KEY.public_key()


def test_a_request_for_anything_else_is_refused() -> None:
    other = x509.UniformResourceIdentifier("spiffe://demo.ostiary/ostiary/control-plane")
    mine = x509.UniformResourceIdentifier(ME)
    assert code_of(pem_request(KEY, [other])) == "csr-wrong-name"
    assert code_of(pem_request(KEY, [mine, other])) == "csr-wrong-name"
    assert code_of(pem_request(KEY, [mine, x509.DNSName("notes.localhost")])) == "csr-wrong-name"


def test_weak_keys_are_refused() -> None:
    rsa_key = rsa.generate_private_key(65537, 2048)
    small = ec.generate_private_key(ec.SECP224R1())
    assert code_of(pem_request(rsa_key, [])) == "csr-weak-key"
    assert code_of(pem_request(small, [])) == "csr-weak-key"
    assert code_of(pem_request(ed25519.Ed25519PrivateKey.generate(), [])) == "csr-weak-key"


def test_a_request_not_signed_by_its_key_is_refused() -> None:
    der = bytearray(
        x509.load_pem_x509_csr(build_csr(KEY, ME)).public_bytes(serialization.Encoding.DER)
    )
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    assert code_of(forged) == "csr-unproven"


def test_garbage_and_giants_are_refused() -> None:
    assert code_of(b"") == "csr-broken"
    assert code_of(b"\xff\xfe") == "csr-broken"
    assert code_of(build_csr(KEY, ME) + b"\n" * (16 << 10)) == "csr-broken"


def test_an_svid_names_one_workload_and_can_sign_nothing() -> None:
    leaf = issue.svid(ROOT, request(), ME)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [name.value for name in names.value] == [ME]
    assert names.critical
    basic = leaf.extensions.get_extension_for_class(x509.BasicConstraints)
    assert basic.critical
    assert not basic.value.ca
    usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    purposes = set(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert purposes == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    leaf.verify_directly_issued_by(ROOT.certificate)


def test_a_serving_certificate_is_for_servers_only() -> None:
    leaf = issue.serving(ROOT, request(), ["notes.localhost", "*.x.example", "127.0.0.1", "::1"])
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["notes.localhost", "*.x.example"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    purposes = list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    assert purposes == [ExtendedKeyUsageOID.SERVER_AUTH]


def test_a_root_signs_leaves_only_and_only_of_its_domain() -> None:
    basic = ROOT.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (basic.ca, basic.path_length) == (True, 0)
    limits = ROOT.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    allowed = limits.value.permitted_subtrees or []
    assert x509.UniformResourceIdentifier("demo.ostiary") in allowed


def test_validity_is_back_dated_and_renewed_at_half() -> None:
    hour = starting(NOW, SVID_LIFETIME)
    assert hour == Validity(NOW - BACKDATE, NOW + timedelta(hours=1))
    assert hour.renew_at == NOW + timedelta(minutes=30)
    assert hour.holds(NOW)
    assert not hour.holds(NOW + timedelta(hours=1, seconds=1))


def test_nothing_outlives_its_issuer() -> None:
    assert starting(NOW, SVID_LIFETIME, until=NOW + timedelta(minutes=1)).not_after == (
        NOW + timedelta(minutes=1)
    )


def refusal(chain: bytes, key: bytes, now: datetime = NOW) -> str:
    with pytest.raises(Refused) as refused:
        check_validity(read_pair(chain, key), now)
    return refused.value.code


def test_a_pair_says_what_is_wrong_with_it() -> None:
    chain, key = issue.pem(issue.svid(ROOT, request(), ME)), issue.key_pem(KEY)
    pair = check_validity(read_pair(chain, key), NOW)
    assert pair.spiffe_id == ME
    assert refusal(b"garbage", key) == "certificate-broken"
    assert refusal(chain, b"garbage") == "certificate-key-broken"
    assert refusal(chain, issue.key_pem(ROOT_KEY)) == "certificate-key-mismatch"
    assert refusal(chain, key, NOW + timedelta(hours=2)) == "certificate-expired"
    assert refusal(chain, key, NOW - timedelta(hours=2)) == "certificate-not-yet-valid"


def test_a_pair_knows_the_hosts_it_does_not_name() -> None:
    leaf = issue.serving(ROOT, request(), ["notes.localhost", "*.x.example"])
    pair = read_pair(issue.pem(leaf), issue.key_pem(KEY))
    asked = ["notes.localhost", "a.x.example", "*.x.example", "x.example", "a.b.x.example"]
    assert pair.unnamed(asked) == ["x.example", "a.b.x.example"]
    assert pair.spiffe_id is None
