"""Enrolment over real gRPC with real TLS: join, renew, snapshot, and our own certificates."""

import asyncio
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.authority.enrolment import Visible, open_handler, peer_handler
from ostiary.authority.issuer import Authority
from ostiary.authority.own import OwnCredentials
from ostiary.certs import enrolment, issue
from ostiary.certs.csr import build_csr
from ostiary.certs.enrolment import (
    CertificateAnswer,
    CertificateRequest,
    SnapshotAnswer,
    SnapshotRequest,
)
from ostiary.certs.issue import Issuer, Request
from ostiary.certs.pair import Pair, read_pair
from ostiary.certs.spiffe import control_plane_host, control_plane_id
from ostiary.certs.stamp import check_signature
from ostiary.certs.validity import starting
from ostiary.compiler.resources import SECRET, Resource
from ostiary.store.authority import AuthorityStore
from ostiary.store.database import Database
from ostiary.store.seal import Seal

DOMAIN = "demo.ostiary"
ME = f"spiffe://{DOMAIN}/default/default/gateway/main"
OTHER = f"spiffe://{DOMAIN}/default/default/service/notes"
NOTHING = Visible("0", bytes, {})


@dataclass
class Place:
    """A running pair of enrolment ports."""

    authority: Authority
    own: OwnCredentials
    open_port: int = 0
    peer_port: int = 0
    visible: dict[str, Visible] = field(default_factory=dict)

    def svid(self, spiffe_id: str) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        chain = self.authority.issue_svid(build_csr(key, spiffe_id), spiffe_id)
        return read_pair(chain, issue.key_pem(key))

    async def call(self, port: int, method: str, raw: bytes, pair: Pair | None = None) -> bytes:
        bundle = self.authority.bundle
        credentials = (
            grpc.ssl_channel_credentials(bundle, pair.key, pair.chain)
            if pair
            else grpc.ssl_channel_credentials(bundle)
        )
        options = [
            ("grpc.ssl_target_name_override", control_plane_host(DOMAIN)),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        target = f"127.0.0.1:{port}"
        async with grpc.aio.secure_channel(target, credentials, options=options) as channel:
            answer: bytes = await channel.unary_unary(method, None, None)(raw, timeout=5)
            return answer

    async def refusal(self, port: int, method: str, raw: bytes, pair: Pair | None = None) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await self.call(port, method, raw, pair)
        if failed.value.code() is grpc.StatusCode.UNAVAILABLE:
            return "tls"
        assert failed.value.code() is grpc.StatusCode.PERMISSION_DENIED
        return str(failed.value.details()).partition(":")[0]


@pytest.fixture
async def place(authority: Authority) -> AsyncIterator[Place]:
    made = Place(authority, OwnCredentials(authority, control_plane_id(DOMAIN)))
    server = grpc.aio.server()
    made.open_port = server.add_secure_port("127.0.0.1:0", made.own.grpc_open())
    made.peer_port = server.add_secure_port("127.0.0.1:0", made.own.grpc_mutual())
    server.add_generic_rpc_handlers(
        (open_handler(authority), peer_handler(authority, made.visible.get))
    )
    await server.start()
    yield made
    await server.stop(None)


def request(spiffe_id: str, token: str = "") -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    return key, CertificateRequest(build_csr(key, spiffe_id), token).to_bytes()


async def test_a_token_buys_a_certificate_that_renews_itself(place: Place) -> None:
    key, raw = request(ME, place.authority.new_token(ME))
    answer = CertificateAnswer.from_bytes(await place.call(place.open_port, enrolment.JOIN, raw))
    pair = read_pair(answer.certificate, issue.key_pem(key))
    assert pair.spiffe_id == ME
    assert answer.bundle == place.authority.bundle
    place.visible[ME] = NOTHING
    key, raw = request(ME)
    answer = CertificateAnswer.from_bytes(
        await place.call(place.peer_port, enrolment.RENEW, raw, pair)
    )
    assert read_pair(answer.certificate, issue.key_pem(key)).spiffe_id == ME


async def test_a_used_token_is_refused_in_words(place: Place) -> None:
    _, raw = request(ME, place.authority.new_token(ME))
    await place.call(place.open_port, enrolment.JOIN, raw)
    assert await place.refusal(place.open_port, enrolment.JOIN, raw) == "join-token-used"


async def test_nobody_renews_for_another_or_without_a_certificate(place: Place) -> None:
    place.visible |= {ME: NOTHING, OTHER: NOTHING}
    _, raw = request(OTHER)
    mine = place.svid(ME)
    assert await place.refusal(place.peer_port, enrolment.RENEW, raw, mine) == "csr-wrong-name"
    assert await place.refusal(place.peer_port, enrolment.RENEW, raw) == "tls"
    assert await place.refusal(place.open_port, enrolment.RENEW, raw) == "peer-unnamed"
    assert await place.refusal(place.open_port, enrolment.SNAPSHOT, b'{"digest":"","secrets":{}}')


async def test_a_proxy_that_nothing_names_any_more_gets_nothing(place: Place) -> None:
    _, raw = request(ME)
    mine = place.svid(ME)
    assert await place.refusal(place.peer_port, enrolment.RENEW, raw, mine) == "proxy-unknown"


async def test_another_authority_of_the_same_domain_is_refused_by_tls(
    place: Place, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    database = Database.in_folder(tmp_path / "other")
    database.create()
    seal = Seal.in_folder(tmp_path / "other")
    foreign = Authority.open(AuthorityStore(database, seal), DOMAIN)
    pair = Place(foreign, place.own).svid(ME)
    database.close()
    place.visible[ME] = NOTHING
    _, raw = request(ME)
    assert await place.refusal(place.peer_port, enrolment.RENEW, raw, pair) == "tls"


async def test_even_our_root_cannot_name_a_foreign_workload(place: Place) -> None:
    """The name constraint of the root, enforced by gRPC's BoringSSL."""
    key = ec.generate_private_key(ec.SECP256R1())
    root: Issuer = place.authority.workloads
    span = starting(place.authority.now(), timedelta(hours=1))
    leaf = issue.svid(root, Request(key.public_key(), 5, span), "spiffe://evil.example/x")
    forged = Pair(issue.pem(leaf), issue.key_pem(key), leaf)
    _, raw = request(ME)
    assert await place.refusal(place.peer_port, enrolment.RENEW, raw, forged) == "tls"


async def test_a_snapshot_is_stamped_numbered_and_sent_once(place: Place) -> None:
    secret = Resource(SECRET, "serving/x", "v1", b"secret")
    place.visible[ME] = Visible("1", lambda: b"archive", {"serving/x": secret})
    mine = place.svid(ME)

    async def ask(have: SnapshotRequest) -> SnapshotAnswer:
        raw = await place.call(place.peer_port, enrolment.SNAPSHOT, have.to_bytes(), mine)
        return SnapshotAnswer.from_bytes(raw)

    first = await ask(SnapshotRequest("", {}))
    check_signature(first.stamp, first.signature, place.authority.bundle)
    assert (first.stamp.proxy, first.stamp.number, first.archive) == (ME, 1, b"archive")
    assert first.stamp.digest == hashlib.sha256(b"archive").hexdigest()
    assert first.secrets["serving/x"].body == b"secret"
    again = await ask(SnapshotRequest(first.stamp.digest, {"serving/x": "v1"}))
    assert (again.stamp.number, again.archive, again.secrets["serving/x"].body) == (1, b"", b"")
    place.visible[ME] = Visible("2", lambda: b"newer", {})
    newer = await ask(SnapshotRequest(first.stamp.digest, {"serving/x": "v1"}))
    assert (newer.stamp.number, newer.archive, dict(newer.secrets)) == (2, b"newer", {})


async def test_our_own_certificate_changes_under_running_servers(
    place: Place, tmp_path: Path
) -> None:
    context = place.own.server_context(tmp_path)
    assert (tmp_path / "own.pem").stat().st_mode & 0o777 == 0o600
    before = [await _served(place), await _handshake(place, context, tmp_path)]
    place.own.renew()
    after = [await _served(place), await _handshake(place, context, tmp_path)]
    assert before[0] == before[1]
    assert after[0] == after[1]
    assert after[0] != before[0]


async def test_our_own_certificate_is_renewed_in_time(authority: Authority, clock: Any) -> None:
    own = OwnCredentials(authority, control_plane_id(DOMAIN))
    first = own.pair
    clock.ahead = timedelta(minutes=31)
    loop = asyncio.create_task(own.run())
    async with asyncio.timeout(5):
        while own.pair is first:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert own.pair.validity.renew_at > authority.now()


async def _served(place: Place) -> int:
    """The serial number that the gRPC port shows."""
    return await asyncio.to_thread(_serial, ("127.0.0.1", place.open_port), None)


async def _handshake(place: Place, context: ssl.SSLContext, folder: Path) -> int:
    """The serial number that a server with `context` shows to a client with an SVID."""
    pair = place.svid(ME)
    file = folder / "client.pem"
    file.write_bytes(pair.key + pair.chain)
    server = await asyncio.start_server(lambda _r, w: w.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        address = server.sockets[0].getsockname()
        return await asyncio.to_thread(_serial, address, file)


def _serial(address: tuple[str, int], certificate: Path | None) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if certificate:
        context.load_cert_chain(certificate)
    with (
        socket.create_connection(address, 5) as raw,
        context.wrap_socket(raw) as secure,
    ):
        der = secure.getpeercert(binary_form=True)
        assert der is not None
        assert secure.version() == "TLSv1.3"
    return x509.load_der_x509_certificate(der).serial_number
