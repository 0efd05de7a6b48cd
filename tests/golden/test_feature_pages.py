"""Every feature has a page that shows what it becomes, and the whole of it is sound for Envoy."""

from __future__ import annotations

from pathlib import Path

import pytest
from feature_pages import WITH_GUARD, compile_page, rendered

PAGES = sorted((Path(__file__).parent / "features").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_document_becomes_what_its_page_shows(page: Path, request: pytest.FixtureRequest) -> None:
    text = page.read_text()
    came_out = rendered(text, compile_page(text))
    if request.config.getoption("--golden-update"):
        page.write_text(came_out)
    else:
        assert came_out == text


@pytest.mark.envoy
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_real_envoy_finds_all_of_a_page_sound(page: Path, tmp_path: Path) -> None:
    import guard_library  # noqa: PLC0415  its folder is on the path by now
    from envoy_inline import verdict  # noqa: PLC0415  same

    if f"```yaml {WITH_GUARD}" in page.read_text():
        guard_library.needed()
    compiled = compile_page(page.read_text())
    if "ostiary.waf_head" in page.read_text():
        guard_library.needed("waf_head")
    for view in compiled.snapshot.views.values():
        assert verdict(view, tmp_path) == ""


@pytest.mark.envoy
def test_the_real_envoy_would_say_what_is_unsound(tmp_path: Path) -> None:
    from envoy_inline import inlined  # noqa: PLC0415  its folder is on the path by now
    from envoy_process import validate  # noqa: PLC0415  same

    compiled = compile_page(PAGES[0].read_text())
    broken = inlined(next(iter(compiled.snapshot.views.values())))
    broken.static_resources.listeners[0].address.socket_address.port_value = 70_000
    assert "70000" in validate(broken, tmp_path)


def test_every_feature_has_a_page() -> None:
    features = Path(__file__).parents[2] / "src/ostiary/features"
    names = {file.stem.replace("_", "-") for file in features.glob("[!_]*.py")} - {
        "fragment",
        "replies",
        "roles",
    }
    assert names <= {page.stem for page in PAGES}
