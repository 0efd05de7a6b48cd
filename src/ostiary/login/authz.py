"""`envoy.service.auth.v3.Authorization/Check` over gRPC, for gateways only.

Generic handlers with message classes out of Envoy's own binary: nothing is generated. Fed by
proxies; feeds `check` in a thread.
"""

from __future__ import annotations

from typing import Any, Final

import grpc.aio

from ostiary.errors import Unreachable
from ostiary.login.asked import read
from ostiary.login.check import Check
from ostiary.login.peer import grpc_uris, is_gateway
from ostiary.login.work import Work
from ostiary.protos.messages import auth

SERVICE: Final = "envoy.service.auth.v3.Authorization"
_MESSAGE_LIMIT: Final = 256 * 1024
"""Bytes of one `CheckRequest`; Envoy's header limit is far below."""


class Authorization:
    """The gRPC face of `Check`."""

    def __init__(self, check: Check, work: Work, trust_domain: str) -> None:
        self._check = check
        self._work = work
        self._trust_domain = trust_domain

    async def answer(
        self,
        request: auth.CheckRequest,
        context: grpc.aio.ServicerContext[auth.CheckRequest, auth.CheckResponse],
    ) -> auth.CheckResponse:
        """What `Check` says; any other peer than a gateway is turned away."""
        if not is_gateway(grpc_uris(context.auth_context()), self._trust_domain):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "only a gateway may ask")
        return await self._work.run(lambda: self._check.answer(read(request)))


async def start_authz(
    authorization: Authorization, address: str, credentials: grpc.ServerCredentials
) -> tuple[grpc.aio.Server, int]:
    """A server that answers on `address` (`host:port`, port 0: any), and its port."""
    server = grpc.aio.server(
        options=(
            ("grpc.max_receive_message_length", _MESSAGE_LIMIT),
            ("grpc.so_reuseport", 0),
        )
    )
    handler: Any = grpc.unary_unary_rpc_method_handler(
        authorization.answer,
        request_deserializer=auth.CheckRequest.FromString,
        response_serializer=auth.CheckResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Check": handler}),)
    )
    try:
        port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        await server.stop(None)
        raise Unreachable(
            "port-taken",
            f"login cannot listen on {address} for the proxies' questions",
            "another process has this port; choose another or end that one",
        ) from error
    await server.start()
    return server, port
