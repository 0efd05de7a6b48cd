"""The messages of `proto/verdicts.proto`, made from one table in a pool of their own.

A test holds the table equal to the schema's text. Feeds `frames` and `hub`.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE: Final = "ostiary.verdicts.v1"
SERVICE: Final = f"{PACKAGE}.Verdicts"
KINDS: Final = (
    "KIND_UNSPECIFIED",
    "USER",
    "SESSION",
    "DEVICE",
    "WORKLOAD",
    "ADDRESS",
    "API_KEY",
    "TOKEN",
    "PROVIDER",
)
EFFECTS: Final = ("EFFECT_UNSPECIFIED", "DENY", "STEP_UP", "LIMIT", "SCORE", "KNOWN")
MESSAGES: Final[dict[str, tuple[str, ...]]] = {
    "Verdict": (
        "bytes id = 1",
        "Kind kind = 2",
        "string key = 3",
        "Effect effect = 4",
        "string reason = 5",
        "string source = 6",
        "int64 since_ms = 7",
        "int64 expires_ms = 8",
        "uint32 score = 9",
        "uint32 rate = 10",
        "uint32 per_ms = 11",
    ),
    "Lift": ("bytes id = 1", "Kind kind = 2", "string key = 3"),
    "Change": ("oneof what Verdict put = 1", "oneof what Lift lift = 2"),
    "Hello": (
        "string epoch = 1",
        "uint64 applied = 2",
        "string guard = 3",
        "string envoy = 4",
        "bytes signing_key = 5",
    ),
    "Ack": ("string epoch = 1", "uint64 applied = 2", "uint64 entries = 3", "uint64 refused = 4"),
    "Cut": ("bytes id = 1", "uint64 streams = 2"),
    "FromGuard": ("oneof kind Hello hello = 1", "oneof kind Ack ack = 2", "oneof kind Cut cut = 3"),
    "Snapshot": (
        "string epoch = 1",
        "uint64 seq = 2",
        "uint32 part = 3",
        "bool last = 4",
        "repeated Verdict verdicts = 5",
        "int64 time_ms = 6",
    ),
    "Delta": (
        "uint64 from = 1",
        "uint64 seq = 2",
        "repeated Change changes = 3",
        "int64 time_ms = 4",
    ),
    "Heartbeat": ("uint64 seq = 1", "int64 time_ms = 2"),
    "ToGuard": (
        "oneof kind Snapshot snapshot = 1",
        "oneof kind Delta delta = 2",
        "oneof kind Heartbeat heartbeat = 3",
    ),
}
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "bytes": _Field.TYPE_BYTES,
    "string": _Field.TYPE_STRING,
    "int64": _Field.TYPE_INT64,
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "bool": _Field.TYPE_BOOL,
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    made = descriptor_pb2.FileDescriptorProto(
        name="verdicts.proto", package=PACKAGE, syntax="proto3"
    )
    for name, values in (("Kind", KINDS), ("Effect", EFFECTS)):
        enum = made.enum_type.add(name=name)
        for number, value in enumerate(values):
            enum.value.add(name=value, number=number)
    for name, fields in MESSAGES.items():
        message = made.message_type.add(name=name)
        for line in fields:
            _field(message, line)
    return made


def _field(message: descriptor_pb2.DescriptorProto, line: str) -> None:
    words = line.removeprefix("oneof ").split()
    choice = words.pop(0) if line.startswith("oneof ") else None
    many = words[0] == "repeated"
    kind, name, _, number = words[1:] if many else words
    field = message.field.add(name=name, number=int(number))
    field.label = _Field.LABEL_REPEATED if many else _Field.LABEL_OPTIONAL
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _Field.TYPE_ENUM if kind in {"Kind", "Effect"} else _Field.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"
    if choice is not None:
        if not message.oneof_decl:
            message.oneof_decl.add(name=choice)
        field.oneof_index = 0


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    found = {}
    for name in MESSAGES:
        descriptor = pool.FindMessageTypeByName(f"{PACKAGE}.{name}")
        found[name] = message_factory.GetMessageClass(descriptor)
    return found


CLASSES: Final = _classes()
FromGuard: Final = CLASSES["FromGuard"]
ToGuard: Final = CLASSES["ToGuard"]
