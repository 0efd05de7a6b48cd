"""The container and the unit: every step that a machine without them can run, and what comes out.

Their commands are mapped into a temporary folder; the program that they start really starts.
"""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from up_process import free_ports, until

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "packaging/Dockerfile"
UNIT = ROOT / "packaging/ostiary.service"
UV = next((p for p in (str(Path(sys.executable).with_name("uv")), shutil.which("uv")) if p), "")
needs_uv = pytest.mark.skipif(not shutil.which(UV), reason="NO UV: the image's steps were skipped")


def steps(name: str) -> list[list[tuple[str, str]]]:
    """The instructions of a Dockerfile, a list for each stage."""
    text = re.sub(r"\\\n", " ", (ROOT / name).read_text())
    stages: list[list[tuple[str, str]]] = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, rest = line.split(None, 1)
        if word == "FROM":
            stages.append([])
        stages[-1].append((word, rest.strip()))
    return stages


BUILD, FINAL = steps("packaging/Dockerfile")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage leaves in /opt/ostiary, made of its own instructions."""
    root = tmp_path_factory.mktemp("image")
    source = root / "src"
    source.mkdir()
    for word, rest in BUILD:
        if word == "COPY":
            *names, target = rest.split()
            for name in names:
                _copy(ROOT / name, source / target / ("" if target == "./" else "."))
        elif word == "RUN" and not rest.startswith("pip install"):
            command = rest.replace("/opt/ostiary", str(root / "opt")).replace(
                "uv sync", f"{UV} sync"
            )
            environment = {**os.environ, "UV_PYTHON": sys.executable}
            subprocess.run(command, shell=True, cwd=source, env=environment, check=True)  # noqa: S602
    return root / "opt"


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    else:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)


def test_every_source_of_the_image_is_in_the_repository() -> None:
    for word, rest in BUILD:
        if word == "COPY":
            for name in rest.split()[:-1]:
                assert (ROOT / name).exists(), name


def test_the_image_names_its_base_and_runs_as_nobody_special() -> None:
    bases = [rest.split()[0] for stage in (BUILD, FINAL) for word, rest in stage if word == "FROM"]
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", bases[0]), bases
    assert next(rest for word, rest in FINAL if word == "USER") not in {"0", "root"}
    assert ("STOPSIGNAL", "SIGTERM") in FINAL


@needs_uv
def test_the_image_holds_the_whole_program(image: Path) -> None:
    said = subprocess.run(
        [str(image / "bin/ostiary"), "--version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == version("ostiary")
    (package,) = image.glob("lib/python*/site-packages/ostiary")
    assert (package / "py.typed").exists()
    assert list((package / "login/templates").glob("*.html"))
    assert list((package / "store/migrations/versions").glob("0*.py"))
    assert not (package.parent / "pytest").exists()


@pytest.fixture
def documents(tmp_path: Path) -> Iterator[Path]:
    (port,) = free_ports(1)
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "gateway.yaml").write_text(
        f"gateway:\n  https: {{ port: {port}, address: 127.0.0.1, hosts: [a.localhost] }}\n"
        "identity: { providers: { local: {} } }\n"
        "routes:\n  a: { host: a.localhost, login: true, respond: { body: hello },\n"
        "       access: [{ allow: { groups: [staff] } }] }\n"
    )
    return folder


def entrypoint() -> list[str]:
    """What the image starts."""
    found = dict(FINAL)
    return [*_array(found["ENTRYPOINT"]), *_array(found["CMD"])]


def _array(text: str) -> list[str]:
    return [word.strip('" ') for word in text.strip("[]").split(",")]


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser


@needs_uv
@pytest.mark.envoy
@pytest.mark.parametrize("starts", ["image", "unit"])
def test_what_they_start_becomes_ready_and_ends(
    image: Path, documents: Path, tmp_path: Path, starts: str
) -> None:
    words = entrypoint() if starts == "image" else shlex.split(unit()["Service"]["ExecStart"])
    assert Path(words[0]).name == "ostiary"
    places = {"/var/lib/ostiary": str(tmp_path / "state"), "/etc/ostiary": str(documents)}
    command = [str(image / "bin/ostiary"), *(places.get(word, word) for word in words[1:])]
    output = tmp_path / "output"
    with output.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=tmp_path)
    try:
        until(lambda: "ready" in output.read_text(), 30, output.read_text())
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="NO SYSTEMD: unit not verified")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / "ostiary.service"
    text = UNIT.read_text().replace("/opt/ostiary/bin/ostiary", sys.executable)
    copy.write_text(text)
    said = subprocess.run(
        ["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert "ostiary.service:" not in said.stderr, said.stderr


def test_the_parts_of_make_check_exist() -> None:
    targets = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", targets, re.MULTILINE)
    assert recipe
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tools = {re.split(r"[>=<]", one)[0] for one in project["dependency-groups"]["dev"]}
    for line in recipe.group(1).splitlines():
        program, *words = line.strip().removeprefix("@").split()
        if program.startswith("tools/"):
            assert os.access(ROOT / program, os.X_OK), program
            continue
        tool = Path(program).name.replace("lint-imports", "import-linter")
        assert tool in tools, program
        for folder in (word for word in words if word.startswith("tests/")):
            assert list((ROOT / folder).rglob("test_*.py")), folder
