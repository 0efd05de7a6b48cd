"""Message classes in a private descriptor pool, so that nobody else's `envoy` package matters.

The pool asks for a file when something in it is first used: of 559 we need about a hundred, and
each process holds only its own.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

from ostiary.protos.descriptors import envoy_binary, extract

if TYPE_CHECKING:
    from ostiary.protos.messages import wkt

_TYPE_PREFIX = "type.googleapis.com/"


class Files:
    """All of Envoy's files, as protobuf asks for them; the names are protobuf's."""

    def __init__(self) -> None:
        self._raw: dict[str, bytes] = {}
        self._homes: dict[str, str] = {}
        for file in extract(envoy_binary()):
            self._raw[file.name] = file.SerializeToString()
            names = [one.name for one in file.message_type] + [one.name for one in file.enum_type]
            self._homes |= {f"{file.package}.{name}": file.name for name in names}

    def names(self) -> list[str]:
        """Every file, in order."""
        return sorted(self._raw)

    def FindFileByName(self, name: str) -> FileDescriptorProto:  # noqa: N802
        """The file `name`; `KeyError` when this Envoy has none."""
        return FileDescriptorProto.FromString(self._raw[name])

    def FindFileContainingSymbol(self, symbol: str) -> FileDescriptorProto:  # noqa: N802
        """The file that declares `symbol` or what it is nested in; `KeyError` when none does."""
        outer, dot, _ = symbol.rpartition(".")
        if symbol in self._homes or not dot:
            return self.FindFileByName(self._homes[symbol])
        return self.FindFileContainingSymbol(outer)


@cache
def pool() -> DescriptorPool:
    """Everything that this Envoy knows."""
    return DescriptorPool(Files())


@cache
def message_class(full_name: str) -> type[Message]:
    """The class of `full_name`; `KeyError` when this Envoy does not know the type."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(full_name))


@cache
def enum(full_name: str) -> EnumTypeWrapper:
    """The enum `full_name`; `KeyError` when this Envoy does not know it."""
    return EnumTypeWrapper(pool().FindEnumTypeByName(full_name))


def type_url(message: Message) -> str:
    """`type.googleapis.com/` and the full name."""
    return _TYPE_PREFIX + str(message.DESCRIPTOR.full_name)


def pack(message: Message) -> wkt.Any:
    """`message` in an Any; equal messages give equal bytes."""
    packed = cast("wkt.Any", message_class("google.protobuf.Any")())
    packed.type_url = type_url(message)
    packed.value = message.SerializeToString(deterministic=True)
    return packed
