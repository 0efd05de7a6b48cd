"""What `ostiary up` refuses before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostiary.cli.up import up
from ostiary.errors import Refused


@pytest.mark.parametrize(
    ("text", "code"),
    [("29d", "audit-kept-short"), ("1h", "audit-kept-short"), ("never", "verdict-duration")],
)
def test_an_audit_log_that_is_hardly_kept_is_refused(tmp_path: Path, text: str, code: str) -> None:
    document = tmp_path / "gateway.yaml"
    document.touch()
    with pytest.raises(Refused) as refused:
        up([document], audit_kept=text, state=tmp_path / "state")
    assert refused.value.code == code
    assert not (tmp_path / "state").exists()
