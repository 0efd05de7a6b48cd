"""Traps of DESIGN section 4 that the rules avoid, shown on the pinned Envoy itself.

If one of these fails after an upgrade, Envoy has changed: read the trap again before relying on it.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import pytest
from identity_rig import envoy, free_port, static_listener

from ostiary.policy.rules import Effect, Level, Rule
from ostiary.policy.to_rbac import to_rbac
from ostiary.protos import pack
from ostiary.protos.messages import (
    accesslog,
    bootstrap,
    cel,
    core,
    hcm,
    rbac,
    rbac_filter,
    route,
    router,
)
from ostiary.protos.pool import message_class

pytestmark = pytest.mark.envoy

ANY = {"permissions": [rbac.Permission(any=True)], "principals": [rbac.Principal(any=True)]}
DENY, ALLOW = rbac.RBAC.Action.DENY, rbac.RBAC.Action.ALLOW
DETAILS = "x-details"


def _header_is(name: str, value: str) -> Any:
    """The parsed form of `request.headers[name] == value`."""
    request = cel.Expr(id=1, ident_expr=cel.Expr.Ident(name="request"))
    headers = cel.Expr(id=2, select_expr=cel.Expr.Select(operand=request, field="headers"))
    key = cel.Expr(id=3, const_expr=cel.Constant(string_value=name))
    wanted = cel.Expr(id=4, const_expr=cel.Constant(string_value=value))
    index = cel.Expr(id=5, call_expr=cel.Expr.Call(function="_[_]", args=[headers, key]))
    return cel.Expr(id=6, call_expr=cel.Expr.Call(function="_==_", args=[index, wanted]))


def _revoked_by_metadata() -> Any:
    """A DENY list by `exact_match_map` on the metadata `trap.who`, which holds `bob`."""
    matcher = message_class("xds.type.matcher.v3.Matcher")
    reader = message_class(
        "envoy.extensions.matching.common_inputs.network.v3.DynamicMetadataInput"
    )
    act = message_class("envoy.config.rbac.v3.Action")
    typed = message_class("xds.core.v3.TypedExtensionConfig")

    def on_match(name: str, action: int) -> Any:
        config = typed(name="action", typed_config=pack(act(name=name, action=action)))  # type: ignore[call-arg]
        return {"action": config}

    who = reader(filter="trap", path=[{"key": "who"}])  # type: ignore[call-arg]
    tree = {
        "input": typed(name="who", typed_config=pack(who)),  # type: ignore[call-arg]
        "exact_match_map": {"map": {"bob": on_match("revoked", DENY)}},
    }
    rules = matcher(matcher_tree=tree, on_no_match=on_match("rest", ALLOW))  # type: ignore[call-arg]
    return rbac_filter.RBAC(matcher=rules)


def _policies(action: int, **policies: Any) -> Any:
    return rbac_filter.RBAC(rules=rbac.RBAC(action=action, policies=policies))


def _cases() -> dict[str, Any]:
    blocked = _header_is("x-blocked", "yes")
    checked = cel.CheckedExpr(expr=blocked)
    post = Level("route r", (Rule("post", Effect.ALLOW, public=True, methods=("POST",)),))
    return {
        "metadata-map": _revoked_by_metadata(),
        "checked": _policies(ALLOW, p=rbac.Policy(checked_condition=checked, **ANY)),
        "cel-deny": _policies(DENY, p=rbac.Policy(condition=blocked, **ANY)),
        "cel-allow": _policies(ALLOW, p=rbac.Policy(condition=blocked, **ANY)),
        "compiled": rbac_filter.RBAC(rules=to_rbac([post], None)),
        "named-deny": _policies(DENY, mine=rbac.Policy(**ANY)),
    }


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    hosts = []
    for name, rules in _cases().items():
        one = route.Route(match=route.RouteMatch(prefix="/"))
        one.direct_response.status = 200
        per_route = rbac_filter.RBACPerRoute(rbac=rules)
        one.typed_per_filter_config["rbac"].CopyFrom(pack(per_route))
        hosts.append(route.VirtualHost(name=name, domains=[f"{name}.test"], routes=[one]))
    metadata = message_class("envoy.extensions.filters.http.set_metadata.v3.Config")
    bob = metadata(metadata=[{"metadata_namespace": "trap", "value": {"who": "bob"}}])  # type: ignore[call-arg]
    always = accesslog.HeaderFilter(header=route.HeaderMatcher(name=":path", present_match=True))
    details = core.HeaderValue(key=DETAILS, value="%RESPONSE_CODE_DETAILS%")
    mapper = hcm.ResponseMapper(
        filter=accesslog.AccessLogFilter(header_filter=always),
        headers_to_add=[core.HeaderValueOption(header=details)],
    )
    manager = hcm.HttpConnectionManager(
        stat_prefix="traps",
        route_config=route.RouteConfiguration(name="routes", virtual_hosts=hosts),
        local_reply_config=hcm.LocalReplyConfig(mappers=[mapper]),
        http_filters=[
            hcm.HttpFilter(name="metadata", typed_config=pack(bob)),
            hcm.HttpFilter(name="rbac", typed_config=pack(rbac_filter.RBAC())),
            hcm.HttpFilter(name="router", typed_config=pack(router.Router())),
        ],
    )
    number = free_port()
    resources = bootstrap.Bootstrap.StaticResources(listeners=[static_listener(number, manager)])
    with envoy(
        tmp_path_factory.mktemp("traps"), bootstrap.Bootstrap(static_resources=resources), number
    ):
        yield number


def _get(port: int, name: str, **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/", headers={"host": f"{name}.test", **headers})
        got = connection.getresponse()
        got.read()
        return got.status, got.headers.get(DETAILS, "")
    finally:
        connection.close()


def test_trap_1_a_map_on_dynamic_metadata_never_matches_and_fails_open(port: int) -> None:
    """So our rules read metadata through `sourced_metadata` only."""
    assert _get(port, "metadata-map")[0] == 200


def test_trap_2_a_checked_condition_is_ignored(port: int) -> None:
    """So our only CEL condition is a parsed `condition`."""
    assert _get(port, "checked")[0] == 200


def test_trap_2_a_cel_deny_on_an_absent_header_fails_open_and_an_allow_shut(port: int) -> None:
    """So our only CEL condition stands in an ALLOW."""
    assert _get(port, "cel-deny")[0] == 200
    assert _get(port, "cel-deny", **{"x-blocked": "yes"})[0] == 403
    assert _get(port, "cel-allow")[0] == 403
    assert _get(port, "cel-allow", **{"x-blocked": "yes"})[0] == 200


def test_trap_4_an_allow_that_did_not_match_names_no_rule_but_a_deny_does(port: int) -> None:
    """So `decide` explains refusals, and the gate and the cross-site check are DENYs."""
    assert _get(port, "compiled") == (403, "rbac_access_denied_matched_policy[none]")
    assert _get(port, "named-deny") == (403, "rbac_access_denied_matched_policy[mine]")
