"""Envoy's packages under short names: `from ostiary.protos.messages import core, route`.

`core.Address` is `envoy.config.core.v3.Address`. Classes are made on first use. For type checkers
`python -m ostiary.protos.stubs` writes `messages.pyi` beside this file (`make check` does).
"""

from __future__ import annotations

from typing import Any, Final

from ostiary.protos.pool import enum, message_class

PACKAGES: Final = {
    "accesslog": "envoy.config.accesslog.v3",
    "als_filter": "envoy.extensions.access_loggers.grpc.v3",
    "auth": "envoy.service.auth.v3",
    "bootstrap": "envoy.config.bootstrap.v3",
    "buffer": "envoy.extensions.filters.http.buffer.v3",
    "cel": "google.api.expr.v1alpha1",
    "cel_filter": "envoy.extensions.access_loggers.filters.cel.v3",
    "cluster": "envoy.config.cluster.v3",
    "core": "envoy.config.core.v3",
    "composite": "envoy.extensions.filters.http.composite.v3",
    "cors": "envoy.extensions.filters.http.cors.v3",
    "discovery": "envoy.service.discovery.v3",
    "early_module": "envoy.extensions.http.early_header_mutation.dynamic_modules.v3",
    "early_mutation": "envoy.extensions.http.early_header_mutation.header_mutation.v3",
    "endpoint": "envoy.config.endpoint.v3",
    "downstream_connections": "envoy.extensions.resource_monitors.downstream_connections.v3",
    "ext_authz": "envoy.extensions.filters.http.ext_authz.v3",
    "file_log": "envoy.extensions.access_loggers.file.v3",
    "formatter_cel": "envoy.extensions.formatter.cel.v3",
    "hcm": "envoy.extensions.filters.network.http_connection_manager.v3",
    "header_mutation": "envoy.extensions.filters.http.header_mutation.v3",
    "jwt": "envoy.extensions.filters.http.jwt_authn.v3",
    "listener": "envoy.config.listener.v3",
    "local_ratelimit": "envoy.extensions.filters.http.local_ratelimit.v3",
    "lua": "envoy.extensions.filters.http.lua.v3",
    "matcher": "envoy.type.matcher.v3",
    "matching": "envoy.extensions.common.matching.v3",
    "metadata_type": "envoy.type.metadata.v3",
    "metadata_match": "envoy.extensions.matching.input_matchers.metadata.v3",
    "metrics": "envoy.config.metrics.v3",
    "module": "envoy.extensions.dynamic_modules.v3",
    "module_filter": "envoy.extensions.filters.http.dynamic_modules.v3",
    "module_network": "envoy.extensions.filters.network.dynamic_modules.v3",
    "mutation_rules": "envoy.config.common.mutation_rules.v3",
    "network_inputs": "envoy.extensions.matching.common_inputs.network.v3",
    "otlp": "opentelemetry.proto.common.v1",
    "otlp_filter": "envoy.extensions.access_loggers.open_telemetry.v3",
    "otlp_logs": "opentelemetry.proto.logs.v1",
    "otlp_resource": "opentelemetry.proto.resource.v1",
    "otlp_service": "opentelemetry.proto.collector.logs.v1",
    "overload": "envoy.config.overload.v3",
    "path_uri_template": "envoy.extensions.path.match.uri_template.v3",
    "ratelimit": "envoy.extensions.common.ratelimit.v3",
    "rbac": "envoy.config.rbac.v3",
    "rbac_filter": "envoy.extensions.filters.http.rbac.v3",
    "req_without_query": "envoy.extensions.formatter.req_without_query.v3",
    "request_id": "envoy.extensions.request_id.uuid.v3",
    "route": "envoy.config.route.v3",
    "router": "envoy.extensions.filters.http.router.v3",
    "rpc": "google.rpc",
    "skip_filter": "envoy.extensions.filters.common.matcher.action.v3",
    "status": "envoy.service.status.v3",
    "tls": "envoy.extensions.transport_sockets.tls.v3",
    "tls_inspector": "envoy.extensions.filters.listener.tls_inspector.v3",
    "types": "envoy.type.v3",
    "upstreams_http": "envoy.extensions.upstreams.http.v3",
    "wkt": "google.protobuf",
    "xds_core": "xds.core.v3",
    "xds_matcher": "xds.type.matcher.v3",
}


class Package:
    """One protobuf package: attributes are its message classes and enums."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __getattr__(self, name: str) -> Any:
        full = f"{self._package}.{name}"
        try:
            found: Any = message_class(full)
        except KeyError:
            try:
                found = enum(full)
            except KeyError:
                raise AttributeError(f"this Envoy has no {full}") from None
        setattr(self, name, found)
        return found


_packages = {short: Package(full) for short, full in PACKAGES.items()}


def __getattr__(name: str) -> Any:
    try:
        return _packages[name]
    except KeyError:
        raise AttributeError(f"no short name {name}; see PACKAGES") from None
