"""The log service that every Envoy of ours reports to (OTLP, `LogsService/Export`).

It stands on the control plane's mutual-TLS port beside xDS: who logs is told by the certificate,
never by the message. Fed by Envoy; feeds `writer`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from ostiary.certs.spiffe import peer
from ostiary.compiler.logs import STREAM
from ostiary.plan.record import ALLOWS_LOG, DENIALS_LOG, DecisionRecord
from ostiary.signals.export import export_request
from ostiary.signals.parse import Malformed, parse
from ostiary.signals.writer import Writer

SERVICE: Final = "opentelemetry.proto.collector.logs.v1.LogsService"
_STREAM: Final = {log.encode(): log for log in (ALLOWS_LOG, DENIALS_LOG)}
"""Anything else counts as a refusal: those are kept the longest."""
_DONE: Final = b""
"""An `ExportLogsServiceResponse` without a partial success: all was taken."""


def handler(writer: Writer, known: Callable[[str], bool]) -> grpc.GenericRpcHandler[Any, Any]:
    """The service, for a `grpc.aio` server with client certificates.

    `known(spiffe_id)` says whether that proxy is one of ours now; all others get
    PERMISSION_DENIED and are counted. An entry that cannot be read is counted, and kept with what
    is known; a message that is no message is counted and refused for good.
    """
    request = export_request()

    async def export(raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        proxy = peer(context.auth_context())
        if not known(proxy):
            writer.refused()
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"{proxy or 'a peer without a SPIFFE id'} is no proxy of this control plane",
            )
        try:
            message = request.FromString(raw)
        except DecodeError as error:
            writer.malformed(proxy, str(error))
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "this is no export request")
        for group in message.resource_logs:
            writer.offer(_records(writer, group, proxy))
        return _DONE

    return grpc.method_handlers_generic_handler(
        SERVICE, {"Export": grpc.unary_unary_rpc_method_handler(export)}
    )


def _records(writer: Writer, group: Any, proxy: str) -> list[DecisionRecord]:
    log = _log(group.resource.attributes)
    found = []
    for scope in group.scope_logs:
        for entry in scope.log_records:
            try:
                found.append(parse(entry, proxy, log))
            except Malformed as error:
                writer.malformed(proxy, str(error))
                found.append(error.record)
    return found


def _log(attributes: Any) -> str:
    for one in attributes:
        if one.key == STREAM:
            return _STREAM.get(one.value.string_value, DENIALS_LOG)
    return DENIALS_LOG
