"""A condition is everything that is controlled about one run; a trial is one run under it.

Conditions are values. Functions that add and remove pins and unpinned sources return a new
condition, so two conditions differ exactly by what was requested.
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

#: Variables that contain a list of flags: a pin adds its own flags to it, and removes no others.
FLAG_LISTS = frozenset({"XLA_FLAGS"})


def items(values: Mapping[str, Any]) -> Items:
    """Return a mapping as a sorted tuple, so that it can be part of a value."""
    return tuple(sorted(values.items()))


def with_variables(
    variables: Mapping[str, str | None], changes: Mapping[str, str | None]
) -> dict[str, str | None]:
    """Return ``variables`` with ``changes``. In a list of flags, a flag replaces the one of its
    name, and the others stay.
    """
    changed = dict(variables)
    for name, value in changes.items():
        present = changed.get(name)
        if name in FLAG_LISTS and present and value:
            value = " ".join([*without_flags(present, value).split(), value])
        changed[name] = value
    return changed


def without_flags(present: str, flags: str) -> str:
    """Return the list of flags ``present`` without those that ``flags`` sets, whatever their
    values.
    """
    names = {flag.partition("=")[0] for flag in flags.split()}
    return " ".join(flag for flag in present.split() if flag.partition("=")[0] not in names)


#: Fields that documents contain as one mapping, ``options``.
_IN_OPTIONS = ("settings", "orders")


@dataclass(frozen=True)
class Condition:
    """``environment`` values may contain ``{draw}``; None means that the variable is unset."""

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
        """Settings and orders together, by name, as in documents."""
        return protocol.as_mapping(self.settings, self.orders)

    def document(self) -> dict[str, Any]:
        """Return plain values, from which a trial's key is made."""
        fields = {name: value for name, value in vars(self).items() if name not in _IN_OPTIONS}
        return {**fields, "options": self.options, "environment": dict(self.environment)}

    def with_settings(self, settings: Settings) -> "Condition":
        """Return the condition with these settings, which override its own."""
        return replace(self, settings=settings.over(self.settings))

    def with_orders(self, **orders: Any) -> "Condition":
        """Return the condition with these orders. Raises ValueError for an unknown one."""
        return replace(self, orders=self.orders._replace(**orders))

    def with_environment(self, environment: Mapping[str, str | None]) -> "Condition":
        return replace(self, environment=items(with_variables(dict(self.environment), environment)))

    def with_pin(self, pin: Pin) -> "Condition":
        """Return the condition with another ``pin``, whose settings and variables override its
        own.
        """
        pins = self.pins if pin.id in self.pins else (*self.pins, pin.id)
        return (
            replace(self, pins=pins).with_settings(pin.settings).with_environment(pin.environment)
        )

    def without(self, sources: Iterable[str], known: Mapping[str, Pin]) -> "Condition":
        """Unpin ``sources``: remove every pin that covers one of them, with its settings and
        variables.

        What a removed pin shares with a remaining one stays.
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
    """One run under a condition. Trials with an even and with an odd ``draw`` run in different
    nests.
    """

    condition: Condition
    draw: int

    @property
    def side(self) -> int:
        return self.draw % 2

    @property
    def other(self) -> "Trial":
        """The other trial of its pair."""
        return Trial(self.condition, self.draw ^ 1)

    def environment(self) -> dict[str, str | None]:
        """Return the variables of this trial, with ``{draw}`` filled in (1 and up, because 0 turns
        hash randomization off).
        """
        return dict(self.variables)

    @cached_property
    def variables(self) -> Items:
        """:meth:`environment` as a value: together with :attr:`side` it selects the nest."""
        return tuple(
            (name, value.replace("{draw}", str(self.draw + 1)) if isinstance(value, str) else value)
            for name, value in self.condition.environment
        )

    def key(self) -> str:
        """Return a short digest of the trial: equal trials are run once and shared."""
        return self._key

    @cached_property  # used in every pass over the queue
    def _key(self) -> str:
        document = {**self.condition.document(), "environment": None}
        text = json.dumps([self.draw, self.variables, document], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]


def device_of(source: Source, base: Condition) -> str:
    """Return where a source is tried: on a GPU if it needs one, else on the base condition's
    device.
    """
    return "gpu" if source.needs.gpus else base.device


def varied(condition: Condition, source: Source) -> Condition:
    """Return the condition in which a source has the other value that its declaration names."""
    variation = source.variation
    assert variation is not None
    other = condition.with_environment(variation.environment).with_settings(variation.settings)
    if variation.unpins:
        other = replace(other, unpinned=(*other.unpinned, source.id))
    if variation.pins:
        assert source.script is not None
        other = replace(other, pins=(*other.pins, source.script.pin))
    return other


def pair(condition: Condition, number: int) -> tuple[Trial, Trial]:
    """Return the ``number``-th pair of a condition: one trial from each of its two nests."""
    return Trial(condition, 2 * number), Trial(condition, 2 * number + 1)


def pairs(condition: Condition, count: int, first: int = 0) -> list[tuple[Trial, Trial]]:
    """Return ``count`` disjoint pairs."""
    return [pair(condition, number) for number in range(first, first + count)]
