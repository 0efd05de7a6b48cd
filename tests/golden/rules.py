"""The engine that reads rules, for pages of documents with `waf`."""

from __future__ import annotations

import pytest

from ostiary.app.rule_book import rule_book
from ostiary.plan.rule_book import RuleBook


def rules_needed() -> RuleBook:
    """The engine; without the wheel the test is skipped, and says so."""
    book = rule_book()
    if book is None:
        pytest.skip("the wheel ostiary-guard is not installed: `make guard-install` does it")
    return book
