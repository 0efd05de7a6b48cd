"""Write `messages.pyi`: a misspelt Envoy field becomes a type error.

Run as `python -m ostiary.protos.stubs`. The file is derived from the Envoy binary, so it is made
where it is needed and not committed.
"""

from __future__ import annotations

import keyword
from functools import cache
from pathlib import Path
from typing import Final

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from ostiary.protos.messages import PACKAGES
from ostiary.protos.pool import Files, pool

_HEADER: Final = '''\
"""Made by ostiary.protos.stubs from the pinned Envoy; do not edit."""
from abc import ABCMeta
from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence
from typing import Any as _Any, Final, Generic, TypeVar
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
_T = TypeVar("_T")
_M = TypeVar("_M", bound=Message)
PACKAGES: Final[dict[str, str]]
class Repeated(MutableSequence[_T], Generic[_T], metaclass=ABCMeta):
    def add(self, **fields: _Any) -> _T: ...
'''
_SCALARS: Final = {
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_DOUBLE: "float",
    FieldDescriptor.CPPTYPE_FLOAT: "float",
    FieldDescriptor.CPPTYPE_ENUM: "int",
    FieldDescriptor.CPPTYPE_STRING: "str",
}
_SHORT: Final = {full: short for short, full in PACKAGES.items()}
_SPECIAL: Final = {
    "google.protobuf.Any": "def Pack(self, msg: Message, type_url_prefix: str = ..., "
    "deterministic: bool | None = ...) -> None: ...\n"
    "def Unpack(self, msg: Message) -> bool: ...\n"
    "def Is(self, descriptor: Descriptor) -> bool: ...",
    "google.protobuf.Struct": "def update(self, other: Mapping[str, _Any]) -> None: ...\n"
    "def __getitem__(self, key: str) -> _Any: ...\n"
    "def __setitem__(self, key: str, value: _Any) -> None: ...\n"
    "def __contains__(self, key: object) -> bool: ...",
    "google.protobuf.Timestamp": "def GetCurrentTime(self) -> None: ...\n"
    "def ToNanoseconds(self) -> int: ...",
    "google.protobuf.Duration": "def ToNanoseconds(self) -> int: ...\n"
    "def FromNanoseconds(self, nanos: int) -> None: ...",
}


def main() -> None:
    """Write the stub beside `messages.py`."""
    target = Path(__file__).with_name("messages.pyi")
    text = render()
    if not target.exists() or target.read_text() != text:
        target.write_text(text)


def render() -> str:
    """The whole stub as text."""
    lines = [_HEADER]
    for short, package in sorted(PACKAGES.items()):
        lines.append(f"class {short}:")
        body = _package(package)
        lines += [f"    {line}" for line in body] or ["    ..."]
    lines += [f"_{short} = {short}" for short in sorted(PACKAGES)]
    return "\n".join(lines) + "\n"


def _package(package: str) -> list[str]:
    lines: list[str] = []
    messages: dict[str, Descriptor] = {}
    enums: dict[str, EnumDescriptor] = {}
    for name in _files():
        file = pool().FindFileByName(name)
        if file.package == package:
            messages |= file.message_types_by_name
            enums |= file.enum_types_by_name
    for descriptor in enums.values():
        lines += _enum(descriptor)
    for message in messages.values():
        lines += _message(message)
    return lines


@cache
def _files() -> list[str]:
    return Files().names()


def _enum(descriptor: EnumDescriptor) -> list[str]:
    lines = [f"class {descriptor.name}:"]
    lines += [f"    {value.name}: int" for value in descriptor.values if _sane(value.name)]
    lines += ["    @classmethod", "    def Name(cls, number: int) -> str: ..."]
    return lines


def _message(descriptor: Descriptor) -> list[str]:
    lines = [f"class {descriptor.name}(Message):"]
    inner: list[str] = []
    for enum in descriptor.enum_types:
        inner += [f"{value.name}: int" for value in enum.values if _sane(value.name)]
        inner += _enum(enum)
    for nested in descriptor.nested_types:
        if not nested.GetOptions().map_entry:
            inner += _message(nested)
    for field in descriptor.fields:
        if _sane(field.name):
            inner += ["@property", f"def {field.name}(self) -> {_read(field)}: ..."]
            if not _is_container(field):
                setter = f"def {field.name}(self, value: {_read(field)}) -> None: ..."
                inner += [f"@{field.name}.setter", setter]
    arguments = [f"{f.name}: {_write(f)} = ..." for f in descriptor.fields if _sane(f.name)]
    star = ", *, " if arguments else ""
    inner.append(f"def __init__(self{star}{', '.join(arguments)}) -> None: ...")
    inner += _SPECIAL.get(descriptor.full_name, "").splitlines()
    return lines + [f"    {line}" for line in inner]


def _is_container(field: FieldDescriptor) -> bool:
    return field.is_repeated or field.message_type is not None


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _entry(field: FieldDescriptor) -> tuple[FieldDescriptor, FieldDescriptor]:
    entry = field.message_type
    if entry is None:
        raise TypeError(f"{field.full_name} is no map")
    return entry.fields_by_name["key"], entry.fields_by_name["value"]


def _read(field: FieldDescriptor) -> str:
    if _is_map(field):
        key, value = _entry(field)
        return f"MutableMapping[{_single(key)}, {_single(value)}]"
    single = _single(field)
    return f"Repeated[{single}]" if field.is_repeated else single


def _write(field: FieldDescriptor) -> str:
    if _is_map(field):
        key, value = _entry(field)
        return f"Mapping[{_single(key)}, {_single(value)}]"
    single = _single(field)
    return f"Iterable[{single}]" if field.is_repeated else f"{single} | None"


def _single(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return _reference(field.message_type)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "bytes"
    return _SCALARS.get(field.cpp_type, "int")


def _reference(descriptor: Descriptor) -> str:
    package = descriptor.file.package
    if package not in _SHORT:
        return "Message"
    # Through an alias: a field may be called like a package (`Route.route`) and would hide it.
    return f"_{_SHORT[package]}.{descriptor.full_name.removeprefix(package + '.')}"


def _sane(name: str) -> bool:
    return not keyword.iskeyword(name) and name != "self"


if __name__ == "__main__":
    main()
