"""Start a real Envoy on free ports, with configuration from files; end it by its own pid.

`validate()` asks Envoy whether a bootstrap is sound; `run()` starts one; `serve()` starts one on a
compiled view, every ADS source turned into a file below the folder, so that no control plane is
needed and a changed file is a pushed resource.
"""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message

from ostiary.compiler.bootstrap import bootstrap
from ostiary.compiler.lint import message_of
from ostiary.compiler.resources import (
    CLUSTER,
    ENDPOINTS,
    FILTER,
    LISTENER,
    SCOPE,
    SECRET,
    Resource,
    View,
)
from ostiary.protos.descriptors import envoy_binary
from ostiary.protos.messages import bootstrap as bootstrap_messages
from ostiary.protos.messages import cluster, core, discovery, tls, wkt
from ostiary.protos.pool import message_class, pack, pool

_ONE_FILE = {LISTENER: "lds.pb", CLUSTER: "cds.pb", SCOPE: "srds.pb"}
_FILE_EACH = {FILTER: "ecds", ENDPOINTS: "eds", SECRET: "secrets"}
_READY_WITHIN = 20.0


def free_port() -> int:
    """A TCP port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Envoy:
    """One running Envoy."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def log(self) -> str:
        """All it has written so far."""
        return (self.folder / "envoy.log").read_text(errors="replace")

    def admin(self, path: str) -> str:
        """What the admin interface answers to a GET of `path`."""
        with socket.socket(socket.AF_UNIX) as wire:
            wire.settimeout(5)
            wire.connect(str(self.folder / "admin.sock"))
            wire.sendall(f"GET {path} HTTP/1.1\r\nHost: admin\r\n\r\n".encode())
            answer = http.client.HTTPResponse(wire)
            answer.begin()
            return answer.read().decode()

    def wait_ready(self) -> None:
        """Returns when it takes requests; raises with its log when it does not."""
        end = time.monotonic() + _READY_WITHIN
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.admin("/ready").startswith("LIVE"):
                    return
            time.sleep(0.02)
        raise AssertionError(f"Envoy is not ready:\n{self.log[-4000:]}")

    def stop(self) -> None:
        """It is gone afterwards."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextlib.contextmanager
def run(
    config: bootstrap_messages.Bootstrap, folder: Path, *options: str, workers: int = 1
) -> Iterator[Envoy]:
    """A ready Envoy whose working directory is `folder`; gone when the block ends."""
    config.admin.address.pipe.path = str(folder / "admin.sock")
    source = folder / "bootstrap.pb"
    source.write_bytes(config.SerializeToString())
    command = [
        str(envoy_binary()),
        "-c",
        str(source),
        "--concurrency",
        str(workers),
        "--disable-hot-restart",
    ]
    with (folder / "envoy.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "-l", "warning", *options], cwd=folder, stdout=log, stderr=log
        )
    envoy = Envoy(process, folder)
    try:
        envoy.wait_ready()
        yield envoy
    finally:
        envoy.stop()


def validate(config: bootstrap_messages.Bootstrap, folder: Path) -> str:
    """Empty when Envoy finds `config` sound, else its own words."""
    source = folder / "validate.pb"
    source.write_bytes(config.SerializeToString())
    command = [str(envoy_binary()), "--mode", "validate", "-c", str(source), "-l", "error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    if done.returncode == 0:
        return ""
    return (done.stdout + done.stderr).decode(errors="replace")


def serve(
    view: View,
    folder: Path,
    *options: str,
    secrets: Sequence[tls.Secret] = (),
    clusters: Sequence[cluster.Cluster] = (),
) -> contextlib.AbstractContextManager[Envoy]:
    """A ready Envoy on `view`; `secrets` are those the control plane would send."""
    write(view, folder, secrets)
    made = bootstrap(view.proxy, "test", str(folder / "control.sock"), str(folder / "admin.sock"))
    made.dynamic_resources.ClearField("ads_config")
    made.static_resources.clusters[0].ClearField("transport_socket")
    made.static_resources.clusters.extend(clusters)
    for config, type_url in (
        (made.dynamic_resources.lds_config, LISTENER),
        (made.dynamic_resources.cds_config, CLUSTER),
    ):
        config.CopyFrom(from_file(folder / _ONE_FILE[type_url]))
    return run(made, folder, *options)


def write(view: View, folder: Path, secrets: Sequence[tls.Secret] = ()) -> None:
    """Every resource of `view` as files; a file that was there is replaced at once."""
    for type_url, file in _ONE_FILE.items():
        found = view.resources.get(type_url, {})
        _replace(folder / file, type_url, [_localised(one, folder) for one in found.values()])
    for type_url, below in _FILE_EACH.items():
        for name, one in view.resources.get(type_url, {}).items():
            _replace(folder / below / _flat(name), type_url, [_localised(one, folder)])
    for one in secrets:
        _replace(folder / "secrets" / _flat(one.name), SECRET, [one])


def write_file_secret(folder: Path, secret: tls.Secret) -> None:
    """A secret where a proxy's own agent writes it: `sds/<name>.json`."""
    response = discovery.DiscoveryResponse(version_info="1", resources=[pack(secret)])
    text = MessageToJson(response, descriptor_pool=pool(), preserving_proto_field_name=True)
    _move_into(folder / "sds" / f"{secret.name}.json", text.encode())


def change_each(message: Message, change: Callable[[Message], None]) -> None:
    """Calls `change` on every message in `message`, also inside of Any, innermost first."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            inner = list(value.values()) if isinstance(value, Mapping) else []
        else:
            inner = list(value) if field.is_repeated else [value]
        for one in inner:
            if isinstance(one, Message):
                change_each(one, change)
    if message.DESCRIPTOR.full_name == "google.protobuf.Any" and message.type_url:  # type: ignore[attr-defined]
        _inside_any(message, change)  # type: ignore[arg-type]
    change(message)


def from_file(path: Path) -> core.ConfigSource:
    """Read from `path`, and again whenever another file is moved there."""
    source = core.PathConfigSource(path=str(path))
    return core.ConfigSource(path_config_source=source, resource_api_version=core.ApiVersion.V3)


def _inside_any(packed: wkt.Any, change: Callable[[Message], None]) -> None:
    inner = message_class(packed.type_url.rpartition("/")[2])()
    inner.ParseFromString(packed.value)
    change_each(inner, change)
    packed.value = inner.SerializeToString(deterministic=True)


def _localised(one: Resource, folder: Path) -> Message:
    """The resource with every ADS source turned into a file of ours."""
    made = message_of(one)
    change_each(made, lambda message: _localise(message, folder))
    return made


def _localise(message: Message, folder: Path) -> None:
    kind = message.DESCRIPTOR.full_name
    fields = {
        "envoy.extensions.filters.network.http_connection_manager.v3.ScopedRds": (
            "scoped_rds_config_source",
            lambda _: "srds.pb",
        ),
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter": (
            "config_discovery.config_source",
            lambda one: f"ecds/{_flat(one.name)}",
        ),
        "envoy.config.cluster.v3.Cluster": (
            "eds_cluster_config.eds_config",
            lambda one: f"eds/{_flat(one.name)}",
        ),
        "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig": (
            "sds_config",
            lambda one: f"secrets/{_flat(one.name)}",
        ),
    }
    if kind not in fields:
        return
    path, name = fields[kind]
    source: object = message
    for step in path.split("."):
        if not source.HasField(step):  # type: ignore[attr-defined]
            return
        source = getattr(source, step)
    if isinstance(source, Message) and source.HasField("ads"):
        source.CopyFrom(from_file(folder / name(message)))


def _replace(path: Path, type_url: str, messages: Sequence[Message]) -> None:
    response = discovery.DiscoveryResponse(
        version_info=str(time.monotonic_ns()),
        type_url=type_url,
        resources=[pack(one) for one in messages],
    )
    _move_into(path, response.SerializeToString())


def _move_into(path: Path, body: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_bytes(body)
    fresh.replace(path)


def _flat(name: str) -> str:
    return name.replace("/", "~") + ".pb"
