"""Answers before the firewall in a real Envoy: those of the application, and only where wanted."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from guard_clients import Plain, close_all
from waf_clients import ask
from waf_rig import WafRig, waf_rig

pytestmark = pytest.mark.envoy


@pytest.fixture(scope="module")
def waf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WafRig]:
    """One Envoy for all."""
    with waf_rig(tmp_path_factory.mktemp("answers")) as made:
        yield made


@pytest.fixture(autouse=True)
def _closed(waf: WafRig) -> Iterator[None]:
    yield
    close_all()
    waf.until_idle()


@pytest.mark.parametrize("name", ["leak", "drip"])
def test_an_answer_that_leaks_is_stopped_where_answers_are_watched(waf: WafRig, name: str) -> None:
    assert "secret-4711" in ask(waf.port, f"/unwatched/{name}").body
    said = ask(waf.port, f"/answers/{name}")
    assert (said.status, said.body) == (
        403,
        "ostiary.waf_blocked|A leak in the answer|RESPONSE_BODY",
    )
    entry = waf.logged(f"/answers/{name}")
    assert (entry["flags"], entry["details"]) == ("OWF", "ostiary.waf_blocked")
    assert (entry["waf"]["phase"], entry["waf"]["by"]) == (5, 5001)


def test_the_head_of_an_answer_is_watched_too(waf: WafRig) -> None:
    assert ask(waf.port, "/answers/debug").status == 403
    assert waf.logged("/answers/debug")["waf"]["phase"] == 3


def test_what_is_no_text_is_not_read(waf: WafRig) -> None:
    assert "leaked-secret" in ask(waf.port, "/answers/file").body


def test_an_answer_is_read_up_to_its_limit_and_the_rest_passes(waf: WafRig) -> None:
    said = ask(waf.port, "/answers/late")
    assert said.status == 200
    assert "secret-4711" in said.body


def test_the_application_is_not_asked_for_what_no_rule_can_read(waf: WafRig) -> None:
    asked = "Accept-Encoding: gzip"
    assert "gzip" not in ask(waf.port, "/answers/x", asked).body
    assert "gzip" in ask(waf.port, "/unwatched/x", asked).body


def test_a_page_without_fault_arrives_whole(waf: WafRig) -> None:
    assert ask(waf.port, "/answers/page").body == "<p>fine</p>" * 2000


def test_events_are_not_held_up(waf: WafRig) -> None:
    for path in ("/sse", "/watched/sse"):
        client = Plain(waf.port).ask(path)
        client.until(b"data: x")
        assert client.took < 1
        assert waf.state["requests"] == 1
        client.close()
        waf.until_idle()


def test_our_own_refusals_are_not_held_against_rules(waf: WafRig) -> None:
    said = ask(waf.port, "/between/answers")
    assert (said.status, said.body.partition("|")[0]) == (
        403,
        "rbac_access_denied_matched_policy[between]",
    )


def test_a_stream_of_calls_goes_on(waf: WafRig) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{waf.port}") as channel:
        watch = channel.unary_stream("/test.Service/Watch")(b"x", timeout=5)
        assert [next(watch) for _ in range(3)] == [b"x"] * 3
        watch.cancel()
