"""The description of one source for people, from its file."""

import inspect

from detaudit_probes.declare import Compare, Source, Unpin


def pins_of(source: Source) -> tuple[str, ...]:
    """Return the ids of the pins that a source's experiment tries, the recommended one first."""
    own = tuple(pin.id for pin in source.pins)
    return (
        tuple(dict.fromkeys((*source.experiment.pins, *own)))
        if source.experiment is not None
        else own
    )


def tried(source: Source) -> str:
    """Describe the experiment in a sentence."""
    plan = source.experiment
    if plan is None:
        return "Only by detaudit run, on your own script."
    models = ", ".join(name.removeprefix("source:") for name in plan.models)
    race = " It is a race, so each side has at least 5 pairs." if plan.race else ""
    if isinstance(plan, Compare):
        settings = "; ".join(one.name for one in plan.settings)
        return f"Each setting is compared with itself and with the others, on {models}: {settings}.{race}"
    assert isinstance(plan, Unpin)
    return f"Unpinned pairs are compared with pinned pairs, on {models}.{race}"


def prose(docstring: str) -> str:
    """Return a docstring with its paragraphs unwrapped, for a terminal of any width; indented lines
    are unchanged.
    """
    paragraphs = inspect.cleandoc(docstring).split("\n\n")
    return "\n\n".join(
        one if one.startswith((" ", "*", "-")) else " ".join(one.split("\n")) for one in paragraphs
    ).replace("``", "")
