"""The reference pages, written from the language itself: `document.md` and `errors.md`.

Pure text. A test holds `docs/reference/` equal to what stands here.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ostiary.features.fragment import Merge
from ostiary.language.codes import CODES, REDS
from ostiary.language.gateway import Gateway
from ostiary.language.identity import Provider
from ostiary.language.issuers import Issuer
from ostiary.language.route import Route
from ostiary.language.service import Service
from ostiary.language.sessions import Sessions

_SECTIONS: Final[tuple[tuple[str, str, type[BaseModel]], ...]] = (
    ("gateways", "`gateways.<name>`, or `gateway` for the one called `main`", Gateway),
    ("identity", "`identity.providers.<name>`", Provider),
    ("issuers", "`identity.issuers.<name>`", Issuer),
    ("sessions", "`sessions`", Sessions),
    ("services", "`services.<name>`", Service),
    ("routes", "`routes.<name>`", Route),
)
_MERGES: Final = {
    Merge.MIN: "a lower level may only write less",
    Merge.MAX: "a lower level may only write more",
    Merge.SUBSET: "a lower level may only name some of them",
    Merge.ORDERED: "a lower level may only be stricter; the strictest stands first",
    Merge.UNION: "all levels together",
    Merge.OWN: "the nearest level wins",
}
_WORDS: Final[Mapping[object, str]] = {str: "text", int: "number", bool: "true or false"}


def document_page() -> str:
    """`docs/reference/document.md`."""
    lines = [
        "# The document",
        "",
        "Written from the language itself; a test keeps it true. Several files and folders are one",
        "document. No key but these is known, and nothing is guessed from a wrong type.",
        "",
        "`trust_domain` (text, default `ostiary.internal`) begins the name of every identity.",
        "",
    ]
    seen: dict[type[BaseModel], None] = {}
    for _, heading, model in _SECTIONS:
        lines += [f"## {heading}", "", *_table(model, seen)]
    lines += ["## Blocks and parts", ""]
    done: set[type[BaseModel]] = set()
    while rest := [model for model in seen if model not in done]:
        for model in rest:
            done.add(model)
            lines += [f"### {model.__name__}", "", *_table(model, seen)]
    return "\n".join(lines).rstrip() + "\n"


def errors_page(refusals: Mapping[str, str]) -> str:
    """`docs/reference/errors.md`; `refusals` are the codes of everything that is no document's."""
    lines = [
        "# Error codes",
        "",
        "Every code there is; a test keeps the list true. Codes never change their meaning.",
        "",
        "## Faults of a document",
        "",
        "All of them at once, each with file, line and column. One fault rejects the revision; the",
        "last accepted one goes on.",
        "",
    ]
    for code, meaning in sorted(CODES.items()):
        lines += [f"### {code}", "", meaning, ""]
    lines += ["## What is red in `ostiary status`", ""]
    for code, meaning in sorted(REDS.items()):
        lines += [f"### {code}", "", meaning, ""]
    lines += ["## Refusals and things out of reach", ""]
    for code, sentence in sorted(refusals.items()):
        lines += [f"### {code}", "", sentence, ""]
    return "\n".join(lines).rstrip() + "\n"


def _table(model: type[BaseModel], seen: dict[type[BaseModel], None]) -> Iterator[str]:
    yield _prose(inspect.cleandoc(model.__doc__ or ""))
    yield ""
    yield "| key | value | default | meaning |"
    yield "|---|---|---|---|"
    meanings = _meanings(model)
    for name, field in model.model_fields.items():
        for part in _parts(field.annotation):
            seen.setdefault(part)
        cells = (f"`{field.alias or name}`", _kind(field.annotation), _default(field))
        yield f"| {' | '.join(cells)} | {_meaning(field, meanings.get(name, ''))} |"
    yield ""


def _meaning(field: FieldInfo, text: str) -> str:
    merge = next((mark for mark in field.metadata if isinstance(mark, Merge)), None)
    levels = f" Levels: {_MERGES[merge]}." if merge is not None else ""
    return _prose(text + levels).replace("|", "\\|")


def _prose(text: str) -> str:
    return " ".join(text.split())


@cache
def _meanings(model: type[BaseModel]) -> Mapping[str, str]:
    """The docstring under each field, those of parent models included."""
    found: dict[str, str] = {}
    for parent in reversed(model.__mro__):
        if parent in {BaseModel, object} or not issubclass(parent, BaseModel):
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(parent))).body[0]
        assert isinstance(body, ast.ClassDef)  # noqa: S101  the source of a class
        for this, after in zip(body.body, body.body[1:], strict=False):
            if isinstance(this, ast.AnnAssign) and isinstance(this.target, ast.Name):
                text = after.value if isinstance(after, ast.Expr) else None
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[this.target.id] = text.value
    return found


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "must be written"
    value: Any = field.get_default(call_default_factory=False)
    if value is None or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ("", [], {}) else ""


def _kind(annotation: object) -> str:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f"`{str(word).lower() if word is True else word}`" for word in arguments)
    if origin in {list, tuple}:
        return f"list of {_kind(arguments[0])}"
    if origin is dict:
        return f"name to {_kind(arguments[1])}"
    if origin is Annotated:
        return _kind(arguments[0])
    kinds = arguments if origin in {Union, UnionType} else (annotation,)
    return " or ".join(filter(None, (_WORDS.get(kind) or _one(kind) for kind in kinds)))


def _one(kind: object) -> str:
    return "" if kind is type(None) else _kind(kind)


def _parts(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _parts(argument)
