"""A condition is everything that is controlled about one run; a trial is one run under it.

Conditions are values. Pins and loose sources are added and taken away by functions that return
another condition, so the difference between two conditions is always exactly what was asked for.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from detaudit_probes import protocol
from detaudit_probes.declare import Pin, Source
from detaudit_probes.protocol import NO_ORDERS, NO_SETTINGS, Orders, Settings

Items = tuple[tuple[str, Any], ...]

#: Variables that hold a list of flags: a pin adds its own to it and takes no other's away.
FLAG_LISTS = frozenset({"XLA_FLAGS"})


def items(values: Mapping[str, Any]) -> Items:
    """A mapping as a sorted tuple, so that it can be part of a value."""
    return tuple(sorted(values.items()))


def with_variables(
    variables: Mapping[str, str | None], changes: Mapping[str, str | None]
) -> dict[str, str | None]:
    """``variables`` with ``changes``. In a list of flags a flag replaces the one of its name, and
    the others stay.
    """
    changed = dict(variables)
    for name, value in changes.items():
        present = changed.get(name)
        if name in FLAG_LISTS and present and value:
            value = " ".join([*without_flags(present, value).split(), value])
        changed[name] = value
    return changed


def without_flags(present: str, flags: str) -> str:
    """The list of flags ``present`` without those that ``flags`` sets, whatever their values."""
    names = {flag.partition("=")[0] for flag in flags.split()}
    return " ".join(flag for flag in present.split() if flag.partition("=")[0] not in names)


#: Fields that documents have as one mapping, ``options``.
_IN_OPTIONS = ("settings", "orders")


@dataclass(frozen=True)
class Condition:
    """``environment`` values may hold ``{draw}``; None means that the variable is taken away."""

    backend: str
    device: str
    model: str
    seed: int
    pins: tuple[str, ...] = ()
    unpinned: tuple[str, ...] = ()
    settings: Settings = NO_SETTINGS
    orders: Orders = NO_ORDERS
    environment: Items = ()
    feed: str | None = None
    procedure: str | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Settings and orders together, by name, as documents have them."""
        return protocol.as_mapping(self.settings, self.orders)

    def document(self) -> dict[str, Any]:
        """As plain values: what a trial's key is made of."""
        fields = {name: value for name, value in vars(self).items() if name not in _IN_OPTIONS}
        return {**fields, "options": self.options, "environment": dict(self.environment)}

    def with_settings(self, settings: Settings) -> "Condition":
        """With these, which win over what is there."""
        return replace(self, settings=settings.over(self.settings))

    def with_orders(self, **orders: Any) -> "Condition":
        """Raises ValueError for an order that there is not."""
        return replace(self, orders=self.orders._replace(**orders))

    def with_environment(self, environment: Mapping[str, str | None]) -> "Condition":
        return replace(self, environment=items(with_variables(dict(self.environment), environment)))

    def with_pin(self, pin: Pin) -> "Condition":
        """Held by ``pin`` besides: its settings and variables win over what is there."""
        pins = self.pins if pin.id in self.pins else (*self.pins, pin.id)
        return (
            replace(self, pins=pins).with_settings(pin.settings).with_environment(pin.environment)
        )

    def without(self, sources: Iterable[str], known: Mapping[str, Pin]) -> "Condition":
        """Let ``sources`` loose: every pin that holds one of them goes, with its settings and
        variables.

        What a pin that goes shares with one that stays, stays.
        """
        unpinned = set(sources)
        gone = [known[pin] for pin in self.pins if unpinned & set(known[pin].sources)]
        kept = [known[pin] for pin in self.pins if not unpinned & set(known[pin].sources)]
        settings, environment = self.settings, dict(self.environment)
        for pin in gone:
            settings = settings.without(pin.settings)
            for name, value in pin.environment.items():
                left = (
                    without_flags(environment.get(name) or "", value) if name in FLAG_LISTS else ""
                )
                environment[name] = left or None
        for pin in kept:
            settings = settings.over(pin.settings)
            environment.update(
                {
                    name: value
                    for name, value in pin.environment.items()
                    if environment[name] is None
                }
            )
        return replace(
            self,
            pins=tuple(pin.id for pin in kept),
            settings=settings,
            environment=items(environment),
        )


@dataclass(frozen=True)
class Trial:
    """One run under a condition. Trials with an even and an odd ``draw`` run in different nests."""

    condition: Condition
    draw: int

    @property
    def side(self) -> int:
        return self.draw % 2

    def environment(self) -> dict[str, str | None]:
        """The variables of this very trial, ``{draw}`` filled in (1 and up: 0 switches hashing
        off).
        """
        return dict(self.variables)

    @cached_property
    def variables(self) -> Items:
        """:meth:`environment` as a value: with :attr:`side` it selects the nest."""
        return tuple(
            (name, value.replace("{draw}", str(self.draw + 1)) if isinstance(value, str) else value)
            for name, value in self.condition.environment
        )

    def key(self) -> str:
        """What the trial is, as a short digest: equal trials are run once and shared."""
        return self._key

    @cached_property  # asked for by every look at the queue
    def _key(self) -> str:
        document = {**self.condition.document(), "environment": None}
        text = json.dumps([self.draw, self.variables, document], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


def device_of(source: Source, base: Condition) -> str:
    """Where a source is tried: on a GPU where it needs one, else where the base condition is."""
    return "gpu" if source.needs.gpus else base.device


def pair(condition: Condition, number: int) -> tuple[Trial, Trial]:
    """The ``number``-th pair of a condition: one trial from each of its two nests."""
    return Trial(condition, 2 * number), Trial(condition, 2 * number + 1)


def pairs(condition: Condition, count: int, first: int = 0) -> list[tuple[Trial, Trial]]:
    """``count`` disjoint pairs."""
    return [pair(condition, number) for number in range(first, first + count)]
