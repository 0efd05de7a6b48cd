"""Public keys of other issuers, fetched from their servers or read from files.

Over TLS only, without redirects, and never more than a few hundred kilobytes: an issuer's server is
no part of ours. Fed by `app`.
"""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from typing import Final

import httpx

from ostiary.errors import Unreachable
from ostiary.identity.issuers import Issuer, key_set

_PATIENCE: Final = 5.0
"""Seconds for a whole fetch: a server that sends a byte now and then holds nobody up."""
_LARGEST: Final = 256 * 1024


def fetch_keys(issuer: Issuer) -> str:
    """The key set of `issuer` as canonical JSON.

    Raises `Unreachable` when it is not there, `Refused` when it is no key set.
    """
    if issuer.file:
        try:
            return key_set(Path(issuer.file).read_bytes()[:_LARGEST])
        except OSError as error:
            raise _away(issuer, f"{issuer.file}: {error.strerror}") from error
    try:
        return key_set(_get(issuer))
    except (httpx.HTTPError, OSError, ssl.SSLError) as error:
        raise _away(issuer, f"{issuer.url}: {str(error) or type(error).__name__}") from error


def _get(issuer: Issuer) -> bytes:
    deadline = time.monotonic() + _PATIENCE
    trust = ssl.create_default_context(cafile=issuer.ca or None)
    accept = {"accept": "application/jwk-set+json, application/json"}
    with (
        httpx.Client(verify=trust, timeout=_PATIENCE, follow_redirects=False) as client,
        client.stream("GET", issuer.url, headers=accept) as answer,
    ):
        if answer.status_code != httpx.codes.OK:
            raise _away(issuer, f"{issuer.url} answered {answer.status_code}")
        body = b""
        for chunk in answer.iter_bytes():
            body += chunk
            if time.monotonic() > deadline:
                raise _away(issuer, f"{issuer.url} took more than {_PATIENCE:.0f} seconds")
            if len(body) > _LARGEST:
                raise _away(issuer, f"{issuer.url} answered more than {_LARGEST} bytes")
        return body


def _away(issuer: Issuer, why: str) -> Unreachable:
    return Unreachable(
        "key-set-away",
        f"the keys of issuer {issuer.name} cannot be read: {why}",
        "its tokens count by the keys that are known; see whether its server answers",
    )
