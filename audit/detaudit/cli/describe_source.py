"""The description of one source, and the list of all sources: for people, and as plain values."""

from collections.abc import Mapping
from typing import Any

from detaudit_probes import sources
from detaudit_probes.declare import Pin, Source
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from detaudit.registry.availability import lacking
from detaudit.registry.describe import pins_of, prose, tried
from detaudit.registry.recipes import pin_lines
from detaudit.report.escape import exports
from detaudit.report.formats.terminal import Unbroken


def about(source: Source, backend: str, seed: int) -> RenderableType:
    """Describe a source: first what a user sees and the lines to paste, then what the source is,
    what is tried, and the links.
    """
    parts: list[RenderableType] = [
        Text(f"{source.id}: {source.title}", style="bold"),
        Text(""),
        Text(source.breaks),
    ]
    for pin in _pins(source):
        parts += [*_heading(f"Pin: {pin.id}"), *_pin(source, pin, backend, seed)]
    if source.advice:
        parts += [*_heading("Advice"), Text(source.advice)]
    parts += [*_heading("What it is"), Text(_description(source))]
    parts += [*_heading("What is tried"), Text(tried(source))]
    backends = f" Backends: {', '.join(source.backends)}." if source.experiment is not None else ""
    parts.append(Text(f"Family: {source.family}.{backends}"))
    if source.links:
        parts += _heading("Links")
        for link in source.links:
            parts += [Text(link.title), Unbroken([(f"  {link.url}", "none")])]
    return Group(*parts)


def about_document(source: Source, backend: str, seed: int) -> dict[str, Any]:
    """Return the contents of :func:`about` as JSON values."""
    return {
        "id": source.id,
        "title": source.title,
        "family": source.family,
        "backends": list(source.backends),
        "breaks": source.breaks,
        "pins": [
            {
                "id": pin.id,
                "pins": list(pin.sources),
                "environment": dict(pin.environment),
                "lines": _lines(pin, backend, seed),
                "note": pin.note,
            }
            for pin in _pins(source)
        ],
        "advice": source.advice,
        "description": _description(source),
        "tried": tried(source),
        "links": [{"title": link.title, "url": link.url} for link in source.links],
        "backend": backend,
        "seed": seed,
    }


def _pins(source: Source) -> list[Pin]:
    known = {name: pin for name, (pin, _) in sources.pins(sources.SCRIPT_MODULES).items()}
    return [known[name] for name in pins_of(source)]


def _description(source: Source) -> str:
    module = sources.declared(sources.SCRIPT_MODULES)[source.id][1]
    return prose(module.__doc__ or "")


def _lines(pin: Pin, backend: str, seed: int) -> list[str]:
    return [line.format(seed=seed) for line in pin_lines(pin, backend)]


def _heading(title: str) -> list[RenderableType]:
    return [Text(""), Text(title, style="bold")]


def _pin(source: Source, pin: Pin, backend: str, seed: int) -> list[RenderableType]:
    """Return the lines to paste, unwrapped, from the first column on."""
    parts: list[RenderableType] = []
    others = [name for name in pin.sources if name != source.id]
    shell, lines = exports(pin.environment), _lines(pin, backend, seed)
    if shell:
        parts.append(Text("In the shell, before Python starts:", style="dim"))
        parts.append(Unbroken([(line, "cyan") for line in shell]))
    if lines:
        parts.append(Text("In the script:", style="dim"))
        parts.append(Unbroken([(line, "cyan") for line in lines]))
    if pin.note:
        parts.append(Text(f"Note: {pin.note}."))
    if others:
        parts.append(Text(f"It also pins {', '.join(others)}."))
    return parts


def listing(
    known: Mapping[str, Source], facts: Mapping[str, Any], gpus: int, backend: str | None = None
) -> RenderableType:
    """Return a table with one row per source: what it is, and whether it can be tried here, which
    may need the package of a ``backend``.
    """
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    rows = [
        (source.id, _here(source, facts, gpus, backend), source.title) for source in known.values()
    ]
    for place, column in enumerate(("source", "here", "what it is")):
        longest = max((len(row[place]) for row in rows), default=0)
        table.add_column(
            column, no_wrap=place < 2, min_width=longest if place < 2 else None, overflow="fold"
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def listing_document(
    known: Mapping[str, Source], facts: Mapping[str, Any], gpus: int, backend: str | None = None
) -> list[dict[str, Any]]:
    """Return the contents of :func:`listing` as JSON values; ``lacks`` is null if the source can be
    tried.
    """
    return [
        {
            "id": source.id,
            "title": source.title,
            "family": source.family,
            "backends": list(source.backends),
            "in_scan": source.experiment is not None,
            "lacks": lacking(source, facts, gpus, backend),
        }
        for source in known.values()
    ]


def _here(source: Source, facts: Mapping[str, Any], gpus: int, backend: str | None) -> str:
    able = "can be tried" if source.experiment else "only by detaudit run"
    return lacking(source, facts, gpus, backend) or able
