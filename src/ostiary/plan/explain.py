"""Why a request passed or did not: the stored policy, the logged inputs and `decide`, once more.

Pure. Fed by the decision log and the policy record of the hash it names; feeds `ostiary explain`
and the admin API. Nothing is guessed: what is not recorded is said to be not recorded, and where
the log and `decide` disagree, that is what the explanation says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from ostiary.plan.native import FIRST_ERROR, Native, Stage, is_mini_gateway, read
from ostiary.plan.policy import PolicyRecord
from ostiary.plan.record import DecisionRecord
from ostiary.plan.waf_words import looked_at, said
from ostiary.policy.decide import NO_RULE, decide
from ostiary.policy.rules import (
    Allow,
    Challenge,
    Decision,
    Deny,
    Identity,
    Inputs,
    Level,
    Missing,
    Remedy,
    Rule,
)


class Outcome(StrEnum):
    """What became of the request."""

    PASSED = "passed"
    REFUSED = "refused"
    SIGN_IN = "asked to sign in"
    LIMITED = "limited"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Input:
    """One thing the decision looked at."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Deed:
    """One entry of the audit log about a verdict, the newest first where there are several."""

    time: float
    who: str
    deed: str
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """One record in words. An empty string means that there is nothing to say."""

    decision: str
    time: float
    """Seconds since 1970."""
    proxy: str
    """SPIFFE id of the proxy that decided."""
    request: str
    """`GET notes.localhost/notes`."""
    code: int
    outcome: Outcome
    decided_by: str
    """The rule, or the stage where no rule was asked."""
    sentence: str
    inputs: tuple[Input, ...]
    """Only those that the rules, or the stage, looked at."""
    missing: tuple[Missing, ...]
    """What would have been enough, the smallest first."""
    remedy: str
    route: str
    policy: str
    place: str
    """Where the route is written."""
    withdrawn: str
    """Since when the verdict that refused holds, who gave it and why: for administrators only."""
    doubt: str
    """Set when the log and `decide` disagree, or the policy record is gone."""


_VERIFIED: Final = frozenset({"session", "assertion", "bearer", "api-key"})
"""Credentials that say who somebody is."""
_PASSING: Final = frozenset({Stage.APPLICATION, Stage.UPSTREAM, Stage.GATEWAY, Stage.CLIENT})
"""Answers that are given only after the rules have let the request pass."""
_REMEDIES: Final[dict[str, str]] = {
    Remedy.SIGN_IN: "sign in, or sign in afresh",
    Remedy.MEMBERSHIP: "have the account named in the rule, or put into the group",
    Remedy.ACCOUNT: "use another account, or have the e-mail address of this one set",
    Remedy.REQUEST: "another method or path would be allowed",
    Remedy.TRUST: "the risk falls when the verdicts that score it expire or are lifted",
    Remedy.OWNER: "only the owner of the rules can change this",
}
_OUTCOMES: Final = {
    Stage.APPLICATION: Outcome.PASSED,
    Stage.GATEWAY: Outcome.PASSED,
    Stage.GATE: Outcome.SIGN_IN,
    Stage.LOGIN: Outcome.SIGN_IN,
    Stage.LIMITS: Outcome.LIMITED,
    Stage.LOGIN_AWAY: Outcome.FAILED,
    Stage.UPSTREAM: Outcome.FAILED,
    Stage.CLIENT: Outcome.FAILED,
    Stage.UNKNOWN: Outcome.FAILED,
}


def explain_all(
    records: Sequence[DecisionRecord],
    find: Callable[[str], PolicyRecord | None],
    deeds: Callable[[str], Sequence[Deed]] = lambda _verdict: (),
) -> tuple[Explanation, ...]:
    """All records of one decision id in words, the edge's first; empty: not recorded.

    `find` gives the policy record of a hash. A mini gateway names none: its rules are the
    service's level of the policy that the edge asked. `deeds` gives the audit log of a verdict.
    """
    edge_first = sorted(records, key=is_mini_gateway)
    policies = {record.policy: find(record.policy) for record in edge_first if record.policy}
    asked = next((policies[record.policy] for record in edge_first if record.policy), None)
    return tuple(
        explain(
            record,
            policies[record.policy] if record.policy else _beside(record, asked),
            deeds(record.verdict) if record.verdict else (),
        )
        for record in edge_first
    )


def _beside(record: DecisionRecord, asked: PolicyRecord | None) -> PolicyRecord | None:
    return asked if is_mini_gateway(record) else None


def explain(
    record: DecisionRecord, policy: PolicyRecord | None, deeds: Sequence[Deed] = ()
) -> Explanation:
    """`record` in words. `policy` is what `record.policy` names; None: it is not in the store.

    `deeds` are what the audit log has about the verdict that `record` names.
    """
    native = read(record)
    levels = _levels(record, policy)
    decision = _decide(record, policy, levels)
    by, sentence, missing, remedy = _words(native, decision)
    return Explanation(
        record.id,
        record.time,
        record.proxy,
        f"{record.method} {record.host}{record.path}",
        record.code,
        _OUTCOMES.get(native.stage, Outcome.REFUSED),
        by,
        sentence,
        _looked_at(record, native, levels, policy),
        missing,
        remedy,
        record.route,
        record.policy,
        policy.place if policy else "",
        _withdrawn(record, deeds),
        _doubt(record, policy, native, decision),
    )


def inputs(record: DecisionRecord) -> Inputs:
    """What `decide` may look at, as the proxy saw it: a token for another host is nobody."""
    verified = record.credential in _VERIFIED
    identity = None
    if verified and record.session_host == record.host:
        identity = Identity(record.subject, record.email, frozenset(record.groups))
    return Inputs(record.method, record.path, identity, record.risk)


def _decide(
    record: DecisionRecord, policy: PolicyRecord | None, levels: tuple[Level, ...]
) -> Decision | None:
    """None where no rule was asked: no policy, or a service without an `access` of its own."""
    if policy is None or (is_mini_gateway(record) and not levels):
        return None
    return decide(levels, inputs(record))


def _levels(record: DecisionRecord, policy: PolicyRecord | None) -> tuple[Level, ...]:
    """A mini gateway asks the service's level only."""
    if policy is None:
        return ()
    if not is_mini_gateway(record):
        return policy.levels
    return tuple(level for level in policy.levels if level.owner.startswith("service "))


def _words(native: Native, decision: Decision | None) -> tuple[str, str, tuple[Missing, ...], str]:
    """Who decided, the sentence, what is missing, the remedy."""
    if native.stage is Stage.RULES and isinstance(decision, Deny):
        remedy = decision.missing[0].remedy if decision.missing else ""
        return _by(decision), _refusal(decision), decision.missing, _REMEDIES.get(remedy, "")
    if native.stage is Stage.RULES and isinstance(decision, Challenge):
        return native.stage, "a sign-in alone could let the request pass", (), "sign in"
    if native.stage in _PASSING and isinstance(decision, Allow) and decision.rules:
        return ", ".join(decision.rules), native.sentence, (), native.remedy
    return native.stage, native.sentence, (), native.remedy


def _by(decision: Deny) -> str:
    return f"access of {decision.level}" if decision.rule == NO_RULE else decision.rule


def _refusal(decision: Deny) -> str:
    if decision.rule == NO_RULE:
        return f"no rule of {decision.level} allows this request"
    matched = f": {decision.missing[0].condition}" if decision.missing else ""
    return f"a `deny` of {decision.level} matched{matched}"


def _withdrawn(record: DecisionRecord, deeds: Sequence[Deed]) -> str:
    """The put that the request met, and what became of the verdict since."""
    if not record.verdict:
        return ""
    more = f"`ostiary audit {record.verdict}` shows all of it"
    put = next((one for one in deeds if one.deed == "put"), None)
    if put is None:
        return f"the audit log does not go back to this verdict; {more}"
    why = f", who said: {put.why}" if put.why else ""
    newest = deeds[0]
    now = "it holds" if newest.deed == "put" else f"over since {_utc(newest.time)}, {_end(newest)}"
    return f"since {_utc(put.time)}, by {put.who}{why}; {now}; {more}"


def _end(newest: Deed) -> str:
    if newest.deed == "expire":
        return "when its time was up"
    return f"lifted by {newest.who}" + (f", who said: {newest.why}" if newest.why else "")


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _looked_at(
    record: DecisionRecord,
    native: Native,
    levels: tuple[Level, ...],
    policy: PolicyRecord | None,
) -> tuple[Input, ...]:
    found: list[tuple[str, str]] = []
    rules = [rule for level in levels for rule in level.rules]
    if native.stage in {Stage.GATE, Stage.LIMITS}:
        found.append(("address", record.client))
    if native.stage in {Stage.RULES, Stage.APPLICATION, Stage.GATEWAY, Stage.LOGIN}:
        found.append(("signed in as", _who(record)))
        found += _asked(record, rules)
    if record.verdict:
        found.append(("signed in as", _who(record)))
        found.append(("verdict", record.verdict))
    if is_mini_gateway(record):
        found.append(("caller", record.peer or "no certificate"))
    found += _inspected(record, policy)
    if record.offline:
        found.append(("offline grace", "the token had expired and `login` was away"))
    return tuple(Input(name, value) for name, value in found)


def _inspected(record: DecisionRecord, policy: PolicyRecord | None) -> Iterator[tuple[str, str]]:
    """What the rules of `waf` found, who demanded them, and what they did not look at."""
    found = said(record.waf)
    if found is not None:
        yield "waf", f"{found.action} (mode {found.mode})" if found.mode else found.action
        yield from looked_at(found, policy.waf if policy else "", record.path)


def _asked(record: DecisionRecord, rules: Sequence[Rule]) -> Iterator[tuple[str, str]]:
    """What the rules ask for, and what there was of it."""
    if any(rule.groups for rule in rules):
        yield "groups", ", ".join(record.groups) or "none that a policy names"
    if any(rule.email_domains or rule.users for rule in rules):
        yield "e-mail", record.email or "none"
    if any(rule.methods for rule in rules):
        yield "method", record.method
    if any(rule.paths for rule in rules):
        yield "path", record.path
    if any(rule.risk for rule in rules):
        yield "risk", "not known" if record.risk is None else str(record.risk)


def _who(record: DecisionRecord) -> str:
    if not record.credential:
        return "nobody"
    if record.credential == "expired":
        return f"{record.subject}, but the token had expired"
    if record.session_host != record.host:
        return f"nobody (the token is for {record.session_host})"
    if record.credential == "bearer":
        return f"{record.subject}, by an access token"
    if record.credential == "api-key":
        return f"{record.subject}, by an API key"
    return record.subject


def _doubt(
    record: DecisionRecord,
    policy: PolicyRecord | None,
    native: Native,
    decision: Decision | None,
) -> str:
    if record.policy and policy is None:
        return f"the policy {record.policy} is not in the store, so its rules cannot be shown"
    passed = native.stage in _PASSING and record.code != 0
    if passed and isinstance(decision, Deny | Challenge) and not record.offline:
        return "the proxy let this pass, but the stored rules refuse it: please report this"
    if native.stage is Stage.RULES and isinstance(decision, Allow):
        return "the proxy refused this, but the stored rules allow it: please report this"
    if native.stage is Stage.UNKNOWN and record.code < FIRST_ERROR:
        return "the log does not say which check decided"
    return ""
