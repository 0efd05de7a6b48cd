"""Pydantic's findings in our own voice: a code, a sentence that names the thing, a hint.

Fed by `read`; feeds the faults of a document. Findings about the branches of one union are one
fault, for a person wrote one value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

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
    return [_fault(noun, model, path, errors) for path, errors in by_path.items()]


def _fault(
    noun: Noun[object], model: type[BaseModel], path: Path, errors: Sequence[ErrorDetails]
) -> ConfigError:
    if errors[0]["type"] == "extra_forbidden":
        return _unknown_key(noun, model, path)
    if errors[0]["type"] == "missing":
        return _missing_key(noun, path)
    return _bad_value(noun, path, errors)


def _real_path(data: object, error: ErrorDetails) -> Path:
    """The location without the names of union branches, which nobody wrote."""
    loc, path = error["loc"], list[Step]()
    names_nothing_written = error["type"] in {"missing", "extra_forbidden"}
    for position, step in enumerate(loc):
        inside = value_at(data, (step,))
        if inside is not None or _holds(data, step):
            path.append(step)
            data = inside
        elif names_nothing_written and position == len(loc) - 1:
            path.append(step)
    return tuple(path)


def _holds(data: object, step: Step) -> bool:
    if isinstance(data, list):
        return isinstance(step, int) and step < len(data)
    return isinstance(data, dict) and step in data


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
    for error in errors:
        if error["type"] == "ours":
            said = error["ctx"]
            return ConfigError(said["code"], f"{noun}: {said['sentence']}", place, said["hint"])
        if error["type"] == "value_error":
            sentence = f"{name}: {error['ctx']['error']}"
            return ConfigError("document.wrong-value", sentence, place)
    value = value_at(noun.value, path)
    must = " or ".join(dict.fromkeys(map(_must, errors)))
    wrong_type = all(error["type"] in _TYPES for error in errors)
    code = "document.wrong-type" if wrong_type else "document.wrong-value"
    sentence = f"{name} must be {must}, not {show(value)}"
    return ConfigError(code, sentence, place, _hint(value, errors))


_LIMITS: Final = {
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "too_short": "not empty",
    "string_too_short": "not empty",
    "too_long": "at most {max_length} long",
    "string_too_long": "at most {max_length} long",
}
_PATTERNS: Final = {
    r"^[1-9][0-9]{0,8}/[smh]$": "a rate such as 100/m",
    r"^\d{1,9}(ms|s|m|h)$": "a duration such as 30s",
    r"^[1-9]\d{0,8}(ms|s|m|h)$": "a duration such as 30s, longer than nothing",
    r"^[1-9]\d{0,5}(KiB|MiB)$": "a size such as 128KiB",
    r"^[1-9]\d{0,5}(ms|s)$": "a time of work such as 100ms or 2s",
    r"^\d{4}-\d{2}-\d{2}$": "a day such as 2027-03-31",
    r"^[a-z0-9-]{1,64}$": "the name of a header in lower case, such as x-api-key",
    r"^tag:[^\s]+$": "`tag:` and a tag of rules",
    r"^[\x20-\x7e]+$": "plain ASCII text on one line",
    r"^[a-z-]+(, ?[a-z-]+)*$|^off$": "words such as no-referrer, or off",
}
"""Every pattern of the language in words; a test holds the list complete."""


def _must(error: ErrorDetails) -> str:
    kind = error["type"]
    ctx: dict[str, Any] = error.get("ctx", {})
    if kind in _TYPES:
        return _TYPES[kind]
    if kind in _LIMITS:
        return _LIMITS[kind].format(**ctx)
    if kind == "literal_error":
        words = str(ctx["expected"]).replace("'", '"').replace(" or ", ", ")
        return f"one of {words}" if "," in words else words
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(str(ctx["pattern"]), f"a text that matches {ctx['pattern']}")
    return f"sound ({error['msg']})"


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
    if isinstance(value, dict | list):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
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
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _models(arguments[0], path)
    elif origin in {Union, UnionType}:
        for argument in arguments:
            yield from _models(argument, path)
    elif origin in {list, dict, tuple} and path:
        yield from _models(arguments[0 if origin is tuple else -1], path[1:])
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _below(annotation, path)


def _below(model: type[BaseModel], path: Path) -> Iterator[type[BaseModel]]:
    if not path:
        yield model
        return
    for name, field in model.model_fields.items():
        if path[0] in {name, field.alias}:
            yield from _models(field.annotation, path[1:])
