"""Streams of every kind while verdicts come and go and listeners are swapped (real Envoy, short).

`stream_churn.py` runs the same thing long.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from connection_rig import Connections, connection_rig
from stream_churn import KINDS, churn

pytestmark = pytest.mark.envoy
_STREAMS = 800


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connections]:
    """One Envoy with two workers for all kinds, one after the other."""
    with connection_rig(tmp_path_factory.mktemp("churn"), workers=2) as made:
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_no_verdict_is_lost_and_no_end_looks_like_a_success(guard: Connections, kind: str) -> None:
    cuts = guard.state["cuts"]
    found = churn(guard, _STREAMS, kind)
    assert found.sound, found
    assert found.ended.total() == _STREAMS
    assert guard.state["cuts"] - cuts > _STREAMS // 20, "most verdicts came before the streams"
    assert found.ended["told"] > _STREAMS // 20, found
