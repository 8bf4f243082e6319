"""Typed values as JSON and back: named tuples, nested or not, with tuples, mappings and plain
values.

Fields that have their default value are left out. The reader checks every name and every type, so a
misspelled field is an error and never ignored.
"""

import functools
from typing import Any, Dict, Sequence, Tuple, Union, get_type_hints


class ProtocolError(ValueError):
    """A document of the other side has an unknown field, lacks a field, or has a value of a wrong
    type.
    """


def encode(value: Any) -> Dict[str, Any]:
    """Return a named tuple as plain values for JSON, without the fields that have their default
    value.
    """
    return {name: _plain(one) for name, one in given(value).items()}


def decode(kind: Any, document: Any) -> Any:
    """Return a document made by :func:`encode` as the type ``kind``. Raises ProtocolError."""
    return _read(kind, document, kind.__name__)


def given(value: Any) -> Dict[str, Any]:
    """Return the fields of a named tuple whose value is not the default."""
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
    """Return the JSON value ``value`` as the type ``kind``; ``where`` names it in an error."""
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
    raise ProtocolError("%s is %.100r; expected %s" % (where, value, kind))


def _is_a(kind: type, value: Any) -> bool:
    """Whether a plain value has the type: booleans are not numbers, and an integer passes as a
    float.
    """
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
            "%s: unknown fields: %s; missing fields: %s; its fields are %s"
            % (where, unknown or "none", missing or "none", ", ".join(types))
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
