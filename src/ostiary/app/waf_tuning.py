"""Where a proposed exclusion has to stand in a document, and the text with it in.

Fed by `waf.proposals` and the rooms that read documents; feeds `ostiary waf tune`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ostiary.app import waf_rules
from ostiary.app.waf_sides import plan_of
from ostiary.errors import Faults
from ostiary.features.waf import Inspection
from ostiary.language.patterns import path_trouble
from ostiary.language.tree import Tree, value_at
from ostiary.plan.model import Plan, Route
from ostiary.sources.files import Files
from ostiary.sources.yaml_tree import parse
from ostiary.waf.document_patch import Spot, Unpatched, Written, add, added_alone, difference
from ostiary.waf.proposals import Proposal

_SECTIONS: Final = {"gateway": "gateways", "service": "services", "route": "routes"}


@dataclass
class Patched:
    """What came of proposals and a document."""

    diff: str = ""
    unplaced: list[tuple[Proposal, str]] = field(default_factory=list)
    """Proposals that no patch could be made for, and why."""


def written(one: Proposal) -> Written:
    """`one` as a person would write it, with its evidence as the reason."""
    because = (
        f"{one.requests} requests of {one.clients} addresses on {one.days} "
        f"{'day' if one.days == 1 else 'days'} of shadow traffic, all answered"
    )
    return Written(one.subject.rule, one.subject.target, one.paths, because)


def trouble(one: Proposal) -> str:
    """Why no exclusion can say this; empty when one can."""
    said = str(waf_rules.engine().target_fault(one.subject.target))
    if said:
        return said.partition("; ")[0]
    for path in one.paths:
        wrong = path_trouble(path)
        if wrong is not None:
            return wrong.sentence
    return ""


def thresholds(document: Path) -> dict[str, int]:
    """What each route of `document` stops from. Raises `Faults` and `Refused`."""
    found = {}
    for route in plan_of(document).routes:
        block = route.blocks.get("waf")
        if isinstance(block, Inspection):
            found[route.key.path] = block.threshold
    return found


def patch(document: Path, proposals: Sequence[Proposal]) -> Patched:
    """A patch to the files of `document` for all `proposals`. Raises `Faults` and `Refused`."""
    plan, trees = plan_of(document), Files((document,)).read()
    patched = Patched()
    placed: dict[tuple[str, tuple[str, ...]], list[Proposal]] = defaultdict(list)
    for one in proposals:
        found = _place(one, plan, trees)
        if isinstance(found, str):
            patched.unplaced.append((one, found))
        else:
            placed[found].append(one)
    texts: dict[str, str] = {}
    for (file, path), some in placed.items():
        before = texts.get(file) or Path(file).read_text(encoding="utf-8")
        try:
            texts[file] = _added(file, before, path, [written(one) for one in some])
        except Unpatched as error:
            patched.unplaced += [(one, f"{file}: {error}; write it by hand") for one in some]
    for file, after in texts.items():
        patched.diff += difference(_named(file), Path(file).read_text(encoding="utf-8"), after)
    return patched


def _named(file: str) -> str:
    """As `git apply` and `patch -p1` find it from here."""
    path = Path(file).resolve()
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path).lstrip("/")


def _place(one: Proposal, plan: Plan, trees: Sequence[Tree]) -> tuple[str, tuple[str, ...]] | str:
    """The file and the path of the block `waf` that has to say it, or why there is none."""
    route = next((r for r in plan.routes if r.key.path == one.subject.route), None)
    if route is None:
        return f"the document has no route {one.subject.route}"
    levels = _demanding(route, one.subject.rule)
    if not levels:
        return "no level of the route demands this rule any more"
    if len(levels) > 1:
        return f"{' and '.join(levels)} demand the rule; each has to say it"
    noun, _, name = levels[0].partition(" ")
    name = name.rpartition("/")[2]
    for tree in trees:
        for path in ((_SECTIONS.get(noun, ""), name, "waf"), ("gateway", "waf")):
            if (path[0] != "gateway" or noun == "gateway") and isinstance(
                value_at(tree.data, path), dict
            ):
                return tree.file, path
    return f"no block waf of {levels[0]} was found"


def _demanding(route: Route, rule: int) -> list[str]:
    block = route.blocks.get("waf")
    if not isinstance(block, Inspection):
        return []
    words = [
        word
        for word, pairs in block.numbers.items()
        if any(low <= rule <= high for low, high in pairs)
    ]
    return list(dict.fromkeys(level for word in words for level in block.rules.get(word, ())))


def _added(file: str, text: str, path: tuple[str, ...], new: Sequence[Written]) -> str:
    """`text` with `new`; read again, so that nothing else has changed."""
    before = _tree(file, text, path)
    listed = (*path, "exclude")
    has_list = value_at(before.data, listed) is not None
    spot = _spot(before, listed) if has_list else None
    after = add(text, _spot(before, path), spot, new)
    try:
        read = _tree(file, after, path)
    except Faults as error:
        raise Unpatched("the text is written in a way that cannot be added to") from error
    if not added_alone(before.data, read.data, listed, len(new)):
        raise Unpatched("the text is written in a way that cannot be added to")
    return after


def _tree(file: str, text: str, path: tuple[str, ...]) -> Tree:
    trees = parse(file, text.encode())
    return next((one for one in trees if value_at(one.data, path) is not None), trees[0])


def _spot(tree: Tree, path: tuple[str, ...]) -> Spot:
    key, value = tree.place(path), tree.value_place(path)
    return Spot(key.line, value.line, value.column)
