"""Every corpus needs the engine; where it is not installed, that is said and nothing runs."""

from __future__ import annotations

import pytest
from engine import here


@pytest.fixture(autouse=True)
def _engine() -> None:
    if not here():
        pytest.skip("NO GUARD: the wheel ostiary-guard is not installed; `make guard-install`")
