"""OTLP's export request, readable whatever bytes a client has put into its path.

Envoy writes them into a text field as they are, and protobuf refuses a whole message for one text
that is no UTF-8: over HTTP/2 anybody could wipe other people's entries with a single byte FF. Here
the values are bytes. Same wire format (opentelemetry-proto, `common/v1/common.proto`).
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from ostiary.protos.pool import pool

_FILES: Final = (
    "opentelemetry/proto/common/v1/common.proto",
    "opentelemetry/proto/resource/v1/resource.proto",
    "opentelemetry/proto/logs/v1/logs.proto",
    "opentelemetry/proto/collector/logs/v1/logs_service.proto",
)


def export_request() -> Any:
    """The class `ExportLogsServiceRequest` whose `AnyValue.string_value` is bytes."""
    made = DescriptorPool()
    for name in _FILES:
        file = FileDescriptorProto()
        pool().FindFileByName(name).CopyToProto(file)
        for message in file.message_type:
            if message.name == "AnyValue":
                (text,) = (field for field in message.field if field.name == "string_value")
                text.type = FieldDescriptorProto.TYPE_BYTES
        made.AddSerializedFile(file.SerializeToString())
    found = made.FindMessageTypeByName(
        "opentelemetry.proto.collector.logs.v1.ExportLogsServiceRequest"
    )
    return message_factory.GetMessageClass(found)
