"""Work that a request uses up in a real Envoy, and phrases that rules read from files."""

from __future__ import annotations

import pytest
from guard_rig import Tree
from waf_clients import FORM, SQL, ask, post
from waf_rig import WafRig, rules, site, waf_rig

pytestmark = pytest.mark.envoy

POOR = 200_000
"""Work units: plenty for a short request, and not enough for the long one."""
LONG = b"a=7+" + b"one+more+word+" * 1000
COUNTED = """
SecRequestBodyAccess On
SecAction "id:1,phase:1,nolog,pass,setvar:tx.blocking_inbound_anomaly_score=0"
SecRule ARGS:file "@contains ../" \
  "id:2,phase:2,pass,msg:'A file',setvar:tx.blocking_inbound_anomaly_score=+5"
SecRule ARGS:a "@rx (?:[a-z ]{0,60}m[a-z ]{0,60}n){9}7" "id:3,phase:2,deny"
SecRule TX:blocking_inbound_anomaly_score "@ge %{tx.inbound_anomaly_score_threshold}" \
  "id:9,phase:2,deny"
"""
"""A cheap rule that adds to the score, a dear one that never matches, and the sum."""
LISTED = (
    'SecRule ARGS "@pmFromFile words/bad.data" '
    "\"id:6001,phase:2,deny,status:403,msg:'A word of the list',t:lowercase\""
)


def poor(exhausted: str, **more: object) -> Tree:
    return site("own", exhausted=exhausted, budget=POOR, **more)


ROUTES: dict[str, Tree | None] = {
    "/block": poor("block"),
    "/score": poor("score"),
    "/lenient": poor("score", threshold=10),
    "/flag": poor("flag"),
    "/shadow": poor("block", mode="shadow"),
    "/": site("listed"),
}


def test_a_budget_that_is_used_up_does_what_the_route_says(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("budget")
    with waf_rig(folder, sets={"own": rules(COUNTED, core=False), "listed": rules()}) as waf:
        before = waf.stat("http.edge.rds.r.update_success")
        waf.routes(ROUTES)
        waf.until_stat("http.edge.rds.r.update_success", before)
        for route in ("/block", "/score", "/lenient", "/flag", "/shadow"):
            assert post(waf.port, f"{route}/short", b"a=b").status == 200
        said = post(waf.port, "/block/a", LONG)
        assert (said.status, said.body.partition("|")[0]) == (403, "ostiary.waf_exhausted")
        said = post(waf.port, "/score/a", LONG)
        assert (said.status, said.body.partition("|")[0]) == (403, "ostiary.waf_blocked")
        for route in ("/lenient", "/flag", "/shadow"):
            assert post(waf.port, f"{route}/a", LONG).status == 200
        _told(waf)


def _told(waf: WafRig) -> None:
    """Each of them left an event that says so."""
    for path, action, score, by in (
        ("/block/a", "blocked", 0, 0),
        ("/score/a", "blocked", 5, 9),
        ("/lenient/a", "flagged", 5, 0),
        ("/flag/a", "flagged", 0, 0),
        ("/shadow/a", "flagged", 0, 0),
    ):
        told = waf.logged(path)["waf"]
        assert (told["action"], told["score"], told["by"]) == (action, score, by), path
        assert told["exhausted"]
        assert told["brief"]["exhausted"]


def test_what_was_found_before_the_end_of_the_budget_stops_the_request(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("found")
    with waf_rig(folder, sets={"own": rules(COUNTED, core=False), "listed": rules()}) as waf:
        before = waf.stat("http.edge.rds.r.update_success")
        waf.routes(ROUTES)
        waf.until_stat("http.edge.rds.r.update_success", before)
        # The file is found first, the long text uses the budget up afterwards.
        said = post(waf.port, "/flag/both?file=../../etc/passwd", LONG)
        assert (said.status, said.body.partition("|")[0]) == (403, "ostiary.waf_blocked")
        assert waf.logged("/flag/both?file=../../etc/passwd")["waf"]["exhausted"]


def test_phrases_from_a_file_travel_with_the_rules(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("listed")
    data = {"bad.data": "# a list\nbadger\nhoney pot\n"}
    with waf_rig(
        folder, sets={"own": rules(COUNTED, core=False), "listed": rules(LISTED, data=data)}
    ) as waf:
        before = waf.stat("http.edge.rds.r.update_success")
        waf.routes(ROUTES)
        waf.until_stat("http.edge.rds.r.update_success", before)
        assert ask(waf.port, "/a?q=a%20BADGER%20here").status == 403
        assert waf.logged("/a?q=a%20BADGER%20here")["waf"]["rules"] == [6001]
        assert post(waf.port, "/b", b"q=honey+pot", FORM).status == 403
        for passed in ("bad", "honey", "list"):
            assert ask(waf.port, f"/c?q={passed}").status == 200
        assert ask(waf.port, f"/d?id={SQL}").status == 403
        bad = "extension_config_discovery.http_filter.*config_fail"
        before = waf.stat(bad)
        waf.sets({"own": rules(), "without": rules(LISTED)})
        waf.until_stat(bad, before)
        assert ask(waf.port, "/e?q=badger").status == 403
