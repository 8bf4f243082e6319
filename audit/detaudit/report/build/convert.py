"""Converts findings to a document's types, guided by the types alone: all strings of a document
pass through here.

A field of a document takes the finding's field of its name. If the two differ in content, a rule
for this pair of types returns the document's fields. Wherever a value comes from, it is converted
by the type that the schema gives it, so every string is redacted and bounded here, and no field can
be forgotten.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from msgspec import inspect

from detaudit.report.privacy import Private
from detaudit.report.schema import v1

Part = TypeVar("Part", bound=v1.Part)
#: Returns a part's fields that are not the finding's fields of the same name.
Rule = Callable[[Any, Any], Mapping[str, Any]]
#: Rules, by the type of the part and that of the finding.
Rules = Mapping[tuple[type, type], Rule]


class _Unfit(ValueError):
    """A number that no document can contain: not finite, or out of bounds."""


@dataclass(frozen=True)
class Converter:
    """Converts findings. Every rule receives ``known``."""

    private: Private
    rules: Rules
    known: Any

    def part(self, kind: type[Part], finding: Any) -> Part:
        """Return a part of a document from a finding. Raises AttributeError if a field of the part
        has neither a field of its name nor a rule.
        """
        converted: Part = self._value(_described(kind), finding)
        return converted

    def _value(self, kind: inspect.Type, value: Any) -> Any:
        match kind:
            case inspect.Metadata():  # a description: nothing to do with the value
                return self._value(kind.type, value)
            case inspect.StructType():
                return self._part(kind, value)
            case inspect.UnionType():
                return self._optional(kind, value)
            case inspect.StrType():
                return self._string(kind, value)
            case inspect.LiteralType():
                return value if value in kind.values else self.private.name(value)
            case inspect.VarTupleType(
                item_type=inspect.Metadata(type=inspect.StrType() as inner)
            ) | (inspect.VarTupleType(item_type=inspect.StrType() as inner)):
                return tuple(self.private.texts(value[: kind.max_length], _longest(inner)))
            case inspect.VarTupleType():
                return tuple(self._value(kind.item_type, one) for one in value[: kind.max_length])
            case inspect.TupleType():
                pairs = zip(kind.item_types, value, strict=True)
                return tuple(self._value(inner, one) for inner, one in pairs)
            case inspect.DictType(value_type=inspect.AnyType()):
                return self.private.facts(dict(value))
            case inspect.DictType():
                return self._mapping(kind, dict(value))
            case inspect.IntType():
                return value if kind.le is None else min(value, kind.le)
            case inspect.FloatType():
                return _fitting(kind, value)
            case inspect.BoolType():
                return value
        raise TypeError(f"no document has a {kind}")

    def _part(self, kind: inspect.StructType, finding: Any) -> Any:
        rule = self.rules.get((kind.cls, type(finding)))
        made = {} if rule is None else rule(self.known, finding)
        values = {}
        for field in kind.fields:
            value = made[field.name] if field.name in made else getattr(finding, field.name)
            values[field.name] = self._value(field.type, value)
        return kind.cls(**values)

    def _optional(self, kind: inspect.UnionType, value: Any) -> Any:
        if value is None:
            return None
        (inner,) = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        try:
            return self._value(inner, value)
        except _Unfit:
            return None

    def _string(self, kind: inspect.StrType, value: object) -> str:
        return self.private.text(value, _longest(kind))

    def _mapping(self, kind: inspect.DictType, values: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return the pairs whose key, once redacted, is one that the type allows."""
        pattern = getattr(kind.key_type, "pattern", None)
        found = {
            self._value(kind.key_type, key): self._value(kind.value_type, self._named(key, value))
            for key, value in values.items()
        }
        if pattern is None:
            return found
        return {key: value for key, value in found.items() if re.search(pattern, key)}

    def _named(self, key: Any, value: Any) -> Any:
        """Return the value of a mapping, whose key may indicate that it is a secret."""
        return self.private.named(str(key), value) if isinstance(value, str) else value


def _longest(kind: inspect.StrType) -> int:
    return v1.TEXT if kind.max_length is None else kind.max_length


def _fitting(kind: inspect.FloatType, value: float) -> float:
    least = -math.inf if kind.ge is None else kind.ge
    greatest = math.inf if kind.le is None else kind.le
    if not math.isfinite(value) or not least <= value <= greatest:
        raise _Unfit(f"{value} is not between {least} and {greatest}")
    return value


@cache
def _described(kind: type) -> inspect.Type:
    return inspect.type_info(kind)
