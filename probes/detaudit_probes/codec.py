"""Typed values as JSON and back: named tuples, of named tuples, tuples, mappings and plain values.

Fields that have their default are left out. Reading checks every name and every type, so that a
misspelt field is an error and no silence.
"""

import functools
from typing import Any, Dict, Sequence, Tuple, Union, get_type_hints


class ProtocolError(ValueError):
    """A document of the other side holds what it may not: an unknown field, one that is missing, or
    a value of another type.
    """


def encode(value: Any) -> Dict[str, Any]:
    """A named tuple as plain values for JSON. Fields that have their default are left
    out.
    """
    return {name: _plain(one) for name, one in given(value).items()}


def decode(kind: Any, document: Any) -> Any:
    """A document that :func:`encode` has made, as the type that it is of. Raises ProtocolError."""
    return _read(kind, document, kind.__name__)


def given(value: Any) -> Dict[str, Any]:
    """The fields of a named tuple that have another value than their default."""
    defaults = value._field_defaults
    return {
        name: one
        for name, one in value._asdict().items()
        if name not in defaults or one != defaults[name]
    }


def _plain(value: Any) -> Any:
    if hasattr(value, "_fields"):
        return encode(value)
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return value


def _read(kind: Any, value: Any, where: str) -> Any:
    """``value``, of JSON, as the type ``kind``; ``where`` names it in an error."""
    origin, inner = getattr(kind, "__origin__", None), getattr(kind, "__args__", None) or ()
    if kind is Any:
        return value
    if hasattr(kind, "_fields") and isinstance(value, dict):
        return _read_fields(kind, value, where)
    if origin is Union:
        return _read_one_of(inner, value, where)
    if origin in (tuple, Tuple) and isinstance(value, (list, tuple)):
        kinds = [inner[0]] * len(value) if inner[-1] is Ellipsis else inner
        if len(kinds) == len(value):
            return tuple(_read(kind, one, where) for kind, one in zip(kinds, value))
    if origin in (dict, Dict) and isinstance(value, dict):
        return {name: _read(inner[1], one, "%s[%r]" % (where, name)) for name, one in value.items()}
    if origin is None and _is_a(kind, value):
        return value
    raise ProtocolError("%s is %.100r, which is no %s" % (where, value, kind))


def _is_a(kind: type, value: Any) -> bool:
    """Of plain types; true and false are no numbers, and an integer will do for a float."""
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _read_one_of(kinds: Sequence[Any], value: Any, where: str) -> Any:
    reasons = []
    for kind in kinds:
        try:
            return _read(kind, value, where)
        except ProtocolError as error:
            reasons.append(error)
    raise reasons[0]


def _read_fields(kind: Any, document: Dict[str, Any], where: str) -> Any:
    types = _types(kind)
    unknown = sorted(set(document) - set(types))
    missing = sorted(set(types) - set(document) - set(kind._field_defaults))
    if unknown or missing:
        raise ProtocolError(
            "%s: unknown %s, missing %s; its fields are %s"
            % (where, unknown or "nothing", missing or "nothing", ", ".join(types))
        )
    return kind(
        **{
            name: _read(types[name], value, "%s.%s" % (where, name))
            for name, value in document.items()
        }
    )


@functools.lru_cache(maxsize=None)
def _types(kind: Any) -> Dict[str, Any]:
    return get_type_hints(kind)
