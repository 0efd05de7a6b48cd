"""Host names as people write them: with the guard a scope is found whatever their case (0005)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from compiled_site import Site, lines, plan_of, running, upstream
from envoy_process import free_port

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An exact host, and hosts below a wildcard."""
    with upstream() as application:
        text = f"""\
gateway:
  https: {{port: {free_port()}, address: 127.0.0.1, hosts: ["*.localhost", "*.apps.localhost"]}}
services: {{app: {{at: ["127.0.0.1:{application.port}"]}}}}
routes:
  exact: {{host: notes.localhost, to: app, access: public}}
  wild: {{host: "*.apps.localhost", to: app, access: public}}
"""
        plan = plan_of(text, "guard")
        with running(plan, tmp_path_factory.mktemp("names"), "guard") as made:
            yield made


@pytest.mark.parametrize(
    "name",
    [
        "notes.localhost",
        "Notes.LocalHost",
        "NOTES.LOCALHOST:8443",
        "notes.localhost.",
        "One.Apps.localhost",
        "two.one.apps.localhost:1",
    ],
)
def test_a_name_is_found_in_any_case_and_reaches_the_application_in_lower(
    site: Site, name: str
) -> None:
    answer = site.ask(name, "/")
    assert answer.status == 200
    bare = name.lower().rpartition(":")[0] if ":" in name else name.lower()
    assert lines(answer, "host") == [f"{bare.removesuffix('.')}:{site.port}"]
    assert not lines(answer, "x-ostiary-scope")


@pytest.mark.parametrize("name", ["other.localhost", "apps.localhost", "notes.localhost.evil"])
def test_another_name_is_404_as_ever(site: Site, name: str) -> None:
    assert site.ask(name, "/").status == 404


def test_below_a_wildcard_a_name_has_to_be_a_plain_one(site: Site) -> None:
    assert site.ask("evil.example,a.apps.localhost", "/").status in {400, 404}
    assert site.ask("a@b.apps.localhost", "/").status in {400, 404}


def test_a_client_cannot_say_in_which_scope_it_is(site: Site) -> None:
    forged = "X-Ostiary-Scope: https|notes.localhost"
    assert site.ask("other.localhost", "/", forged).status == 404
