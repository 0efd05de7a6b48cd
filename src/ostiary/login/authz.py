"""`envoy.service.auth.v3.Authorization/Check` over gRPC, for gateways only.

Generic handlers with message classes out of Envoy's own binary: nothing is generated. Fed by
proxies; feeds `check` in a thread.

An error here would be worse than a refusal: to the proxy it means that `login` is away, and then
`offline_grace` lets expired tokens pass. So whatever goes wrong with one request is answered.
"""

from __future__ import annotations

from typing import Any, Final

import grpc.aio
import structlog

from ostiary.errors import Unreachable
from ostiary.login.asked import Asked, read
from ostiary.login.check import Check
from ostiary.login.peer import grpc_uris, is_gateway
from ostiary.login.replies import unwell
from ostiary.login.work import Work
from ostiary.protos.messages import auth

SERVICE: Final = "envoy.service.auth.v3.Authorization"
_MESSAGE_LIMIT: Final = 256 * 1024
"""Bytes of one `CheckRequest`; Envoy's header limit is far below."""
_log = structlog.get_logger(__name__)


class Authorization:
    """The gRPC face of `Check`."""

    def __init__(self, check: Check, work: Work, programs: Work, trust_domain: str) -> None:
        self._check = check
        self._work = work
        self._programs = programs
        self._trust_domain = trust_domain

    async def answer(
        self,
        raw: bytes,
        context: grpc.aio.ServicerContext[bytes, auth.CheckResponse],
    ) -> auth.CheckResponse:
        """What `Check` says; any other peer than a gateway is turned away."""
        if not is_gateway(grpc_uris(context.auth_context()), self._trust_domain):
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "only a gateway may ask")
        try:
            asked = read(auth.CheckRequest.FromString(raw))
        except Exception as error:  # noqa: BLE001  as below
            return _broken(error)
        work = self._work if asked.machine is None else self._programs
        return await work.run(lambda: self._answer(asked))

    def _answer(self, asked: Asked) -> auth.CheckResponse:
        try:
            return self._check.answer(asked)
        except Exception as error:  # noqa: BLE001  whatever it is, it is no reason to let pass
            return _broken(error)


def _broken(error: Exception) -> auth.CheckResponse:
    _log.error("check broke", error=repr(error))
    return unwell()


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
