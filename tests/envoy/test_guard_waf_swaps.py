"""Rule sets that change under traffic, in a real Envoy: nobody notices, and bad ones do nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from guard_clients import Plain, close_all
from waf_clients import SQL, ask, post
from waf_rig import OWN, ROUTES, WafRig, rules, site, waf_rig

pytestmark = pytest.mark.envoy
LATER = 'SecRule ARGS:id "@streq new" "id:6001,phase:2,deny,msg:\'The new rule\'"'


@pytest.fixture
def waf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WafRig]:
    """An Envoy of its own for each test."""
    with waf_rig(tmp_path_factory.mktemp("swaps")) as made:
        yield made
    close_all()


@contextmanager
def traffic(waf: WafRig, path: str) -> Iterator[list[int]]:
    """Requests without end; the status of each."""
    seen: list[int] = []
    over = threading.Event()

    def go_on() -> None:
        while not over.is_set():
            seen.append(post(waf.port, path, b"a=1").status)

    threads = [threading.Thread(target=go_on) for _ in range(4)]
    for one in threads:
        one.start()
    try:
        yield seen
    finally:
        over.set()
        for one in threads:
            one.join()


def swap(waf: WafRig, name: str, **more: object) -> None:
    """Another rule set comes, and then the routes that use it."""
    before = waf.stat("extension_config_discovery.http_filter.*config_reload")
    waf.sets({name: rules(LATER), "core": rules()})
    waf.until_stat("extension_config_discovery.http_filter.*config_reload", before)
    before = waf.stat("http.edge.rds.r.update_success")
    waf.routes(ROUTES | {"/": site(name, **more)})
    waf.until_stat("http.edge.rds.r.update_success", before)


def test_rules_change_under_traffic_without_a_failed_request(waf: WafRig) -> None:
    assert ask(waf.port, "/a?id=new").status == 200
    slow = Plain(waf.port)
    slow.ask("/slow", "Content-Length: 6", "Content-Type: text/plain", method="POST")
    slow.wire.sendall(b"id=")
    with traffic(waf, "/a") as seen:
        for number in range(4):
            swap(waf, f"later{number}")
            assert ask(waf.port, "/a?id=new").status == 403
        time.sleep(0.1)
    assert len(seen) > 20
    assert set(seen) == {200}
    # A request that came under the old rules ends under them.
    slow.wire.sendall(b"new")
    assert slow.head().status == 200
    slow.close()
    waf.until_idle()


def test_a_bad_rule_set_is_refused_and_the_old_one_stays(waf: WafRig) -> None:
    name = "extension_config_discovery.http_filter.*config_fail"
    before = waf.stat(name)
    waf.sets({"bad": rules('SecRule ARGS "@rx (" "id:1,phase:2,deny"')})
    waf.until_stat(name, before)
    assert 'rule set "bad": own0.conf:1' in waf.envoy.log
    assert ask(waf.port, f"/a?id={SQL}").status == 403
    assert ask(waf.port, "/a").status == 200


def test_a_bad_route_is_refused_and_the_old_one_stays(waf: WafRig) -> None:
    before = waf.stat("http.edge.rds.r.update_rejected")
    bad = site(exclude=[{"rules": [1], "targets": ["NOWHERE:x"]}])
    waf.routes(ROUTES | {"/": bad})
    waf.until_stat("http.edge.rds.r.update_rejected", before)
    assert "NOWHERE" in waf.envoy.log
    assert ask(waf.port, f"/a?id={SQL}").status == 403


def test_a_route_refuses_until_its_rules_are_there(waf: WafRig) -> None:
    said = ask(waf.port, "/later/a")
    assert (said.status, said.body.partition("|")[0]) == (500, "ostiary.guard_failed")
    waf.sets({"own": rules(OWN), "later": rules(LATER)})
    end = time.monotonic() + 5
    while ask(waf.port, "/later/a").status != 200:
        assert time.monotonic() < end
    assert ask(waf.port, "/later/a?id=new").status == 403


def test_what_nobody_uses_is_given_back(waf: WafRig) -> None:
    many = waf.state["plans"]
    swap(waf, "next")
    waf.routes({"/": site("next")})
    end = time.monotonic() + 5
    while waf.state["plans"] >= many:
        assert time.monotonic() < end, waf.state
        time.sleep(0.05)
