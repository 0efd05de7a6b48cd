"""The proxy's own certificate and trust bundle, as files that Envoy watches (file SDS).

Fed by `identity` at each join and renewal; feeds Envoy's control clusters and mutual TLS.
"""

from __future__ import annotations

import json
from typing import Any

from ostiary.certs.pair import Pair
from ostiary.compiler.resources import SECRET
from ostiary.compiler.world import BUNDLE_SECRET, SDS_FOLDER, SVID_SECRET
from ostiary.proxy.folder import Folder


def write_sds(folder: Folder, pair: Pair, bundle: bytes) -> None:
    """Envoy uses `pair` for new handshakes from now on and trusts `bundle`; nothing is dropped."""
    # The bundle first: a peer with a certificate of a new root must be trusted before we are.
    validation = {"trusted_ca": {"inline_string": bundle.decode()}}
    _write(folder, BUNDLE_SECRET, {"validation_context": validation})
    certificate = {
        "certificate_chain": {"inline_string": pair.chain.decode()},
        "private_key": {"inline_string": pair.key.decode()},
    }
    _write(folder, SVID_SECRET, {"tls_certificate": certificate})


def _write(folder: Folder, name: str, secret: dict[str, Any]) -> None:
    response = {"resources": [{"@type": SECRET, "name": name, **secret}]}
    folder.write(f"{SDS_FOLDER}/{name}.json", json.dumps(response).encode())
