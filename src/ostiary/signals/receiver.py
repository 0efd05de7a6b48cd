"""The access-log service that every Envoy of ours streams to (`envoy.service.accesslog.v3`).

It stands on the control plane's mutual-TLS port beside xDS: who logs is told by the certificate,
never by the message. Fed by Envoy; feeds `writer`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import grpc

from ostiary.protos.messages import als
from ostiary.signals.parse import parse
from ostiary.signals.writer import Writer

SERVICE: Final = "envoy.service.accesslog.v3.AccessLogService"


def handler(writer: Writer, known: Callable[[str], bool]) -> grpc.GenericRpcHandler[Any, Any]:
    """The service, for a `grpc.aio` server with client certificates.

    `known(spiffe_id)` says whether that proxy is one of ours now; all others get
    PERMISSION_DENIED and are counted.
    """

    async def stream(
        requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> Any:
        proxy = peer(context.auth_context())
        if not known(proxy):
            writer.refused()
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"{proxy or 'a peer without a SPIFFE id'} is no proxy of this control plane",
            )
        log = ""
        async for message in requests:
            log = message.identifier.log_name or log
            writer.offer([parse(entry, proxy, log) for entry in message.http_logs.log_entry])
        return als.StreamAccessLogsResponse()

    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            "StreamAccessLogs": grpc.stream_unary_rpc_method_handler(
                stream,
                request_deserializer=als.StreamAccessLogsMessage.FromString,
                response_serializer=als.StreamAccessLogsResponse.SerializeToString,
            )
        },
    )


def peer(auth_context: Any) -> str:
    """The one SPIFFE id of a peer's verified certificate; empty when there is none, or several."""
    names = list(auth_context.get("peer_spiffe_id", ()))
    return names[0].decode() if len(names) == 1 else ""
