"""Who asks, as the guard reads it in a real Envoy: tokens of ours, not what only looks so."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from guard_clients import Plain, close_all
from guard_rig import COOKIE, KEY, MINI, Rig, fresh_user, rig, session, signed
from joserfc.jwk import ECKey

pytestmark = pytest.mark.envoy
_paths = iter(range(1_000_000))


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One Envoy for all."""
    with rig(tmp_path_factory.mktemp("credentials")) as made:
        yield made


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close_all()


def claims(guard: Rig, *headers: str, listener: str = "edge", token: str = "") -> object:
    """What the rules would read of one request."""
    path = f"/echo?{next(_paths)}"
    Plain(guard.ports[listener], token=token).ask(path, *headers).answer()
    return guard.logged(path)["claims"]


def test_a_session_is_read_and_its_cookie_goes_no_further(guard: Rig) -> None:
    user = fresh_user()
    client = Plain(guard.ports["edge"], token=session(user)).ask("/echo?mine").answer()
    said = dict(json.loads(client.body)["headers"])
    assert said["cookie"] == "a=1; b=2"
    assert said["x-ostiary-assertion"] == f"assertion-of-{user}"
    assert client.raw.lower().count(b"set-cookie: ") == 1
    found = guard.logged("/echo?mine")["claims"]
    assert found["session"]["sub"] == user


def test_a_session_that_is_over_is_stale(guard: Rig) -> None:
    token = session(fresh_user(), exp=int(time.time()) - 60)
    found = claims(guard, token=token)
    assert isinstance(found, dict)
    assert set(found) == {"stale"}


def test_nothing_else_is_a_session(guard: Rig) -> None:
    now, other = int(time.time()), ECKey.generate_key("P-256", {"kid": "k1"})
    whole = {"aud": "ostiary:session", "sub": "x", "sid": "s", "exp": now + 60, "iat": now}
    typ = "ostiary-session+jwt"
    for token in (
        signed(typ, whole, other),
        signed("ostiary-handover+jwt", whole),
        signed(typ, whole | {"aud": "ostiary:handover"}),
        signed(typ, whole | {"iss": "https://evil.test"}),
        signed(typ, whole | {"exp": now + 86_400}),
        signed(typ, {name: value for name, value in whole.items() if name != "exp"}),
        signed(typ, whole)[:-2],
        "x" * 9000,
        "..",
    ):
        assert not claims(guard, token=token), token


def test_two_sessions_in_one_request_are_refused(guard: Rig) -> None:
    token = session(fresh_user())
    client = Plain(guard.ports["edge"], token=token)
    client.ask("/echo?twice", f"Cookie: {COOKIE}={token}").head()
    assert client.status == 400
    assert guard.logged("/echo?twice")["details"] == "ostiary.cookies_twice"


def test_what_login_hands_over_is_who_asks(guard: Rig) -> None:
    now, user = int(time.time()), fresh_user()
    said = {"aud": "ostiary:handover", "sub": user, "sid": "s", "exp": now + 20, "iat": now}
    token = signed("ostiary-handover+jwt", said, KEY)
    found = claims(guard, f"x-ostiary-handover: {token}", token=session("before"))
    assert isinstance(found, dict)
    assert found["session"]["sub"] == user


def test_an_assertion_is_for_one_gateway(guard: Rig) -> None:
    now, user = int(time.time()), fresh_user()
    said = {"sub": user, "sid": "s", "exp": now + 60, "iat": now}
    typ = "ostiary-assertion+jwt"
    good, bad = (signed(typ, said | {"aud": aud}) for aud in (MINI, f"{MINI}/other"))
    found = claims(guard, f"x-ostiary-assertion: {good}", listener="mini")
    assert isinstance(found, dict)
    assert found["assertion"]["sub"] == user
    assert not claims(guard, f"x-ostiary-assertion: {bad}", listener="mini")
