"""What the documents say is true: links lead somewhere, numbers have their bench file."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")]
    if path.is_file()
)
NEEDED = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "LICENSE",
    "docs/reference/document.md",
    "docs/reference/errors.md",
)


@pytest.mark.parametrize("needed", NEEDED)
def test_a_stranger_finds_the_usual_pages(needed: str) -> None:
    assert (ROOT / needed).is_file()


def test_the_readme_is_read_in_one_go() -> None:
    assert (ROOT / "README.md").read_text().count("\n") <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} -> {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_named_files_exist(page: Path) -> None:
    if "decisions" in page.parts or page.name == "CHANGELOG.md":
        return
    named = re.findall(r"`((?:src|tests|bench|docs|tools|examples)/[\w./-]+\w)`", page.read_text())
    for target in named:
        assert (ROOT / target).exists(), f"{page.relative_to(ROOT)} names {target}"


def test_nothing_of_a_machine_is_in_the_repository() -> None:
    if shutil.which("git") is None:
        pytest.skip("there is no git here")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    files = [ROOT / f for f in listed.stdout.split("\0") if f and not f.startswith("uv.lock")]
    if not files:
        pytest.skip("this copy is not a git checkout")
    words = re.compile(rb"/work/main|/tmp/scratch|/root/|pythonhosted|pypi\.org")
    for file in files:
        if file == Path(__file__) or not file.is_file():
            continue
        assert not words.search(file.read_bytes()), file.relative_to(ROOT)
