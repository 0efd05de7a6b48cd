"""The WAF's engine, as it stands in Envoy: SecLang is read, compiled and asked about requests."""

from __future__ import annotations

from ostiary_guard._native import (
    CORE,
    Match,
    Outcome,
    Plan,
    RuleFaults,
    RuleSet,
    target_fault,
)

__all__ = ["CORE", "Match", "Outcome", "Plan", "RuleFaults", "RuleSet", "target_fault"]
