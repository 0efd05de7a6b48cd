"""Levels of one block become one: gateway above service above route.

Every field declares in its type how it combines (`Annotated[..., Merge.X]`). A lower level that
writes something looser than an upper level wrote is a fault, never a silent clamp: the person
would believe what is not so. What nobody wrote keeps its default and demands nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf
from typing import Any, Generic, Literal, NamedTuple, TypeVar, get_args, get_origin

from pydantic import BaseModel

from ostiary.features.fragment import Block, Merge
from ostiary.language.units import DURATION, SIZE, seconds, size
from ostiary.language.voice import show

BlockT = TypeVar("BlockT", bound=Block)


class Written(NamedTuple):
    """A block and the level it stands on (`gateway main`)."""

    owner: str
    block: Block


class Looser(NamedTuple):
    """A field with which a lower level would loosen what an upper one wrote."""

    owner: str
    path: tuple[str, ...]
    sentence: str


@dataclass(frozen=True)
class Merged(Generic[BlockT]):
    """The effective block, where each written field came from, and what would have loosened."""

    block: BlockT
    origins: Mapping[tuple[str, ...], str]
    looser: tuple[Looser, ...]


def merge(model: type[BlockT], levels: Sequence[Written]) -> Merged[BlockT]:
    """`levels`, uppermost first, as one block of type `model`. At least one level."""
    values: dict[str, Any] = {}
    notes = _Notes({}, [])
    for each in levels:
        _join(values, each, (), notes)
    return Merged(_build(model, values), notes.origins, tuple(notes.looser))


class _Notes(NamedTuple):
    origins: dict[tuple[str, ...], str]
    looser: list[Looser]


def _build(model: type[BlockT], values: Mapping[str, Any]) -> BlockT:
    fields = model.model_fields
    whole: dict[str, Any] = {}
    for name, value in values.items():
        kind = fields[name].annotation
        nested = isinstance(value, dict) and isinstance(kind, type) and issubclass(kind, BaseModel)
        whole[fields[name].alias or name] = _build(kind, value) if nested else value  # type: ignore[arg-type]
    return model.model_validate(whole)


def _join(values: dict[str, Any], each: Written, path: tuple[str, ...], notes: _Notes) -> None:
    owner, block = each
    rules = merges(type(block))
    for name in block.model_fields_set:
        value = getattr(block, name)
        here = (*path, type(block).model_fields[name].alias or name)
        if isinstance(value, Block):
            _join(values.setdefault(name, {}), Written(owner, value), here, notes)
            continue
        if value is None:
            continue
        upper = values.get(name)
        if upper is not None:
            sentence = _loosens(rules[name], upper, value, words(type(block), name))
            if sentence:
                wrote = f"{sentence}, as {notes.origins[here]} wrote"
                notes.looser.append(Looser(owner, here, wrote))
                continue
            value = _combine(rules[name], upper, value)
        values[name] = value
        notes.origins[here] = owner


@cache
def merges(model: type[BaseModel]) -> Mapping[str, Merge]:
    """How each field of `model` combines. A field that does not say so is a bug of ours."""
    found: dict[str, Merge] = {}
    for name, field in model.model_fields.items():
        declared = [mark for mark in field.metadata if isinstance(mark, Merge)]
        if len(declared) != 1:
            raise TypeError(f"{model.__name__}.{name} must declare one Merge")
        found[name] = declared[0]
    return found


@cache
def words(model: type[BaseModel], name: str) -> tuple[Any, ...]:
    """The words of a field that takes one of several, in their order; of others, nothing."""
    kind = model.model_fields[name].annotation
    return get_args(kind) if get_origin(kind) is Literal else ()


def _loosens(rule: Merge, upper: Any, lower: Any, order: Sequence[Any]) -> str:
    if rule is Merge.ORDERED and order.index(lower) > order.index(upper):
        return f"{show(lower)} is looser than {show(upper)}"
    if rule is Merge.SUBSET:
        extra = [item for item in lower if item not in upper]
        return f"{show(extra[0])} is not among {', '.join(map(str, upper))}" if extra else ""
    if rule is Merge.MIN and _measure(lower) > _measure(upper):
        return f"{show(lower)} is more than {show(upper)}"
    if rule is Merge.MAX and _measure(lower) < _measure(upper):
        return f"{show(lower)} is less than {show(upper)}"
    return ""


def _combine(rule: Merge, upper: Any, lower: Any) -> Any:
    if rule is Merge.UNION:
        return [*upper, *(item for item in lower if item not in upper)]
    if rule is Merge.OWN and isinstance(upper, dict):
        return {**upper, **lower}
    return lower


def _measure(value: Any) -> float:
    """A number for the order of `min` and `max`: `off` is nothing, `0s` and `auto` are no limit."""
    if value == "off":
        return 0.0
    if value == "auto":
        return inf
    if isinstance(value, str) and SIZE.fullmatch(value):
        return size(value)
    if isinstance(value, str) and DURATION.fullmatch(value):
        return seconds(value) or inf
    return float(value)
