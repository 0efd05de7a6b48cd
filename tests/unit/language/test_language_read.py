"""Documents are read whole: short forms, several files, every fault at once, nothing guessed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from ostiary.errors import Faults, Place
from ostiary.language import voice
from ostiary.language.document import Document
from ostiary.language.gateway import Gateway
from ostiary.language.read import Reader, read
from ostiary.language.route import Route
from ostiary.language.service import Service
from ostiary.language.tree import Tree
from ostiary.sources.yaml_tree import parse


def document(*texts: str) -> Document:
    return read(trees(*texts))


def trees(*texts: str) -> list[Tree]:
    return [tree for n, text in enumerate(texts) for tree in parse(f"{n}.yaml", text.encode())]


def codes(*texts: str) -> list[str]:
    with pytest.raises(Faults) as raised:
        document(*texts)
    return [fault.code for fault in raised.value]


def test_the_short_gateway_is_the_gateway_main() -> None:
    found = document("gateway:\n  https: {port: 8443}\n  access: public\n").gateways["main"]
    assert found.value.listeners["https"].port == 8443
    assert found.value.access is not None
    assert found.place == Place("0.yaml", 1, 1)
    assert found.at("listeners", "https", "port") == Place("0.yaml", 2, 11)


def test_the_long_gateway_means_the_same() -> None:
    short = document("gateway: {https: {port: 1}}")
    long = document("gateways: {main: {listeners: {https: {port: 1}}}}")
    assert short.gateways["main"].value == long.gateways["main"].value


def test_a_fault_in_the_short_form_stands_where_it_was_written() -> None:
    with pytest.raises(Faults) as raised:
        document("gateway:\n  https:\n    port: 99999\n")
    assert [fault.place for fault in raised.value] == [Place("0.yaml", 3, 11)]


def test_single_words_stand_for_lists() -> None:
    found = document("routes: {a: {host: A.Example, path: /x, to: s, access: public}}")
    route = found.routes["a"].value
    assert (route.host, route.path) == (["a.example"], ["/x"])
    assert route.access is not None
    assert route.access[0].allow is not None
    assert route.access[0].allow.public is True


def test_login_true_is_every_provider() -> None:
    route = document("routes: {a: {host: a.example, login: true}}").routes["a"].value
    assert route.login is not None
    assert route.login.providers is None


def test_several_files_are_one_document() -> None:
    found = document("routes: {a: {host: a.example}}", "routes: {b: {host: b.example}}")
    assert set(found.routes) == {"a", "b"}
    assert found.routes["b"].place.file == "1.yaml"


def test_a_name_in_two_files_names_both_places() -> None:
    with pytest.raises(Faults) as raised:
        document("routes: {a: {host: a.example}}", "\nroutes: {a: {host: b.example}}")
    (fault,) = raised.value
    assert fault.place == Place("1.yaml", 2, 10)
    assert "0.yaml:1:10" in fault.message


def test_two_trust_domains_are_one_too_many() -> None:
    assert codes("trust_domain: a.example", "trust_domain: b.example") == [
        "document.duplicate-name"
    ]


def test_all_faults_come_at_once() -> None:
    found = codes(
        "routes:\n  a: {hots: a.example}\n  b: {host: 5}\n",
        "services: {s: {at: nowhere}}\nsesions: {}\n",
    )
    assert found == [
        "document.missing-key",
        "document.unknown-key",
        "document.wrong-type",
        "document.address",
        "document.unknown-key",
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("just words", "document.wrong-type"),
        ("routes: [a]", "document.wrong-type"),
        ("routes: {a: {host: a.example, methods: [GET], methods_: 1}}", "document.unknown-key"),
        ("routes: {a: {host: '*'}}", "document.host"),
        ("routes: {a: {host: 'a.*.example'}}", "document.host"),
        ("routes: {a: {host: []}}", "document.wrong-value"),
        ("routes: {a: {host: a.example, path: /A%2e}}", "document.path"),
        ("routes: {a: {host: a.example, path: '/a b'}}", "document.path"),
        ("routes: {a: {host: a.example, access: Public}}", "document.wrong-value"),
        (
            "routes: {a: {host: a.example, access: [{allow: {public: false}}]}}",
            "document.wrong-value",
        ),
        ("routes: {a: {host: a.example, login: false}}", "document.wrong-value"),
        ("identity: {provider: {}}", "document.unknown-key"),
        ("trust_domain: Corp", "document.wrong-value"),
        ("trust_domain: 5", "document.wrong-value"),
        ("services: {s: {at: []}}", "document.wrong-value"),
        ("services: {s: {at: '127.0.0.1:99999'}}", "document.address"),
        ("services: {s: {at: 'unix:run/x'}}", "document.address"),
        ("services: {s: {at: '::1:80'}}", "document.address"),
        ("routes: {a: {host: a.example, access: }}", "document.no-value"),
        ("routes: {a: {host: [a.example, ]}, b: {host: [~]}}", "document.no-value"),
        ("gateway: {https: {port: 1, sign_in_host: '*.example'}}", "document.host"),
        ("sessions: {token: 60}", "document.wrong-type"),
        ("gateway: {https: {port: 0}}", "document.wrong-value"),
        ("gateway: {https: {port: true}}", "document.wrong-type"),
    ],
)
def test_what_cannot_be_is_refused(text: str, code: str) -> None:
    assert codes(text) == [code]


@pytest.mark.parametrize("address", ["127.0.0.1:1", "[::1]:65535", "unix:/run/a b", "db.local:80"])
def test_addresses_that_are(address: str) -> None:
    assert document(f"services: {{s: {{at: '{address}'}}}}").services["s"].value.at == [address]


def test_an_empty_section_is_no_fault() -> None:
    assert not document("routes:\nservices: {}\n").routes


def test_a_lenient_reading_keeps_what_is_sound_and_what_is_broken() -> None:
    text = "routes: {a: {host: a.example}, b: {hots: b.example}}"
    found, faults = Reader().read_lenient(trees(text))
    assert set(found.routes) == {"a"}
    assert [noun.name for noun in found.broken] == ["b"]
    assert len(faults) == 2


def test_unchanged_trees_keep_their_nouns() -> None:
    reader = Reader()
    first = trees("routes: {a: {host: a.example}}", "routes: {b: {host: b.example}}")
    before = reader.read(first)
    second = [first[0], *trees("routes: {b: {host: c.example}, c: {host: d.example}}")]
    after = reader.read(second)
    assert after.routes["a"] is before.routes["a"]
    assert after.routes["b"] is not before.routes["b"]
    assert set(after.routes) == {"a", "b", "c"}
    assert after.services is before.services
    assert set(reader.read(first).routes) == {"a", "b"}


def test_a_name_that_moves_into_another_file_is_not_twice() -> None:
    reader = Reader()
    one, two = trees("routes: {a: {host: a.example}}", "routes: {b: {host: b.example}}")
    reader.read([one, two])
    (moved,) = trees("routes: {a: {host: a.example}, b: {host: b.example}}")
    assert set(reader.read([moved]).routes) == {"a", "b"}
    with pytest.raises(Faults):
        reader.read([moved, two])
    assert set(reader.read([one, two]).routes) == {"a", "b"}


def _patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        if isinstance(schema.get("pattern"), str):
            yield schema["pattern"]
        for below in schema.values():
            yield from _patterns(below)
    elif isinstance(schema, list):
        for below in schema:
            yield from _patterns(below)


@pytest.mark.parametrize("model", [Gateway, Route, Service])
def test_every_pattern_has_words(model: type[BaseModel]) -> None:
    found = set(_patterns(model.model_json_schema()))
    assert found
    assert found <= set(voice._PATTERNS)
