"""Tables of what is known about this machine and about the environment under test."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detaudit.report.escape import clipped

UNKNOWN = "unknown"
_GIB = 1 << 30


def render(document: Mapping[str, Any]) -> RenderableType:
    """Return the document of :func:`detaudit.machine.inventory.everything` as tables. Missing
    values are shown as unknown.
    """
    described, facts = document.get("machine") or {}, document.get("environment") or {}
    gpus = described.get("gpu") or {}
    parts = [
        *_section("Machine", _machine_rows(described)),
        *_gpus(gpus),
        *_section("Audited environment", _environment_rows(facts)),
        *_section(
            "Variables that affect reproducibility",
            (facts.get("variables") or {"none": "set"}).items(),
        ),
    ]
    unknown = {**(described.get("unknown") or {}), **_unknown_of_gpus(gpus)}
    return Group(*parts, *(_section("Unknown, and why", unknown.items()) if unknown else ()))


def _section(title: str, rows: Iterable[tuple[str, Any]]) -> list[RenderableType]:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(Text(clipped(str(name), 100), style="cyan"), Text(clipped(str(value), 2000)))
    return [Text(title, style="bold"), table]


def _machine_rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    processor, cores, memory, system, python = (
        _part(found, name) for name in ("processor", "cores", "memory", "system", "python")
    )
    yield "processor", _words(processor, "brand", "architecture")
    numbers = (
        ("family", "family"),
        ("model", "model"),
        ("stepping", "stepping"),
        ("microcode", "microcode"),
    )
    yield (
        "",
        ", ".join(
            f"{word} {processor[name]}" for word, name in numbers if processor.get(name) is not None
        ),
    )
    yield "instruction sets", " ".join(processor.get("flags") or ()) or UNKNOWN
    yield (
        "cores",
        (
            f"{_or(cores, 'available')} to use, {_or(cores, 'logical')} logical, "
            f"{_or(cores, 'physical')} physical" + _if(cores, "quota", "; quota {:.2g}")
        ),
    )
    yield (
        "memory",
        (
            f"{_gib(memory.get('total'))}, {_gib(memory.get('available'))} free"
            + (f"; limit {_gib(memory['limit'])}" if memory.get("limit") else "")
        ),
    )
    yield "system", _words(system, "distribution", "system", "release", "libc")
    yield (
        "runs in",
        _words(
            system, "container", "hypervisor", none="no container or hypervisor that was detected"
        ),
    )
    for name in ("temporary", "working"):
        disk = _part(found, name)
        yield (
            f"{name} folder",
            f"{_gib(disk.get('free'))} free of {_gib(disk.get('total'))}, {_or(disk, 'type')}",
        )
    yield "load average", " ".join(str(one) for one in found.get("load") or ()) or UNKNOWN
    yield "detaudit runs on", _words(python, "implementation", "version", "compiler")


def _gpus(found: Mapping[str, Any]) -> list[RenderableType]:
    """Return one table for all cards, or the reason why NVML reports nothing."""
    cards = found.get("cards") or []
    if not cards:
        return _section("GPU", [("none found", found.get("problem") or "NVML lists no card")])
    driver = f"driver {_or(found, 'driver')}, CUDA up to {_or(found, 'cuda')}"
    rows: list[tuple[str, str]] = [("NVML", driver)]
    for card in cards:
        rows += [(f"card {card.get('index')}", _or(card, "name")), *_card_rows(card)]
    changed = [
        (_whose(one), f"{one.get('what')}: {one.get('before')} → {one.get('after')}")
        for one in found.get("changes") or ()
    ]
    return _section("GPU", rows) + (
        _section("Changed during the audit", changed) if changed else []
    )


def _card_rows(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "  memory", f"{_gib(card.get('memory_used'))} used of {_gib(card.get('memory_total'))}"
    errors = ", ".join(f"{name} {count}" for name, count in (card.get("ecc_errors") or {}).items())
    yield "  ECC", f"{_switch(card.get('ecc'))}{f' ({errors})' if errors else ''}"
    clocks = ", ".join(f"{name} {clock}" for name, clock in (card.get("clocks") or {}).items())
    yield "  clocks in MHz", clocks or UNKNOWN
    throttle = card.get("throttle")
    yield "  lowered by", UNKNOWN if throttle is None else ", ".join(throttle) or "nothing"
    temperature = card.get("temperature")
    yield "  temperature", UNKNOWN if temperature is None else f"{temperature} °C"
    yield "  mode", f"compute {_or(card, 'compute_mode')}, MIG {_switch(card.get('mig'))}"
    yield "  processes", f"{_or(card, 'processes')}, {_gib(card.get('processes_memory'))}"


def _environment_rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in sorted(facts.items()):
        if name == "variables":
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {one}" for key, one in sorted(value.items()))
        elif isinstance(value, (list, tuple)):
            value = " ".join(map(str, value))
        yield name.replace("_", " "), value


def _unknown_of_gpus(found: Mapping[str, Any]) -> dict[str, str]:
    unknown = dict(found.get("unknown") or {})
    for card in found.get("cards") or ():
        unknown.update(card.get("unknown") or {})
    return unknown


def _part(found: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return found.get(name) or {}


def _or(part: Mapping[str, Any], name: str) -> str:
    return UNKNOWN if part.get(name) is None else str(part[name])


def _if(part: Mapping[str, Any], name: str, words: str) -> str:
    return "" if part.get(name) is None else words.format(part[name])


def _words(part: Mapping[str, Any], *names: str, none: str = UNKNOWN) -> str:
    return ", ".join(str(part[name]) for name in names if part.get(name)) or none


def _switch(value: bool | None) -> str:
    return UNKNOWN if value is None else "on" if value else "off"


def _gib(size: int | None) -> str:
    return UNKNOWN if size is None else f"{size / _GIB:.1f} GiB"


def _whose(change: Mapping[str, Any]) -> str:
    return "machine" if change.get("index") is None else f"card {change['index']}"
