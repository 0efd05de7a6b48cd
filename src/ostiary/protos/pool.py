"""Message classes in a private descriptor pool, so that nobody else's `envoy` package matters."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, cast

from google.protobuf import message_factory
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

from ostiary.protos.descriptors import envoy_binary, extract

if TYPE_CHECKING:
    from ostiary.protos.messages import wkt

_TYPE_PREFIX = "type.googleapis.com/"


@cache
def pool() -> DescriptorPool:
    """All of Envoy's files, dependencies first."""
    files = extract(envoy_binary())
    made = DescriptorPool()
    added: set[str] = set()

    def add(name: str) -> None:
        if name in added:
            return
        added.add(name)
        for dependency in files[name].dependency:
            add(dependency)
        made.AddSerializedFile(files[name].SerializeToString())

    for name in files:
        add(name)
    return made


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
