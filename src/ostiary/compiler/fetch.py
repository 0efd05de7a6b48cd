"""Where Envoy fetches what: the one ADS stream, or the files that the proxy agent writes."""

from __future__ import annotations

from google.protobuf.message import Message

from ostiary.compiler.world import BUNDLE_SECRET, SDS_FOLDER, SVID_SECRET
from ostiary.protos import pack
from ostiary.protos.messages import core, tls, wkt


def seconds(value: float) -> wkt.Duration:
    """A duration of `value` seconds."""
    nanos = round(value * 1e9)
    return wkt.Duration(seconds=nanos // 1_000_000_000, nanos=nanos % 1_000_000_000)


def ads(first_fetch: float | None = None) -> core.ConfigSource:
    """Over the aggregated stream; waits `first_fetch` seconds at most (Envoy's default: 15)."""
    return core.ConfigSource(
        ads=core.AggregatedConfigSource(),
        resource_api_version=core.ApiVersion.V3,
        initial_fetch_timeout=None if first_fetch is None else seconds(first_fetch),
    )


def ads_secret(name: str) -> tls.SdsSecretConfig:
    """A secret of the control plane."""
    return tls.SdsSecretConfig(name=name, sds_config=ads())


def file_secret(name: str) -> tls.SdsSecretConfig:
    """A secret that the proxy's own agent keeps fresh in a file, relative to Envoy's folder."""
    source = core.PathConfigSource(path=f"{SDS_FOLDER}/{name}.json")
    config = core.ConfigSource(path_config_source=source, resource_api_version=core.ApiVersion.V3)
    return tls.SdsSecretConfig(name=name, sds_config=config)


def svid() -> tls.SdsSecretConfig:
    """The proxy's own SPIFFE certificate."""
    return file_secret(SVID_SECRET)


def bundle() -> tls.SdsSecretConfig:
    """The roots of our workload authority."""
    return file_secret(BUNDLE_SECRET)


def transport_socket(context: Message) -> core.TransportSocket:
    """TLS with this context."""
    return core.TransportSocket(name="envoy.transport_sockets.tls", typed_config=pack(context))
