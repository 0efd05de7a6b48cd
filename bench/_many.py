"""Folders of routes: one file each, with a host and a service of its own."""

from __future__ import annotations

from pathlib import Path

from _ostiary import DOMAIN, gateway


def host(name: str) -> str:
    """The host of the route `name`."""
    return f"{name}.{DOMAIN}"


def route(name: str, port: int) -> str:
    """A file with the public route `name` to the application on `port`, by a service of its own."""
    return (
        f'services: {{{name}: {{at: ["127.0.0.1:{port}"]}}}}\n'
        f"routes: {{{name}: {{host: {host(name)}, to: {name}, access: public}}}}\n"
    )


def write_folder(folder: Path, https: int, port: int, count: int) -> Path:
    """A folder with a gateway on the port `https` and `count` routes: `r0`, `r1` and so on."""
    watched = folder / "routes"
    watched.mkdir()
    (watched / "gateway.yaml").write_text(gateway(https))
    for number in range(count):
        (watched / f"r{number}.yaml").write_text(route(f"r{number}", port))
    return watched
