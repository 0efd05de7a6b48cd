"""SPIFFE ids: what is one, and whose."""

import pytest

from ostiary.certs.spiffe import check_id, control_plane_host, is_trust_domain, trust_domain_of
from ostiary.errors import Refused

GOOD = "spiffe://demo.ostiary/default/default/gateway/main"


def test_a_workloads_id_is_returned_as_it_is() -> None:
    assert check_id(GOOD, "demo.ostiary") == GOOD
    assert trust_domain_of(GOOD) == "demo.ostiary"
    assert control_plane_host("demo.ostiary") == "control-plane.demo.ostiary"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://demo.ostiary/a",
        "spiffe://demo.ostiary",
        "spiffe://demo.ostiary/",
        "spiffe://demo.ostiary/a/",
        "spiffe://demo.ostiary//a",
        "spiffe://demo.ostiary/./a",
        "spiffe://demo.ostiary/../a",
        "spiffe://demo.ostiary/a?b",
        "spiffe://demo.ostiary/a#b",
        "spiffe://demo.ostiary/%61",
        "spiffe://demo.ostiary:1/a",
        "spiffe://user@demo.ostiary/a",
        "spiffe://Demo.ostiary/a",
        "SPIFFE://demo.ostiary/a",
        "spiffe://demo.ostiary/a\n",
        "spiffe://demo.ostiary/" + "a" * 2048,
    ],
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        check_id(text, "demo.ostiary")
    assert refused.value.code == "spiffe-id-malformed"


def test_another_trust_domain_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        check_id("spiffe://demo.ostiary.evil/a", "demo.ostiary")
    assert refused.value.code == "spiffe-id-foreign"


def test_a_trust_domain_is_lower_case_and_has_no_path() -> None:
    assert is_trust_domain("demo.ostiary")
    assert not is_trust_domain("Demo")
    assert not is_trust_domain("demo/a")
    assert not is_trust_domain("")
