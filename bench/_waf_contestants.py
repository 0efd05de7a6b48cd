"""Who takes part in the WAF claim: Envoy and nginx, each bare and with a firewall.

Every one is a proxy with one worker before the same application, on plain HTTP. What the firewall
costs is the difference to the same proxy without it.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import _envoys as envoys
from _machine import family
from _waf_shapes import PAGE, PAGE_PATH

DEBIAN_RULES: Final = Path("/usr/share/modsecurity-crs/rules")
DEBIAN_SET_UP: Final = Path("/etc/modsecurity/crs/crs-setup.conf")
_MODULES: Final = Path("/usr/lib/nginx/modules")
_HTTP: Final = "type.googleapis.com/envoy.extensions.filters.http."
BODY_LIMIT: Final = 131_072
Tree = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rules:
    """Sources by name, in order, and the files that they name."""

    sources: Mapping[str, str]
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Contestant:
    """A proxy that runs."""

    name: str
    pid: int
    """Of the worker."""
    port: int


@contextlib.contextmanager
def application(folder: Path) -> Iterator[tuple[int, int]]:
    """The application: 1 KiB for everything, 24 KB of HTML for one path. (pid, port)."""
    port = envoys.free_port()
    html = {"header": {"key": "content-type", "value": "text/html; charset=utf-8"}}
    page = {
        "match": {"prefix": PAGE_PATH},
        "direct_response": {"status": 200, "body": {"inline_string": PAGE}},
        "response_headers_to_add": [html | {"append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
    }
    rest = {
        "match": {"prefix": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": envoys.BODY}},
    }
    # It reads a request to its end, as applications do.
    buffer = {"@type": f"{_HTTP}buffer.v3.Buffer", "max_request_bytes": 1 << 20}
    whole = {"name": "envoy.filters.http.buffer", "typed_config": buffer}
    listener = envoys.listener("application", port, [page, rest], [whole])
    with envoys.running(folder, "application", [listener], []) as pid:
        envoys.await_port(port)
        yield pid, port


@contextlib.contextmanager
def envoy(
    folder: Path, name: str, upstream: int, rules: Rules | None, *, answers: bool
) -> Iterator[Contestant]:
    """Envoy; with rules, the guard's two filters, which look into `answers` or not."""
    port, filters = envoys.free_port(), []
    if rules is not None:
        plain = {
            "sources": [{"name": one, "text": text} for one, text in rules.sources.items()],
            "data": dict(rules.data),
        }
        packed = base64.b64encode(zlib.compress(json.dumps(plain).encode())).decode()
        secret: Tree = {"headers": [], "cookies": [], "masked": []}
        told = {"sets": {"crs": {"packed": packed}}, "secret": secret}
        filters = [_guard("waf_head", told), _guard("waf_body", {})]
    route: Tree = {"match": {"prefix": "/"}, "route": {"cluster": "application"}}
    if rules is not None:
        site = {"set": "crs", "paranoia": 1, "mode": "block", "threshold": 5}
        site |= {"response": answers}
        site |= {"body_limit": BODY_LIMIT}
        route["typed_per_filter_config"] = {
            f"ostiary.{role}": _told(role, site, "DynamicModuleFilterPerRoute")
            for role in ("waf_head", "waf_body")
        }
    front = envoys.listener(name, port, [route], filters)
    with envoys.running(folder, name, [front], [envoys.cluster("application", upstream)]) as pid:
        envoys.await_port(port)
        yield Contestant(name, pid, port)


def _guard(role: str, told: Tree) -> Tree:
    return {"name": f"ostiary.{role}", "typed_config": _told(role, told, "DynamicModuleFilter")}


def _told(role: str, told: Tree, kind: str) -> Tree:
    text = {"@type": "type.googleapis.com/google.protobuf.StringValue", "value": json.dumps(told)}
    return {
        "@type": f"{_HTTP}dynamic_modules.v3.{kind}",
        "dynamic_module_config": {"name": "ostiary_guard", "do_not_close": True},
        "filter_name": role,
        "filter_config": text,
    }


def modsecurity() -> str | None:
    """Why nginx with libmodsecurity cannot take part; None when it can."""
    if shutil.which("nginx") is None:
        return "there is no nginx"
    if not (_MODULES / "ngx_http_modsecurity_module.so").exists():
        return "nginx has no ModSecurity (Debian: libnginx-mod-http-modsecurity)"
    return None


@contextlib.contextmanager
def nginx(folder: Path, name: str, upstream: int, rules: str | None) -> Iterator[Contestant]:
    """One nginx with one worker; libmodsecurity, where there are `rules` in its own language."""
    port, home = envoys.free_port(), folder / name
    home.mkdir()
    (home / "rules.conf").write_text(rules or "")
    (home / "nginx.conf").write_text(_nginx(home, port, upstream, secured=rules is not None))
    command = ["nginx", "-p", str(home), "-c", str(home / "nginx.conf"), "-g", "daemon off;"]
    with (home / "nginx.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        envoys.await_port(port, 60)
        yield Contestant(name, _worker(process.pid), port)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(10)


def _nginx(home: Path, port: int, upstream: int, *, secured: bool) -> str:
    modules = ("ndk_http_module", "ngx_http_modsecurity_module") if secured else ()
    loaded = "".join(f"load_module {_MODULES}/{one}.so;\n" for one in modules if _there(one))
    inside = f"modsecurity on; modsecurity_rules_file {home}/rules.conf;" if secured else ""
    return f"""{loaded}worker_processes 1; pid {home}/nginx.pid; error_log {home}/error.log crit;
user root; events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000; client_max_body_size 1m;
  client_body_buffer_size 256k; client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/f; uwsgi_temp_path {home}/u; scgi_temp_path {home}/s;
  upstream app {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port}; {inside}
    location / {{
      proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host $host;
    }}
  }}
}}
"""


def _there(module: str) -> bool:
    return (_MODULES / f"{module}.so").exists()


def _worker(master: int) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        children = family(master)[1:]
        if children:
            return children[0]
        time.sleep(0.01)
    raise TimeoutError("nginx has no worker")


def debian_rules(base: str) -> str | None:
    """Debian's CRS as nginx loads it; None where the package is not installed."""
    if not DEBIAN_RULES.is_dir() or not DEBIAN_SET_UP.exists():
        return None
    return f"{base}\nInclude {DEBIAN_SET_UP}\nInclude {DEBIAN_RULES}/*.conf\n"


def written(folder: Path, rules: Rules) -> str:
    """The same rules, as files that nginx includes."""
    home = folder / "crs"
    home.mkdir()
    for name, text in rules.data.items():
        (home / name).write_text(text)
    lines = []
    for name, text in rules.sources.items():
        # libmodsecurity wants an empty line after a chain whose last rule has no actions.
        (home / name).write_text(text.replace("\nSec", "\n\nSec"))
        lines.append(f"Include {home / name}")
    return "\n".join(lines) + "\n"


def guard_found() -> str | None:
    """Why Envoy cannot load the guard; None when it can."""
    try:
        from ostiary_guard import module_path  # noqa: PLC0415  it is not everywhere
    except ImportError:
        return "the wheel ostiary-guard is not installed (make guard-install)"
    os.environ.setdefault("ENVOY_DYNAMIC_MODULES_SEARCH_PATH", str(Path(module_path()).parent))
    return None
