"""`access` of one noun as a level of rules, and what is wrong with it.

Fed by gateways, services and routes alike; the rules go to `policy` through the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ostiary.errors import ConfigError
from ostiary.features.access import AccessRule, Who, scores
from ostiary.language.document import Noun
from ostiary.language.patterns import origin_trouble, path_trouble
from ostiary.language.written import Levelled
from ostiary.policy.rules import Effect, Level, Rule
from ostiary.wire import GUARD_WHEEL

_IDENTITY = ("users", "groups", "email_domains")


def level(noun: Noun[Levelled]) -> Level | None:
    """The noun's `access` as a level; None when it has none."""
    rules = noun.value.access
    if rules is None:
        return None
    made = [_rule(noun, index, rule) for index, rule in enumerate(rules)]
    return Level(str(noun), tuple(rule for rule in made if rule is not None))


def groups(levels: tuple[Level, ...]) -> frozenset[str]:
    """Every group that `levels` name."""
    return frozenset(name for level in levels for rule in level.rules for name in rule.groups or ())


def needs_identity(rule: Rule) -> bool:
    """Whether the rule asks who somebody is. An `allow` does unless it is public."""
    if rule.public:
        return False
    asks = rule.users is not None or rule.groups is not None or rule.email_domains is not None
    return asks or rule.effect is Effect.ALLOW


def _rule(noun: Noun[Levelled], index: int, rule: AccessRule) -> Rule | None:
    effect = Effect.ALLOW if rule.allow is not None else Effect.DENY
    who = rule.allow if rule.allow is not None else rule.deny
    if who is None:
        return None
    domains = who.email_domains
    return Rule(
        name=who.name or f"{noun.name}/access[{index}]",
        effect=effect,
        public=bool(who.public),
        users=_set(who.users),
        groups=_set(who.groups),
        email_domains=_set([domain.lower() for domain in domains] if domains else None),
        methods=_set(who.methods),
        paths=_set(who.paths),
        risk=None if who.risk is None else scores(who.risk),
    )


def _set(words: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if words is None else tuple(dict.fromkeys(words))


def level_faults(noun: Noun[Levelled]) -> Iterator[ConfigError]:
    """What is wrong with the noun's own rules and words, whatever stands above or below it."""
    for index, origin in enumerate(noun.value.cors.origins if noun.value.cors else ()):
        trouble = origin_trouble(origin)
        if trouble is not None:
            place = noun.at("cors", "origins", index)
            yield ConfigError(trouble.code, f"{noun}: {trouble.sentence}", place, trouble.hint)
    for index, rule in enumerate(noun.value.access or ()):
        written = [effect for effect in ("allow", "deny") if getattr(rule, effect) is not None]
        if len(written) != 1:
            yield ConfigError(
                "plan.rule",
                f"{noun}: a rule is one of allow and deny, not {'both' if written else 'neither'}",
                noun.at("access", index),
                "write two rules" if written else "write `allow: {...}` or `deny: {...}`",
            )
            continue
        yield from _who_faults(noun, index, written[0], getattr(rule, written[0]))


def _who_faults(noun: Noun[Levelled], index: int, effect: str, who: Who) -> Iterator[ConfigError]:
    def fault(code: str, sentence: str, hint: str, *steps: str | int) -> ConfigError:
        place = noun.at("access", index, effect, *steps)
        return ConfigError(code, f"{noun}: {sentence}", place, hint)

    for key in _IDENTITY:
        words = getattr(who, key)
        if words is not None and who.public:
            sentence = f"`public` and `{key}` exclude each other"
            yield fault("plan.public-rule", sentence, "leave one of them out", key)
        for position, word in enumerate(words or ()):
            if not word.strip() or word != word.strip():
                sentence = f'"{word}" in `{key}` can never match'
                yield fault("plan.word", sentence, "take the spaces out", key, position)
            elif key == "email_domains" and ("@" in word or "*" in word):
                sentence = f'"{word}" is not an e-mail domain'
                hint = "write the part behind the @, such as corp.example"
                yield fault("plan.word", sentence, hint, key, position)
    for position, path in enumerate(who.paths or ()):
        trouble = path_trouble(path)
        if trouble is not None:
            yield fault(trouble.code, trouble.sentence, trouble.hint, "paths", position)


def guard_faults(noun: Noun[Levelled]) -> Iterator[ConfigError]:
    """What of the noun needs the guard, where there is none."""
    if noun.value.trust is not None:
        yield needs_guard(noun, "trust", "trust")
    if noun.value.credentials is not None:
        yield needs_guard(noun, "credentials", "credentials")
    for index, rule in enumerate(noun.value.access or ()):
        for effect, who in (("allow", rule.allow), ("deny", rule.deny)):
            if who is not None and who.risk is not None:
                yield needs_guard(noun, "risk", "access", index, effect, "risk")


def needs_guard(noun: Noun[Levelled], key: str, *steps: str | int) -> ConfigError:
    """The fault of `key`, which stands at `steps`, where there is no guard."""
    return ConfigError(
        "plan.guard",
        f"{noun}: `{key}` needs the guard, and this installation has none",
        noun.at(*steps),
        f"install the wheel `{GUARD_WHEEL}` where the control plane runs, or take it away",
    )


def level_warnings(noun: Noun[Levelled]) -> Iterator[str]:
    """What is sound and yet probably not meant."""
    trust = noun.value.trust
    if trust is not None and trust.then == "keep":
        place = noun.at("trust", "then")
        yield f"{place}: {noun} goes on while newer verdicts may be missing: {trust.because}"
    for index, rule in enumerate(noun.value.access or ()):
        if rule.deny is not None and rule.deny.paths:
            yield (
                f"{noun.at('access', index)}: {noun} denies by path; a path that an application "
                f"spells in another way passes, so allow the paths you mean instead"
            )
