"""Small resources for the xds tests: clusters, scopes, a listener with one filter slot, views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ostiary.compiler.resources import (
    CLUSTER,
    ENDPOINTS,
    FILTER,
    LISTENER,
    SCOPE,
    Resource,
    Snapshot,
    View,
    resource,
)
from ostiary.errors import Place
from ostiary.protos import pack
from ostiary.protos.messages import (
    cluster,
    core,
    endpoint,
    hcm,
    listener,
    rbac_filter,
    route,
    router,
    wkt,
)

EDGE = "spiffe://test/edge"
ADS = core.ConfigSource(ads=core.AggregatedConfigSource(), resource_api_version=core.ApiVersion.V3)
SLOT = "slot"


def an_endpoint(name: str, port: int) -> Resource:
    where = core.Address(socket_address=core.SocketAddress(address="127.0.0.1", port_value=port))
    one = endpoint.LbEndpoint(endpoint=endpoint.Endpoint(address=where))
    group = endpoint.LocalityLbEndpoints(lb_endpoints=[one])
    return resource(
        ENDPOINTS, name, endpoint.ClusterLoadAssignment(cluster_name=name, endpoints=[group])
    )


def a_cluster(
    name: str, *, connect_seconds: int = 2, endpoints: core.ConfigSource | None = None
) -> Resource:
    made = cluster.Cluster(
        name=name,
        type=cluster.Cluster.DiscoveryType.EDS,
        eds_cluster_config=cluster.Cluster.EdsClusterConfig(eds_config=endpoints or ADS),
        connect_timeout=wkt.Duration(seconds=connect_seconds),
    )
    return resource(CLUSTER, name, made, Place("site.yaml", 3))


def a_scope(
    name: str, to: str, *, key: str = "", header: str = "", faulty: bool = False
) -> Resource:
    """Requests with `x-scope: <key>` go to cluster `to`; `faulty` makes Envoy refuse it."""
    one = route.Route(
        match=route.RouteMatch(prefix="/"),
        route=route.RouteAction(cluster=to),
    )
    if faulty:
        # Passes the field rules and fails in the route's constructor: no such regex.
        one.match.safe_regex.regex = "("
    if header:
        one.response_headers_to_add.add(header=core.HeaderValue(key="x-edit", value=header))
    table = route.RouteConfiguration(
        name=name,
        virtual_hosts=[route.VirtualHost(name=name, domains=["*"], routes=[one])],
    )
    fragment = route.ScopedRouteConfiguration.Key.Fragment(string_key=key or name)
    made = route.ScopedRouteConfiguration(
        name=name,
        key=route.ScopedRouteConfiguration.Key(fragments=[fragment]),
        route_configuration=table,
    )
    return resource(SCOPE, name, made, Place("site.yaml", 7))


def a_scope_of(name: str, to: str, paths: Mapping[str, str]) -> Resource:
    """A scope with a prefix route for each path, which adds `x-edit: <value>` to answers."""
    routes = [
        route.Route(
            name=f"route {path}",
            match=route.RouteMatch(prefix=path),
            route=route.RouteAction(cluster=to),
            response_headers_to_add=[
                core.HeaderValueOption(header=core.HeaderValue(key="x-edit", value=value))
            ],
        )
        for path, value in paths.items()
    ]
    made = route.ScopedRouteConfiguration.FromString(a_scope(name, to).body)
    del made.route_configuration.virtual_hosts[0].routes[:]
    made.route_configuration.virtual_hosts[0].routes.extend(routes)
    return resource(SCOPE, name, made, Place("site.yaml", 7))


def a_filter(rules: rbac_filter.RBAC | None = None) -> Resource:
    made = core.TypedExtensionConfig(name=SLOT, typed_config=pack(rules or rbac_filter.RBAC()))
    return resource(FILTER, SLOT, made)


def a_listener(name: str = "http", *, transport: core.TransportSocket | None = None) -> Resource:
    builder = hcm.ScopedRoutes.ScopeKeyBuilder
    extractor = builder.FragmentBuilder.HeaderValueExtractor(name="x-scope", index=0)
    slot = hcm.HttpFilter(
        name=SLOT,
        config_discovery=core.ExtensionConfigSource(
            config_source=ADS,
            type_urls=["type.googleapis.com/" + rbac_filter.RBAC.DESCRIPTOR.full_name],
        ),
    )
    manager = hcm.HttpConnectionManager(
        stat_prefix=name,
        scoped_routes=hcm.ScopedRoutes(
            name="scopes",
            scope_key_builder=builder(
                fragments=[builder.FragmentBuilder(header_value_extractor=extractor)]
            ),
            rds_config_source=ADS,
            scoped_rds=hcm.ScopedRds(scoped_rds_config_source=ADS),
        ),
        http_filters=[slot, hcm.HttpFilter(name="router", typed_config=pack(router.Router()))],
    )
    chain = listener.FilterChain(
        filters=[listener.Filter(name="http", typed_config=pack(manager))],
        transport_socket=transport,
    )
    where = core.Address(socket_address=core.SocketAddress(address="127.0.0.1", port_value=0))
    made = listener.Listener(name=name, address=where, filter_chains=[chain])
    return resource(LISTENER, name, made, Place("site.yaml", 1))


def a_view(
    *resources: Resource, proxy: str = EDGE, secrets: Iterable[str] = (), bare: bool = False
) -> View:
    """A view of `resources`, the listener `http` and its slot."""
    by_type: dict[str, dict[str, Resource]] = {}
    for made in (*resources, *(() if bare else (a_listener(), a_filter()))):
        by_type.setdefault(made.type_url, {})[made.name] = made
    return View(proxy, by_type, frozenset(secrets))


def a_site(names: Mapping[str, int] | Iterable[str], port: int = 0) -> tuple[Resource, ...]:
    """For each name a scope, its cluster and an endpoint on its port."""
    ports = names if isinstance(names, Mapping) else dict.fromkeys(names, port)
    return tuple(
        made
        for name, to in ports.items()
        for made in (
            a_scope(name, f"svc/{name}"),
            a_cluster(f"svc/{name}"),
            an_endpoint(f"svc/{name}", to),
        )
    )


def revision(number: int | str, *views: View) -> Snapshot:
    return Snapshot(str(number), {view.proxy: view for view in views})
