"""The authority over a real store: roots, SVIDs, join tokens."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.verification import PolicyBuilder, Store

from ostiary.authority.issuer import Authority
from ostiary.certs.csr import build_csr
from ostiary.errors import Refused
from ostiary.store.authority import ROOTS, TOKENS, AuthorityStore

ME = "spiffe://demo.ostiary/default/default/gateway/main"
OTHER = "spiffe://demo.ostiary/default/default/service/notes"
KEY = ec.generate_private_key(ec.SECP256R1())


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(Refused) as refused:
        call()
    return refused.value.code


def test_the_roots_survive_a_restart(store: AuthorityStore) -> None:
    first = Authority.open(store, "demo.ostiary")
    again = Authority.open(store, "demo.ostiary")
    assert (again.bundle, again.web_bundle) == (first.bundle, first.web_bundle)
    assert first.bundle != first.web_bundle


def test_two_processes_that_start_together_agree_on_the_roots(store: AuthorityStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Authority.open(store, "demo.ostiary"), range(4)))
    assert len({each.bundle for each in opened}) == 1
    assert len({each.web_bundle for each in opened}) == 1


def test_root_keys_lie_sealed(authority: Authority, store: AuthorityStore) -> None:
    with store._database.read() as connection:
        keys = [row.sealed_key for row in connection.execute(ROOTS.select())]
    assert len(keys) == 2
    assert not any(b"PRIVATE KEY" in key for key in keys)


def test_a_state_of_another_trust_domain_is_refused(
    authority: Authority, store: AuthorityStore
) -> None:
    assert code_of(lambda: Authority.open(store, "other.ostiary")) == "trust-domain-changed"
    assert code_of(lambda: Authority.open(store, "Not/One")) == "trust-domain-malformed"


def test_an_svid_is_issued_and_remembered(authority: Authority, store: AuthorityStore) -> None:
    leaf = x509.load_pem_x509_certificate(authority.issue_svid(build_csr(KEY, ME), ME))
    assert leaf.public_key() == KEY.public_key()
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(hours=1, minutes=5)
    assert store.issued(ME) == [f"{leaf.serial_number:x}"]


def test_nothing_is_issued_outside_the_trust_domain(authority: Authority) -> None:
    foreign = "spiffe://evil.example/ostiary/login"
    assert code_of(lambda: authority.issue_svid(build_csr(KEY, foreign), foreign)) == (
        "spiffe-id-foreign"
    )
    assert code_of(lambda: authority.new_token(foreign)) == "spiffe-id-foreign"


def test_a_token_joins_once_as_its_owner(authority: Authority, store: AuthorityStore) -> None:
    token = authority.new_token(ME)
    leaf = x509.load_pem_x509_certificate(authority.join(token, build_csr(KEY, ME)))
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == [ME]
    assert code_of(lambda: authority.join(token, build_csr(KEY, ME))) == "join-token-used"
    with store._database.read() as connection:
        assert token not in str(list(connection.execute(TOKENS.select())))


def test_a_token_is_no_good_for_another_id_and_stays_unused(authority: Authority) -> None:
    token = authority.new_token(ME)
    assert code_of(lambda: authority.join(token, build_csr(KEY, OTHER))) == "csr-wrong-name"
    authority.join(token, build_csr(KEY, ME))


def test_a_token_that_two_hold_joins_one(authority: Authority) -> None:
    token = authority.new_token(ME)

    def join(_: int) -> str:
        try:
            authority.join(token, build_csr(KEY, ME))
        except Refused as error:
            return error.code
        return "joined"

    with ThreadPoolExecutor(8) as pool:
        outcomes = sorted(pool.map(join, range(8)))
    assert outcomes == ["join-token-used"] * 7 + ["joined"]


def test_an_old_or_invented_token_is_refused(authority: Authority, clock: Any) -> None:
    token = authority.new_token(ME)
    assert code_of(lambda: authority.join("x" + token, build_csr(KEY, ME))) == "join-token-unknown"
    clock.ahead = timedelta(minutes=10, seconds=1)
    assert code_of(lambda: authority.join(token, build_csr(KEY, ME))) == "join-token-expired"


def test_what_expired_is_forgotten(authority: Authority, store: AuthorityStore, clock: Any) -> None:
    authority.issue_svid(build_csr(KEY, ME), ME)
    authority.new_token(ME)
    clock.ahead = timedelta(hours=26)
    authority.issue_svid(build_csr(KEY, OTHER), OTHER)
    assert store.issued(ME) == []
    with store._database.read() as connection:
        assert list(connection.execute(TOKENS.select())) == []


def test_a_serving_certificate_satisfies_a_verifier(authority: Authority) -> None:
    pair = authority.issue_serving(["notes.localhost", "*.apps.localhost"])
    root = x509.load_pem_x509_certificate(authority.web_bundle)
    verifier = PolicyBuilder().store(Store([root]))
    for host in ("notes.localhost", "a.apps.localhost"):
        verifier.build_server_verifier(x509.DNSName(host)).verify(pair.leaf, [])
    lifetime = pair.validity.not_after - pair.validity.not_before
    assert lifetime == timedelta(days=7, minutes=5)


def test_a_listener_for_every_host_gets_a_certificate_that_names_none_of_them(
    authority: Authority,
) -> None:
    pair = authority.serving(["*"])
    assert pair.unnamed(["localhost"]) == []
    assert pair.unnamed(["notes.example"]) == ["notes.example"]


def test_a_restart_serves_the_same_certificate_until_half_of_its_life(
    store: AuthorityStore, clock: Any
) -> None:
    first = Authority.open(store, "demo.ostiary", now=clock).serving(["b.x", "a.x"])
    again = Authority.open(store, "demo.ostiary", now=clock)
    assert again.serving(["a.x", "b.x"]).chain == first.chain
    assert again.serving(["a.x"]).chain != first.chain
    clock.ahead = timedelta(days=4)
    assert again.serving(["a.x", "b.x"]).chain != first.chain


def test_snapshot_numbers_rise_with_the_content_only(store: AuthorityStore) -> None:
    assert [store.snapshot_number(ME, digest) for digest in "aabba"] == [1, 1, 2, 2, 3]
    assert store.snapshot_number(OTHER, "a") == 1
