"""Envoy's messages come out of its binary, each file when something in it is first used."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from ostiary.protos.messages import PACKAGES
from ostiary.protos.pool import Files, enum, message_class, pool


class Counting(Files):
    """Remembers which files were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def FindFileByName(self, name: str) -> FileDescriptorProto:  # noqa: N802
        self.asked.add(name)
        return super().FindFileByName(name)


def test_a_message_brings_the_files_it_needs_and_no_others() -> None:
    files = Counting()
    DescriptorPool(files).FindMessageTypeByName("envoy.config.core.v3.Address")
    assert "envoy/config/core/v3/address.proto" in files.asked
    assert len(files.asked) < 30


def test_a_nested_message_is_found_by_what_it_is_nested_in() -> None:
    name = "envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions"
    assert message_class(name).DESCRIPTOR.full_name == name


@pytest.mark.parametrize(
    "name", ["envoy.config.core.v3.Nothing", "envoy.config.core.v3.Address.Nothing", "nothing"]
)
def test_what_this_envoy_does_not_know_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        message_class(name)
    with pytest.raises(KeyError):
        enum(name)


def test_every_file_of_our_packages_can_be_linked() -> None:
    files = Files()
    packages = set(PACKAGES.values())
    ours = [name for name in files.names() if files.FindFileByName(name).package in packages]
    assert len(ours) > len(packages)
    for name in ours:
        assert pool().FindFileByName(name).name == name
