"""Walking the schema's types: a value of any of them, with one text wherever text may stand."""

import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, Union

import msgspec
from detaudit.report.schema import v1

DOCUMENTS = typing.get_args(v1.AnyReport)


def plain_type(kind: Any) -> Any:
    """A type without its bounds."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def bounds(kind: Any) -> list[msgspec.Meta]:
    return list(getattr(kind, "__metadata__", ()))


def fields(part: type) -> dict[str, Any]:
    """The fields of a part with their types, bounds included."""
    return typing.get_type_hints(part, include_extras=True)


def filled(kind: Any, text: str, turn: int = 0) -> Any:
    """A value of a type of the schema. ``turn`` chooses among the values that are not text."""
    plain, origin = plain_type(kind), typing.get_origin(plain_type(kind))
    arguments = typing.get_args(plain)
    if isinstance(plain, type) and issubclass(plain, v1.Part):
        return _part(plain, text, turn)
    if origin in (Union, types.UnionType):
        kinds = [one for one in arguments if one is not type(None)]
        absent = type(None) in arguments and turn % 4 == 3
        return None if absent else filled(kinds[turn % len(kinds)], text, turn)
    if origin is Literal:
        return arguments[turn % len(arguments)]
    if origin is tuple:
        kinds = arguments if arguments[-1] is not Ellipsis else arguments[:1] * 2
        return tuple(filled(one, text, turn + place) for place, one in enumerate(kinds))
    if origin is dict:
        return {filled(arguments[0], text, turn): filled(arguments[1], text, turn)}
    if plain is Any:
        return [text, {text[: v1.NAME]: text}]
    if plain is str:
        return _string(kind, text)
    return {bool: turn % 2 == 0, int: turn % 3 + 1, float: 0.5}[plain]


def _part(part: type, text: str, turn: int) -> Any:
    values = {name: filled(kind, text, turn) for name, kind in fields(part).items()}
    if issubclass(part, v1.Trial):
        values["condition"] = 0
    return part(**values)


def _string(kind: Any, text: str) -> str:
    """The text, or a word where the type allows no other strings."""
    for one in bounds(kind):
        if one.pattern is not None:
            return "NAME"
        if one.max_length is not None:
            text = text[: one.max_length]
    return text


def strings(value: Any) -> Iterator[str]:
    """Every string of a document that was turned into plain values, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from strings(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from strings(one)
