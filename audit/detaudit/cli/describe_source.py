"""One source for people, and the list of all."""

from collections.abc import Mapping
from typing import Any

from detaudit_probes import sources
from detaudit_probes.declare import Pin, Source
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from detaudit.registry.availability import lacking
from detaudit.registry.describe import pins_of, prose, tried
from detaudit.registry.recipes import pin_lines


def about(source: Source, backend: str, seed: int) -> RenderableType:
    """What the source is, how it breaks runs, what is tried, the pins with lines to paste, the
    links.
    """
    module = sources.declared(sources.SCRIPT_MODULES)[source.id][1]
    parts: list[RenderableType] = [
        Text(f"{source.id}: {source.title}", style="bold"),
        Text(f"{source.family}; {', '.join(source.backends)}"),
        Text(""),
        Text(source.breaks),
        Text(""),
        Text(prose(module.__doc__ or "")),
        *_heading("What is tried"),
        Text(tried(source)),
    ]
    known = {name: pin for name, (pin, _) in sources.pins(sources.SCRIPT_MODULES).items()}
    for pin in (known[name] for name in pins_of(source)):
        parts += _heading(f"Pin: {pin.id}")
        parts += _pin(pin, backend, seed)
    if source.advice:
        parts += [*_heading("Advice"), Text(source.advice)]
    if source.links:
        parts += [
            *_heading("Links"),
            *(
                Text(f"{link.title}\n  {link.url}", no_wrap=True, overflow="ignore")
                for link in source.links
            ),
        ]
    return Group(*parts)


def _heading(title: str) -> list[RenderableType]:
    return [Text(""), Text(title, style="bold")]


def _pin(pin: Pin, backend: str, seed: int) -> list[RenderableType]:
    parts: list[RenderableType] = [Text(f"for {', '.join(pin.sources)}")]
    lines = [line.format(seed=seed) for line in pin_lines(pin, backend)]
    if pin.environment:
        export = [f"export {name}={value}" for name, value in pin.environment.items()]
        parts.append(_code(export, "bash"))
    if lines:
        parts.append(_code(lines, "python"))
    if pin.note:
        parts.append(Text(f"Besides: {pin.note}."))
    return parts


def _code(lines: list[str], language: str) -> RenderableType:
    return Padding(
        Syntax("\n".join(lines), language, background_color="default", word_wrap=True), (0, 0, 0, 2)
    )


def listing(known: Mapping[str, Source], facts: Mapping[str, Any], gpus: int) -> RenderableType:
    """One line a source: what it is, and whether it can be tried here."""
    table = Table(box=None, pad_edge=False, show_header=True, header_style="bold")
    rows = [
        (
            source.id,
            lacking(source, facts, gpus)
            or ("can be tried" if source.experiment else "by detaudit run"),
            source.title,
        )
        for source in known.values()
    ]
    for place, column in enumerate(("source", "here", "what it is")):
        # Only what it is may be cut short on a narrow terminal: `explain` tells it whole.
        table.add_column(
            column,
            no_wrap=True,
            min_width=max(len(row[place]) for row in rows) if place < 2 else None,
        )
    for row in rows:
        table.add_row(*map(Text, row))
    return table
