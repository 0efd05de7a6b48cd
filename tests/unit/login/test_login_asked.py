"""What the slow path reads of a proxy's question."""

from __future__ import annotations

import pytest

from ostiary.login.asked import read
from ostiary.protos.messages import auth
from ostiary.wire import RISK_KEY, TRUST_METADATA


@pytest.mark.parametrize("risk", [0, 60, 100])
def test_the_risk_is_what_the_guard_wrote(risk: int) -> None:
    request = auth.CheckRequest()
    request.attributes.metadata_context.filter_metadata[TRUST_METADATA][RISK_KEY] = risk
    assert read(request).risk == risk


def test_without_a_guard_nobody_says_a_risk() -> None:
    assert read(auth.CheckRequest()).risk is None
