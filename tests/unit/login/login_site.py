"""A browser and a gateway that drive a whole `login` on loopback, and what they send."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import re
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc.aio
import httpx
import pytest
from argon2 import PasswordHasher
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from ostiary.certs import issue
from ostiary.certs.issue import Issuer, Request
from ostiary.certs.validity import SVID_LIFETIME, starting
from ostiary.identity.directory import Directory, Place, SignInHost
from ostiary.identity.model import Lifetimes
from ostiary.identity.tokens import verified
from ostiary.login.ports import Stores
from ostiary.login.server import Bound, Listen, run_login
from ostiary.plan.policy import PolicyRecord
from ostiary.policy.rules import Effect, Level, Rule
from ostiary.protos.messages import auth
from ostiary.store.accounts import Accounts
from ostiary.store.keys import Keys
from ostiary.store.sessions import Sessions
from ostiary.store.site import SiteStore
from ostiary.wire import JWT_METADATA, SESSION_COOKIE, START_COOKIE_PREFIX

TRUST = "test.ostiary"
GATEWAY = f"spiffe://{TRUST}/default/default/gateway/main"
SERVICE = f"spiffe://{TRUST}/default/default/service/notes"
LOGIN = f"spiffe://{TRUST}/ostiary/login"
APP, OTHER, SIGN_IN = "notes.localhost", "wiki.localhost", "login.localhost"
APP_ORIGIN, SIGN_IN_ORIGIN = f"https://{APP}:8443", f"https://{SIGN_IN}:8443"
START = "0123456789abcdef0123456789abcdef"
RIGHT = "right"
CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
RECORD = PolicyRecord(
    route="default/default/notes",
    hosts=(APP,),
    levels=(
        Level(
            "route notes",
            (
                Rule("notes/readers", Effect.ALLOW, groups=("editors",)),
                Rule("notes/<b>odd</b>", Effect.ALLOW, paths=("/odd/*",), groups=("odd",)),
            ),
        ),
    ),
    login=True,
    place="gateway.yaml:7:3",
)


@dataclass(slots=True)
class Clock:
    """A clock that stands still until it is moved."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Certificate:
    """PEM texts of one SPIFFE identity."""

    certificate: bytes
    key: bytes


class Authority:
    """A little workload authority."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        self._validity = starting(dt.datetime.now(dt.UTC), SVID_LIFETIME)
        self._root = Issuer(issue.root(key, "authority", 1, self._validity), key)
        self.bundle = issue.pem(self._root.certificate)

    def issue(self, uri: str) -> Certificate:
        key = ec.generate_private_key(ec.SECP256R1())
        request = Request(key.public_key(), x509.random_serial_number(), self._validity)
        leaf = issue.svid(self._root, request, uri, "localhost")
        return Certificate(issue.pem(leaf), issue.key_pem(key))


@dataclass(slots=True)
class Site:
    """Everything a test may want to touch."""

    stores: Stores
    accounts: Accounts
    sessions: Sessions
    keys: Keys
    site: SiteStore
    clock: Clock
    authority: Authority
    folder: Path
    bound: Bound = field(default=Bound(0, 0))
    policy: str = RECORD.hash

    def tls(self, who: Certificate | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.bundle.decode())
        if who is not None:
            context.load_cert_chain(*files(self.folder, who))
        return context

    def browser(self) -> Browser:
        gateway = self.authority.issue(GATEWAY)
        client = httpx.AsyncClient(
            verify=self.tls(gateway), base_url=f"https://localhost:{self.bound.http}"
        )
        return Browser(self, client)

    def channel(self, uri: str = GATEWAY) -> grpc.aio.Channel:
        who = self.authority.issue(uri)
        credentials = grpc.ssl_channel_credentials(self.authority.bundle, who.key, who.certificate)
        return grpc.aio.secure_channel(f"localhost:{self.bound.authz}", credentials)


def files(folder: Path, who: Certificate) -> tuple[str, str]:
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(who.certificate)
    key.write_bytes(who.key)
    return str(certificate), str(key)


@dataclass(slots=True)
class Browser:
    """A browser with cookies by host, behind a gateway."""

    site: Site
    client: httpx.AsyncClient
    jar: dict[str, dict[str, str]] = field(default_factory=dict)

    async def get(self, host: str, path: str, **headers: str) -> httpx.Response:
        return await self.send("GET", host, path, headers=headers)

    async def post(
        self, host: str, path: str, form: dict[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        sent = {"origin": f"https://{host}:8443", **headers}
        return await self.send("POST", host, path, headers=sent, data=form)

    async def send(self, method: str, host: str, path: str, **rest: object) -> httpx.Response:
        headers = {
            "host": host,
            "cookie": self.cookie_header(host),
            "x-forwarded-for": "203.0.113.9",
            **{k.replace("_", "-"): v for k, v in dict(rest.pop("headers", {})).items()},  # type: ignore[call-overload]
        }
        answer = await self.client.request(method, path, headers=headers, **rest)  # type: ignore[arg-type]
        self.keep(host, answer.headers.get_list("set-cookie"))
        return answer

    def cookie_header(self, host: str) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.jar.get(host, {}).items())

    def keep(self, host: str, lines: list[str]) -> None:
        jar = self.jar.setdefault(host, {})
        for line in lines:
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(attributes)
            if "Max-Age=0" in attributes:
                jar.pop(name, None)
            else:
                jar[name] = value

    async def form(self, to: str = f"{APP_ORIGIN}/", start: str = START) -> httpx.Response:
        """The stranger's way: the gateway has set the start cookie and sent us to sign in."""
        self.jar.setdefault(APP, {})[START_COOKIE_PREFIX + start] = "1"
        return await self.get(SIGN_IN, f"/sign-in?start={start}&to={to}")

    async def submit(
        self, page: httpx.Response, name: str = "editor", password: str = RIGHT, **headers: str
    ) -> httpx.Response:
        form = {"state": state_of(page), "username": name, "password": password}
        return await self.post(SIGN_IN, "/sign-in", form, **headers)

    async def follow(self, answer: httpx.Response) -> httpx.Response:
        url = httpx.URL(answer.headers["location"])
        return await self.get(url.host, url.raw_path.decode())

    async def sign_in(self, name: str = "editor", to: str = f"{APP_ORIGIN}/") -> httpx.Response:
        return await self.follow(await self.submit(await self.form(to), name))

    def claims(self, host: str = APP) -> dict[str, object]:
        return claims_of(self.site, self.jar[host][SESSION_COOKIE])

    def ask(self, *, expired: bool = True, host: str = APP, **headers: str) -> auth.CheckRequest:
        """What a gateway asks when the shadow rules denied this browser's request."""
        request = auth.CheckRequest()
        request.attributes.source.address.socket_address.address = "203.0.113.9"
        http = request.attributes.request.http
        http.id, http.method = START, headers.pop("method", "GET")
        http.host, http.path = host, headers.pop("path", "/page?x=1")
        http.headers["cookie"] = self.cookie_header(host)
        for header, value in headers.items():
            http.headers[header.replace("_", "-")] = value
        request.attributes.context_extensions["policy"] = self.site.policy
        token = self.jar.get(host, {}).get(SESSION_COOKIE)
        if token:
            known = request.attributes.metadata_context.filter_metadata[JWT_METADATA]
            known.get_or_create_struct("stale").update(claims_of(self.site, token))
            if not expired:
                known.get_or_create_struct("session").update(claims_of(self.site, token))
        return request


def state_of(page: httpx.Response) -> str:
    found = re.search(r'name="state" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


def claims_of(site: Site, token: str) -> dict[str, object]:
    claims = verified(token, site.keys.published(), "ostiary")
    assert claims is not None
    return claims


NAVIGATION = {"sec_fetch_mode": "navigate", "accept": "text/html"}
PROGRAM = {"sec_fetch_mode": "cors", "accept": "application/json"}


def cookies_of(answer: auth.CheckResponse) -> list[str]:
    added = [*answer.ok_response.response_headers_to_add, *answer.denied_response.headers]
    return [one.header.value for one in added if one.header.key == "set-cookie"]


def header_of(answer: auth.CheckResponse, name: str) -> str | None:
    added = [*answer.ok_response.headers, *answer.denied_response.headers]
    return next((one.header.value for one in added if one.header.key == name), None)


def directory(group_set: str = "gv1", groups: frozenset[str] = frozenset({"editors"})) -> Directory:
    lifetimes = Lifetimes(token=60, idle=8 * 3600, absolute=12 * 3600)
    return Directory(
        places=(
            Place(APP, 8443, SIGN_IN, (SERVICE,)),
            Place(OTHER, 8443, SIGN_IN, (SERVICE,)),
            Place("*.apps.localhost", 8443, SIGN_IN, (SERVICE,)),
        ),
        sign_in=(SignInHost(SIGN_IN, SIGN_IN_ORIGIN, lifetimes, groups, group_set, ("local",)),),
    )


@contextlib.asynccontextmanager
async def running(stored: Site) -> AsyncIterator[None]:
    """`login` answers at `stored.bound` inside."""
    who = stored.authority.issue(LOGIN)
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cadata=stored.authority.bundle.decode()
    )
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(*files(stored.folder, who))
    credentials = grpc.ssl_server_credentials(
        [(who.key, who.certificate)], stored.authority.bundle, require_client_auth=True
    )
    ready: asyncio.Future[Bound] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        run_login(
            Listen("127.0.0.1", 0, 0, context, credentials, TRUST),
            stored.stores,
            issuer="ostiary",
            clock=stored.clock,
            on_ready=ready.set_result,
            hasher=CHEAP,
        )
    )
    await asyncio.wait({ready, task}, return_when=asyncio.FIRST_COMPLETED)
    stored.bound = ready.result() if ready.done() else task.result()  # type: ignore[func-returns-value]
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
