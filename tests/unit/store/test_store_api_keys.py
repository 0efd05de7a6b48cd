"""API keys in the store: their lives, and the verdicts that tell the guards of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.errors import Refused
from ostiary.identity.api_keys import KEY_PREFIX, ApiKey, digest, write_key
from ostiary.store.api_keys import ApiKeys
from ostiary.store.database import Database
from ostiary.store.verdicts import Verdicts
from ostiary.trust.verdict import Effect, Kind

NOW = 1_800_000_000.0
OLD, NEW = digest(write_key(1)), digest(write_key(2))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database.in_folder(tmp_path)
    made.create()
    yield made
    made.close()


def key(sha256: str = OLD, **changes: object) -> ApiKey:
    values: dict[str, object] = {
        "sha256": sha256,
        "name": "backup",
        "owner": "",
        "groups": ("robots",),
        "scopes": ("read",),
        "created": NOW,
        "expires": NOW + 3600,
    }
    return ApiKey(**(values | changes))  # type: ignore[arg-type]


def effects(database: Database, sha256: str, now: float = NOW) -> list[Effect]:
    found = Verdicts(database).all(now, Kind.API_KEY, sha256)
    return sorted(one.effect for one in found)


def test_a_key_is_letters_and_digits_behind_its_word() -> None:
    for secret in (0, 1, 2**256 - 1):
        text = write_key(secret)
        assert text.startswith(KEY_PREFIX)
        assert len(text) == 54
        assert text.removeprefix(KEY_PREFIX).isalnum()
    assert write_key(1) != write_key(2)


def test_a_key_lives_and_its_verdict_with_it(database: Database) -> None:
    keys = ApiKeys(database)
    keys.add(key(), "ada")
    found = keys.find(OLD)
    assert found is not None
    assert (found.user, found.groups, found.holds(NOW)) == ("key:backup", ("robots",), True)
    assert not found.holds(NOW + 3600)
    assert effects(database, OLD) == [Effect.KNOWN]
    keys.revoke(found.id, NOW + 1, "ada")
    revoked = keys.find(OLD)
    assert revoked is not None
    assert not revoked.holds(NOW + 1)
    assert effects(database, OLD) == [Effect.DENY]
    assert keys.all() == []


def test_a_successor_is_as_good_for_as_long_and_the_old_one_ends(database: Database) -> None:
    keys = ApiKeys(database)
    keys.add(key(), "ada")
    made = keys.replace(key().id, NEW, 60.0, NOW + 100, "ada")
    assert (made.groups, made.scopes, made.expires) == (("robots",), ("read",), NOW + 3700)
    old = keys.find(OLD)
    assert old is not None
    assert old.holds(NOW + 159)
    assert not old.holds(NOW + 160)
    assert effects(database, OLD, NOW + 159) == [Effect.KNOWN]
    assert effects(database, NEW) == [Effect.KNOWN]
    with pytest.raises(Refused, match="is over or revoked"):
        keys.replace(old.id, digest(write_key(3)), 60.0, NOW + 200, "ada")


def test_a_key_of_nobody_is_refused(database: Database) -> None:
    keys = ApiKeys(database)
    with pytest.raises(Refused, match="no account 'nobody'"):
        keys.add(key(owner="nobody"), "ada")
    with pytest.raises(Refused, match="no API key 'x'"):
        keys.revoke("x", NOW, "ada")
