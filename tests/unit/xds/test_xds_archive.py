"""A view survives the disk, and a damaged file is refused in words."""

from __future__ import annotations

import pytest

from ostiary.compiler.resources import CLUSTER, SCOPE, Resource, View
from ostiary.errors import Place, Refused
from ostiary.xds import archive

VIEW = View(
    "spiffe://test/edge",
    {
        CLUSTER: {
            "b": Resource(CLUSTER, "b", "2", b"\x00\xff\n{}", Place("a.yaml", 3, 4)),
            "a": Resource(CLUSTER, "a", "1", b""),
        },
        SCOPE: {"ö|host": Resource(SCOPE, "ö|host", "3", b"body")},
    },
    frozenset({"cert/1", "cert/0"}),
)


def test_a_view_comes_back_as_it_was() -> None:
    assert archive.from_bytes(archive.to_bytes(VIEW)) == VIEW


def test_equal_views_give_equal_bytes() -> None:
    turned = {kind: dict(reversed(names.items())) for kind, names in VIEW.resources.items()}
    assert archive.to_bytes(View(VIEW.proxy, turned, VIEW.secrets)) == archive.to_bytes(VIEW)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "does not begin"),
        (b"ostiary view 1\nnot json\n", "index cannot be read"),
        (b"ostiary view 1\n[]\n", "index cannot be read"),
        (archive.to_bytes(VIEW)[:-1], "cut short"),
        (archive.to_bytes(VIEW) + b"x", "follows its end"),
        (archive.to_bytes(VIEW).replace(b",2,", b",-2,").replace(b",5,", b",-5,"), "cut short"),
    ],
)
def test_a_damaged_file_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why) as caught:
        archive.from_bytes(data)
    assert caught.value.code == "snapshot-broken"
