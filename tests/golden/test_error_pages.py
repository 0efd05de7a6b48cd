"""Every code of a document's fault has a page that shows it, and says exactly what comes out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from error_pages import OUTPUT, outcome

from ostiary.language.codes import CODES

PAGES = sorted((Path(__file__).parent / "errors").glob("*.md"))
SOURCE = Path(__file__).parents[2] / "src/ostiary"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_fault_reads_as_its_page_says(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    came_out = outcome(text, tmp_path)
    if request.config.getoption("--golden-update"):
        page.write_text(OUTPUT.sub(lambda _: f"```text\n{came_out}```", text))
    else:
        found = OUTPUT.search(text)
        assert found
        assert came_out == found[1]
    assert f": {page.stem}: " in came_out


def test_every_code_has_its_page_and_its_meaning() -> None:
    assert {page.stem for page in PAGES} == set(CODES)


def test_every_code_of_the_source_is_known() -> None:
    quoted = re.compile(
        r'"((?:yaml|file|document|plan|certificate|secret|rules)\.[a-z][a-z0-9-]*)"'
    )
    files = [*SOURCE.glob("language/*.py"), *SOURCE.glob("plan/*.py"), *SOURCE.glob("sources/*.py")]
    written = {code for file in files for code in quoted.findall(file.read_text())}
    # Those of `certs.pair` reach a person under a prefix of ours.
    pair = (SOURCE / "certs/pair.py").read_text()
    written |= {code.replace("-", ".", 1) for code in re.findall(r'"(certificate-[a-z-]+)"', pair)}
    written |= {"certificate.unreadable", "secret.unreadable"}
    assert written == set(CODES)


def test_a_page_says_in_a_sentence_what_it_shows() -> None:
    for page in PAGES:
        title, _, sentence = page.read_text().partition("\n\n")
        assert title == f"# {page.stem}"
        assert re.match(r"[A-Z`][^\n]+", sentence), page.stem
