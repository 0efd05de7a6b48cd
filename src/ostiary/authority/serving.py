"""Serving certificates as SDS secrets: ours, rotated, or a person's files, read again on change.

The certificate lane: nothing here waits for the compiler, and a new certificate reaches Envoy
without draining a listener. Fed by `app` with what is wanted; feeds `xds` through `announce`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from ostiary.authority.issuer import Authority
from ostiary.certs.pair import Pair, check_validity, read_pair
from ostiary.compiler.resources import SECRET, Resource, resource
from ostiary.errors import OstiaryError, Refused, Unreachable
from ostiary.protos.messages import core, tls

_PERIOD: Final = 1.0
"""Seconds between two looks at files and clocks."""
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one secret is for."""

    hosts: tuple[str, ...]
    """Host names and addresses the certificate is for."""
    files: tuple[str, str] | None = None
    """Certificate and key that a person brings (PEM, absolute paths); None: ours."""


Announce: TypeAlias = Callable[[Mapping[str, Resource]], Awaitable[None]]
"""Called with every secret there is, whenever one has changed."""


@dataclass(frozen=True, slots=True)
class _Held:
    wanted: Wanted
    pair: Pair
    secret: Resource
    seen: object
    """The files' identity (inode, time, size) when they were read."""


class ServingSecrets:
    """Keeps one good certificate for each wanted secret.

    `problems` maps a secret's name to the fault that keeps its newest certificate from being used;
    the last good one is served meanwhile, and nothing at all (a closed door) before there was one.
    """

    def __init__(self, authority: Authority, announce: Announce) -> None:
        self.problems: dict[str, OstiaryError] = {}
        self._authority = authority
        self._announce = announce
        self._wanted: Mapping[str, Wanted] = {}
        self._held: dict[str, _Held] = {}
        self._turn = asyncio.Lock()

    @property
    def secrets(self) -> dict[str, Resource]:
        """Every secret that can be served now, by name."""
        return {name: held.secret for name, held in self._held.items()}

    async def want(self, wanted: Mapping[str, Wanted]) -> None:
        """Exactly these secrets are served afterwards, and announced if anything changed."""
        self._wanted = dict(wanted)
        await self.refresh()

    async def refresh(self) -> None:
        """Certificates past half of their life are replaced, changed files are read again."""
        async with self._turn:
            before = self.secrets
            await asyncio.to_thread(self._refresh, self._wanted)
            if self.secrets != before:
                await self._announce(self.secrets)

    async def run(self) -> None:
        """Refreshes once a second until cancelled."""
        while True:
            await asyncio.sleep(_PERIOD)
            try:
                await self.refresh()
            except OstiaryError as error:
                _log.error("serving certificates not refreshed", error=str(error))

    def _refresh(self, wanted: Mapping[str, Wanted]) -> None:
        held: dict[str, _Held] = {}
        problems: dict[str, OstiaryError] = {}
        for name, want in wanted.items():
            last = self._held.get(name)
            try:
                held[name] = self._newest(name, want, last)
                _check_names(held[name])
            except (Refused, Unreachable) as error:
                problems[name] = error
                if last is not None:
                    held.setdefault(name, last)
        self._tell(problems)
        # Swapped whole, because others read them meanwhile.
        self._held, self.problems = held, problems

    def _newest(self, name: str, want: Wanted, last: _Held | None) -> _Held:
        seen = _identity(want.files)
        if last is None or last.wanted != want or last.seen != seen or self._due(last):
            pair = self._obtain(want)
            return _Held(want, pair, _secret(name, pair), seen)
        if want.files is not None:
            check_validity(last.pair, self._authority.now())
        return last

    def _due(self, held: _Held) -> bool:
        return held.wanted.files is None and held.pair.validity.renew_at <= self._authority.now()

    def _obtain(self, want: Wanted) -> Pair:
        if want.files is None:
            return self._authority.serving(want.hosts)
        return check_validity(read_files(*want.files), self._authority.now())

    def _tell(self, problems: Mapping[str, OstiaryError]) -> None:
        for name, error in problems.items():
            if str(self.problems.get(name)) != str(error):
                _log.warning("serving certificate at fault", secret=name, error=str(error))


def read_files(certificate: str, key: str) -> Pair:
    """The pair in two PEM files; raises `Unreachable` or `Refused` with what is wrong."""
    return read_pair(_read(certificate), _read(key))


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise Unreachable(
            "certificate-unreadable",
            f"{file} cannot be read: {error.strerror}",
            "the file must exist and be readable by the control plane",
        ) from error


def _identity(files: tuple[str, str] | None) -> object:
    if files is None:
        return None
    found: list[tuple[int, int, int] | None] = []
    for file in files:
        try:
            stat = Path(file).stat()
            found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append(None)
    return tuple(found)


def _check_names(held: _Held) -> None:
    unnamed = held.pair.unnamed(held.wanted.hosts) if held.wanted.files else []
    if unnamed:
        raise Refused(
            "certificate-wrong-names",
            f"the certificate does not name {', '.join(unnamed)}",
            "it is served, but browsers will refuse it for those hosts",
        )


def _secret(name: str, pair: Pair) -> Resource:
    certificate = tls.TlsCertificate(
        certificate_chain=core.DataSource(inline_bytes=pair.chain),
        private_key=core.DataSource(inline_bytes=pair.key),
    )
    return resource(SECRET, name, tls.Secret(name=name, tls_certificate=certificate))
