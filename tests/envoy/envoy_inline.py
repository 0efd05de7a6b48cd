"""A compiled view as one static bootstrap, for `--mode validate`: nothing is fetched.

Scopes become the route table of their listener, filter slots their configs, endpoints stand in
their clusters, secrets in the bootstrap; the rest is byte for byte what the compiler made.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from compiled_site import tls_secret, trust
from envoy_process import change_each, validate
from google.protobuf.message import Message
from xds_certificates import Authority

from ostiary.compiler.bootstrap import bootstrap
from ostiary.compiler.lint import lint, message_of
from ostiary.compiler.resources import CLUSTER, ENDPOINTS, FILTER, LISTENER, SCOPE, View
from ostiary.protos.messages import bootstrap as messages
from ostiary.protos.messages import cluster, core, hcm, route, tls


def verdict(view: View, folder: Path) -> str:
    """Empty when the linter and Envoy find `view` sound, else Envoy's own words."""
    lint(view)
    trust(folder, Authority(), view.proxy)
    return validate(inlined(view), folder)


def inlined(view: View) -> messages.Bootstrap:
    """`view` as a bootstrap that needs no control plane."""
    made = bootstrap(view.proxy, "test", "control.sock", "admin.sock")
    made.ClearField("dynamic_resources")
    pair = Authority().issue(name="site")
    made.static_resources.secrets.extend(tls_secret(name, pair) for name in view.secrets)
    for one in view.resources.get(CLUSTER, {}).values():
        found = cast("cluster.Cluster", message_of(one))
        assignment = view.resources.get(ENDPOINTS, {}).get(one.name)
        if assignment is not None:
            found.ClearField("eds_cluster_config")
            found.type = cluster.Cluster.STATIC
            found.load_assignment.ParseFromString(assignment.body)
        made.static_resources.clusters.append(found)
    for one in view.resources[LISTENER].values():
        message = message_of(one)
        change_each(message, lambda inner: _inline(inner, view))
        made.static_resources.listeners.append(message)  # type: ignore[arg-type]
    return made


def _inline(message: Message, view: View) -> None:
    kind = message.DESCRIPTOR.name
    if kind == "HttpConnectionManager":
        manager = cast("hcm.HttpConnectionManager", message)
        if manager.HasField("scoped_routes"):
            manager.route_config.CopyFrom(_all_routes(view, manager.stat_prefix))
    if kind == "HttpFilter":
        one = cast("hcm.HttpFilter", message)
        if one.HasField("config_discovery"):
            filled = core.TypedExtensionConfig()
            filled.ParseFromString(view.resources[FILTER][one.name].body)
            one.typed_config.CopyFrom(filled.typed_config)
    if kind == "SdsSecretConfig":
        secret = cast("tls.SdsSecretConfig", message)
        if secret.sds_config.HasField("ads"):
            secret.ClearField("sds_config")


def _all_routes(view: View, listener: str) -> route.RouteConfiguration:
    whole = route.RouteConfiguration(name=listener)
    for name, one in view.resources.get(SCOPE, {}).items():
        if name.startswith(f"{listener}|"):
            scope = cast("route.ScopedRouteConfiguration", message_of(one))
            hosts = [*whole.virtual_hosts, *scope.route_configuration.virtual_hosts]
            whole.CopyFrom(scope.route_configuration)
            whole.ClearField("virtual_hosts")
            whole.virtual_hosts.extend(hosts)
    return whole
