"""Pydantic's findings in our own voice: a code, a sentence that names the thing, a hint.

Fed by `read`; feeds the faults of a document. Findings about the branches of one union are one
fault, for a person wrote one value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from ostiary.errors import ConfigError
from ostiary.language.document import Noun
from ostiary.language.nearest import did_you_mean
from ostiary.language.tree import Path, Step, value_at

_LONGEST_SHOWN: Final = 40
_TYPES: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing_size": "a smaller number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
}


def faults(
    noun: Noun[object], model: type[BaseModel], found: Sequence[ErrorDetails]
) -> list[ConfigError]:
    """One fault for each value that `found` complains about."""
    by_path: dict[Path, list[ErrorDetails]] = {}
    for error in found:
        by_path.setdefault(_real_path(noun.value, error), []).append(error)
    return [
        _unknown_key(noun, model, path)
        if errors[0]["type"] == "extra_forbidden"
        else _missing_key(noun, path)
        if errors[0]["type"] == "missing"
        else _bad_value(noun, path, errors)
        for path, errors in by_path.items()
    ]


def _real_path(data: object, error: ErrorDetails) -> Path:
    """The location without the names of union branches, which nobody wrote."""
    path: list[Step] = []
    loc = error["loc"]
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        if last and error["type"] in {"missing", "extra_forbidden"}:
            path.append(step)
        elif isinstance(data, dict) and step in data:
            path.append(step)
            data = data[step]
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            path.append(step)
            data = data[step]
    return tuple(path)


def _unknown_key(noun: Noun[object], model: type[BaseModel], path: Path) -> ConfigError:
    key = str(path[-1])
    keys = {key for below in _models(model, path[:-1]) for key in _keys(below)}
    where = f"{noun}, {spell(path[:-1])}" if len(path) > 1 else str(noun)
    return ConfigError(
        "document.unknown-key",
        f'{where}: there is no key "{key}" here',
        noun.at(*path),
        did_you_mean(key, keys, "keys"),
    )


def _missing_key(noun: Noun[object], path: Path) -> ConfigError:
    return ConfigError(
        "document.missing-key",
        f'{noun}: "{spell(path)}" is missing',
        noun.at(*path[:-1]),
        f'add "{path[-1]}"',
    )


def _bad_value(noun: Noun[object], path: Path, errors: Sequence[ErrorDetails]) -> ConfigError:
    place = noun.tree.value_place(noun.path + path)
    name = f'{noun}: "{spell(path)}"' if path else str(noun)
    ours = next((error["ctx"] for error in errors if error["type"] == "ours"), None)
    if ours is not None:
        return ConfigError(ours["code"], f"{noun}: {ours['sentence']}", place, ours["hint"])
    value = value_at(noun.value, path)
    said = next((error["ctx"]["error"] for error in errors if error["type"] == "value_error"), None)
    if said is not None:
        return ConfigError("document.wrong-value", f"{name}: {said}", place, "")
    wrong_type = all(error["type"] in _TYPES for error in errors)
    must = " or ".join(dict.fromkeys(_must(error) for error in errors))
    code = "document.wrong-type" if wrong_type else "document.wrong-value"
    return ConfigError(
        code, f"{name} must be {must}, not {show(value)}", place, _hint(value, errors)
    )


def _must(error: ErrorDetails) -> str:
    kind = error["type"]
    ctx: dict[str, Any] = error.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    match kind:
        case "literal_error":
            words = str(ctx["expected"]).replace("'", '"').replace(" or ", ", ")
            return f"one of {words}" if "," in words else words
        case "string_pattern_mismatch":
            return _PATTERNS.get(str(ctx["pattern"]), f"a text like {ctx['pattern']}")
        case "greater_than_equal":
            return f"at least {ctx['ge']}"
        case "less_than_equal":
            return f"at most {ctx['le']}"
        case "too_short" | "string_too_short":
            return "not empty"
        case "too_long" | "string_too_long":
            return f"at most {ctx['max_length']} long"
    return f"different ({error['msg']})"


_PATTERNS: Final = {
    r"^[1-9][0-9]{0,8}/[smh]$": "a rate such as 100/m",
    r"^\d+(ms|s|m|h)$": "a duration such as 30s",
}


def _hint(value: object, errors: Sequence[ErrorDetails]) -> str:
    kinds = {error["type"] for error in errors}
    if "string_type" in kinds and isinstance(value, bool | int | float):
        return f'put it in quotes: "{str(value).lower() if isinstance(value, bool) else value}"'
    if "list_type" in kinds and isinstance(value, str):
        return f"write a list: [{value}]"
    if kinds & {"int_type", "bool_type"} and isinstance(value, str):
        return "write it without quotes, and without a unit"
    if "literal_error" in kinds and isinstance(value, str):
        words = [w.strip("'") for e in errors if "ctx" in e for w in _words(e)]
        return did_you_mean(value, words, "possible words")
    return ""


def _words(error: ErrorDetails) -> list[str]:
    expected = str(error.get("ctx", {}).get("expected", ""))
    return [word.strip() for word in expected.replace(" or ", ", ").split(", ")]


def show(value: object) -> str:
    """A value as a sentence can carry it: never long, never on two lines."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    text = str(value)
    text = text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."
    return f'"{text}"'.replace("\n", "\\n") if isinstance(value, str) else text


def spell(path: Iterable[Step]) -> str:
    """`access[0].allow.groups`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _models(annotation: object, path: Path) -> Iterator[type[BaseModel]]:
    """The models that may stand at `path` below `annotation`."""
    origin = get_origin(annotation)
    if origin in {Annotated, Union, UnionType}:
        for argument in get_args(annotation)[: 1 if origin is Annotated else None]:
            yield from _models(argument, path)
    elif origin in {list, dict}:
        if path:
            yield from _models(get_args(annotation)[-1], path[1:])
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not path:
            yield annotation
            return
        for name, field in annotation.model_fields.items():
            if path[0] in {name, field.alias}:
                yield from _models(field.annotation, path[1:])


def literal_words(annotation: object) -> list[str]:
    """The words of a `Literal`; used by the reference pages."""
    return [str(word) for word in get_args(annotation)] if get_origin(annotation) is Literal else []
