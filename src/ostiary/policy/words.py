"""Rules in words, for refusal pages, `explain` and `effective`."""

from __future__ import annotations

from collections.abc import Sequence

from ostiary.policy.rules import HIGHEST_RISK, LEAST_RISK, Effect, Rule


def describe(rule: Rule) -> str:
    """One sentence without a full stop: `allow members of staff to GET below /admin`."""
    who = _who(rule)
    verb = "allow" if rule.effect is Effect.ALLOW else "deny"
    what = [f"to {either(rule.methods)}"] if rule.methods is not None else []
    where = [either([_path(path) for path in rule.paths])] if rule.paths is not None else []
    when = [f"at {_risk(rule.risk)}"] if rule.risk is not None else []
    return " ".join([verb, who, *what, *where, *when])


def condition(rule: Rule, key: str) -> str:
    """The one key of `rule` that is not met, as `needs ...`."""
    texts = {
        "identity": "somebody signed in",
        "users": f"the account {either(rule.users or ())}",
        "groups": f"membership of the group {either(rule.groups or ())}",
        "email_domains": f"an e-mail address at {either(rule.email_domains or ())}",
        "methods": f"the method {either(rule.methods or ())}",
        "paths": f"a path {either([_path(path) for path in rule.paths or ()])}",
        "risk": _risk(rule.risk or (LEAST_RISK, HIGHEST_RISK)),
    }
    return f"needs {texts[key]}"


def either(names: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`; a long list ends in `or one of n more`."""
    longest = 5
    if len(names) > longest:
        return f"{', '.join(names[:longest])} or one of {len(names) - longest} more"
    if len(names) < 2:  # noqa: PLR2004  nothing to join
        return "".join(names)
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _who(rule: Rule) -> str:
    parts = []
    if rule.users is not None:
        parts.append(either(rule.users))
    if rule.groups is not None:
        parts.append(f"members of {either(rule.groups)}")
    if rule.email_domains is not None:
        parts.append(f"addresses at {either(rule.email_domains)}")
    if parts:
        return " who are also ".join(parts)
    if rule.public or rule.effect is Effect.DENY:
        return "everybody"
    return "whoever is signed in"


def _risk(wanted: tuple[int, int]) -> str:
    return f"a risk {risk_range(wanted)}"


def risk_range(wanted: tuple[int, int]) -> str:
    """`below 60`, or `of 60 or more`."""
    least, highest = wanted
    if least == LEAST_RISK:
        return f"below {highest + 1}"
    return f"of {least} or more" if highest == HIGHEST_RISK else f"of {least} to {highest}"


def _path(pattern: str) -> str:
    if pattern == "/*":
        return "anywhere"
    return f"below {pattern[:-2]}" if pattern.endswith("/*") else f"at {pattern}"
