"""`decide` against a real Envoy: on generated policies and requests they never differ.

Each example is one Envoy with many policies, each a host of its own, and the same requests to all
of them. Claims come from really signed tokens, verified by Envoy's own filter or by the guard; a
score comes from a header of the test's own. The path that `decide` judges is the one that Envoy
says it saw, so that odd paths test the rules and not a second normaliser.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import guard_library
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from identity_rig import GROUP_SET, ISSUER, SIGN_IN, envoy, fold, free_port, static_listener
from joserfc import jwt as tokens
from joserfc.jwk import ECKey
from policies import Batch, Credential, Policy, Request, batches

from ostiary.features import access, sessions
from ostiary.features import guard as guards
from ostiary.features.fragment import Filter, ListenerSite, Site, Stage
from ostiary.names import local
from ostiary.policy.decide import decide
from ostiary.policy.rules import LEAST_RISK, Allow
from ostiary.protos import pack
from ostiary.protos.messages import accesslog, bootstrap, core, hcm, route, router, wkt
from ostiary.protos.pool import enum, message_class
from ostiary.wire import (
    RISK_KEY,
    SESSION_AUDIENCE,
    SESSION_COOKIE,
    SESSION_TYPE,
    TRUST_METADATA,
)

pytestmark = pytest.mark.envoy

EXAMPLES = 7
SIZE = 40
SAW = "x-saw-path"
SCORE = "x-test-score"
KEY = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
FORGER = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})


FULLY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,  # a failure then prints its seed, and no run depends on another
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@FULLY
@given(batch=batches(SIZE))
def test_envoy_and_decide_never_differ(batch: Batch) -> None:
    never_differ(batch, guard=False)


@FULLY
@given(batch=batches(SIZE))
def test_envoy_with_the_guard_and_decide_never_differ(batch: Batch) -> None:
    guard_library.needed()
    never_differ(batch, guard=True)


def never_differ(batch: Batch, *, guard: bool) -> None:
    """Every request of `batch` passes or is refused as `decide` says."""
    outcomes: Counter[bool] = Counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder), batch.policies, guard=guard) as client,
    ):
        for number, policy in enumerate(batch.policies):
            for request in batch.requests:
                passed, path = client.ask(number, policy, request)
                if path is None:
                    continue
                inputs = request.inputs(path)
                if not policy.login:
                    inputs = replace(inputs, identity=None)
                if guard and inputs.risk is None:
                    # The guard always says one: that of whom no verdict scores.
                    inputs = replace(inputs, risk=LEAST_RISK)
                meant = decide(policy.levels, inputs)
                outcomes[passed] += 1
                if passed != isinstance(meant, Allow):
                    did = "passed" if passed else "refused"
                    raise AssertionError(
                        f"Envoy {did} it, decide says {meant}\n{policy}\n{request}\nseen {path}"
                    )
    assert outcomes.total() > SIZE * SIZE // 2


class Client:
    """One connection to the Envoy under test."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        self._tokens: dict[tuple[Credential, str], str] = {}

    def ask(self, number: int, policy: Policy, request: Request) -> tuple[bool, str | None]:
        """Whether the request passed, and the path Envoy saw (None: it refused the path itself)."""
        host = _host(number, policy).replace("*", "here")
        headers = {"host": host}
        if request.credential is not None:
            token = self._token(request.credential, host)
            headers["cookie"] = f"{SESSION_COOKIE}={token}"
        if request.risk is not None:
            headers[SCORE] = str(request.risk)
        self._connection.request(request.method, request.path, headers=headers)
        got = self._connection.getresponse()
        got.read()
        assert got.status in {200, 403, 400}, (got.status, request, policy)
        return got.status == 200, got.headers.get(SAW) if got.status != 400 else None

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _token(self, credential: Credential, host: str) -> str:
        if (credential, host) not in self._tokens:
            self._tokens[credential, host] = _token(credential, host)
        return self._tokens[credential, host]


@contextlib.contextmanager
def serving(folder: Path, batch: Sequence[Policy], *, guard: bool) -> Iterator[Client]:
    """An Envoy that answers 200 wherever a policy of `batch` lets it."""
    facts = ListenerSite(
        issuer=ISSUER,
        jwks=json.dumps({"keys": [KEY.as_dict(private=False)]}),
        authz_cluster="none",
        port=443,
        sign_in=SIGN_IN,
        token_lifetime=60,
        absolute_lifetime=600,
        offline_grace=0,
        guard=guard,
    )
    slots = [*sessions.slots(facts), *guards.slots(facts), *access.slots(facts)]
    filters = sorted(slots, key=lambda f: f.stage)
    before = [one for one in filters if one.stage < Stage.MAY]
    after = [one for one in filters if one.stage >= Stage.MAY]
    saw = core.HeaderValueOption(header=core.HeaderValue(key=SAW, value="%REQ(:PATH)%"))
    always = accesslog.AccessLogFilter(
        header_filter=accesslog.HeaderFilter(
            header=route.HeaderMatcher(name=":path", present_match=True)
        )
    )
    manager = hcm.HttpConnectionManager(
        stat_prefix="meaning",
        normalize_path=wkt.BoolValue(value=True),
        merge_slashes=True,
        local_reply_config=hcm.LocalReplyConfig(
            mappers=[hcm.ResponseMapper(filter=always, headers_to_add=[saw])]
        ),
        route_config=route.RouteConfiguration(
            name="routes",
            virtual_hosts=[_virtual_host(n, policy, guard=guard) for n, policy in enumerate(batch)],
            response_headers_to_add=[saw],
        ),
        http_filters=[
            *map(_off, before),
            _scored(),
            *map(_off, after),
            hcm.HttpFilter(name="router", typed_config=pack(router.Router())),
        ],
    )
    port = free_port()
    resources = bootstrap.Bootstrap.StaticResources(listeners=[static_listener(port, manager)])
    with envoy(folder, bootstrap.Bootstrap(static_resources=resources), port):
        client = Client(port)
        try:
            yield client
        finally:
            client.close()


def _host(number: int, policy: Policy) -> str:
    return f"*.p{number}.test" if policy.wildcard else f"p{number}.test"


def _off(one: Filter) -> Any:
    return hcm.HttpFilter(name=one.name, typed_config=pack(one.config), disabled=True)


def _scored() -> Any:
    """The score of a request is what its header says: where the guard would write it."""
    filters = "envoy.extensions.filters.http.header_to_metadata.v3.Config"
    config: Any = message_class(filters)()
    rule = config.request_rules.add(header=SCORE)
    rule.on_header_present.metadata_namespace = TRUST_METADATA
    rule.on_header_present.key = RISK_KEY
    rule.on_header_present.type = enum(f"{filters}.ValueType").Value("NUMBER")
    return hcm.HttpFilter(name="scored", typed_config=pack(config))


def _virtual_host(number: int, policy: Policy, *, guard: bool) -> Any:
    host = _host(number, policy)
    site = Site(
        route=local("r"),
        host=host,
        origin=f"https://{host}",
        levels=policy.levels,
        policy="hash",
        sign_in=SIGN_IN if policy.login else None,
        guard=guard,
    )
    parts = [feature.fragment(site) for feature in (sessions, guards, access)]
    made = fold(site, parts, route.RouteMatch(prefix="/"), "")
    made.direct_response.status = 200
    return route.VirtualHost(name=host, domains=[host], routes=[made])


def _token(credential: Credential, host: str) -> str:
    now = int(time.time())
    over = credential.flaw == "expired"
    claims = {
        "iss": ISSUER,
        "aud": SESSION_AUDIENCE,
        "sub": credential.subject,
        "email": credential.email,
        "groups": None if credential.groups is None else list(credential.groups),
        "host": host if credential.flaw != "host" else f"other-{host}",
        "gv": GROUP_SET if credential.current else "older",
        "iat": now - 90 if over else now,
        "exp": now - 30 if over else now + 50,
    }
    present = {name: value for name, value in claims.items() if value is not None}
    key = FORGER if credential.flaw == "forged" else KEY
    return str(tokens.encode({"alg": "ES256", "kid": "k1", "typ": SESSION_TYPE}, present, key))
