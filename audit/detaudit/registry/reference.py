"""The reference page of the sources, from their files: ``python -m detaudit.registry.reference >
docs/reference/sources.md``.
"""

import inspect
import sys
from collections.abc import Iterator

from detaudit_probes import sources
from detaudit_probes.declare import FAMILIES, Pin, Source

from detaudit.registry.describe import pins_of, tried

_HEAD = """# Sources

All sources that detaudit knows. A source is one thing that can make two runs differ.

This page is generated from the files in `probes/detaudit_probes/sources/` by
`python -m detaudit.registry.reference`.
"""


def page() -> str:
    """Return the whole page as Markdown, in the order of the families."""
    known = sources.declared(sources.SCRIPT_MODULES)
    parts = [_HEAD, "\n".join(_contents([source for source, _ in known.values()]))]
    described: set[str] = set()
    for family in FAMILIES:
        parts.append(f"## {family.capitalize() if family != 'gpu' else 'GPU'}")
        for source, module in known.values():
            if source.family == family:
                once = (
                    "" if module.__name__ in described else inspect.cleandoc(module.__doc__ or "")
                )
                described.add(module.__name__)
                parts.append("\n\n".join(_entry(source, once)))
    return "\n\n".join(parts) + "\n"


def _contents(known: list[Source]) -> Iterator[str]:
    yield "| source | what it is | in `scan --quick` |"
    yield "|---|---|---|"
    for source in known:
        yield f"| [`{source.id}`](#{anchor(source.id)}) | {source.title} | {'yes' if source.quick else ''} |"


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "-_")


def _entry(source: Source, prose: str) -> Iterator[str]:
    yield f"### {source.id}"
    yield f"*{source.title}.* {source.breaks}"
    if prose:
        yield prose.replace("``", "`")
    yield f"Tried: {tried(source)}"
    for pin in (sources.pins(sources.SCRIPT_MODULES)[name][0] for name in pins_of(source)):
        yield from _pin(pin)
    for sentence in (source.advice, source.note):
        if sentence:
            yield sentence
    if source.links:
        yield "\n".join(f"- [{link.title}]({link.url})" for link in source.links)


def _pin(pin: Pin) -> Iterator[str]:
    note = f" Note: {pin.note}." if pin.note else ""
    yield f"Pin `{pin.id}` covers {', '.join(f'`{name}`' for name in pin.sources)}.{note}"
    if pin.environment:
        yield _block("bash", [f"export {name}={value}" for name, value in pin.environment.items()])
    for backend, lines in pin.lines.items():
        if backend != "*":
            yield f"On {backend}:"
        yield _block("python", [line.format(seed=1) for line in lines])


def _block(language: str, lines: list[str]) -> str:
    return "\n".join((f"```{language}", *lines, "```"))


if __name__ == "__main__":
    sys.stdout.write(page())
