"""Serve one view to one proxy: what an agent does while the control plane is away.

`app` hands this to the agent. The versions are content hashes, so an Envoy that comes over from the
control plane is sent only what it lacks. Fed by a view from `archive`; feeds Envoy.
"""

from __future__ import annotations

from collections.abc import Mapping

import grpc

from ostiary.compiler.resources import Resource, Snapshot, View
from ostiary.xds.peers import Context
from ostiary.xds.server import XdsServer
from ostiary.xds.status import Reports


def serve_view(
    server: grpc.aio.Server,
    view: View,
    secrets: Mapping[str, Resource],
    *,
    revision: str,
    reports: Reports | None = None,
) -> XdsServer:
    """`server` (not started yet) answers whoever reaches it with `view` and nothing else.

    The listener must be the agent's own, such as a socket in its folder: the peer is not asked
    who it is. Returns the server for later `publish`, `publish_secrets` and `status`.
    """

    def peer(_context: Context) -> str:
        return view.proxy

    xds = XdsServer(reports, peer=peer)
    xds.publish_secrets(view.proxy, secrets)
    xds.publish(Snapshot(revision, {view.proxy: view}))
    server.add_generic_rpc_handlers(xds.handlers())
    return xds
