"""What each kind of edit does to the text of a file."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from detaudit_probes.declare import Edit

from detaudit.commands.run import budgets, edits, numbering, ordered_sets, seeds, streams


class Place(NamedTuple):
    """Where an edit is made: a text, how often each line drew, and the seed that it may write.

    ``around`` is other text in which names are defined that this one uses. If ``early``, what is
    inserted comes between the imports.
    """

    text: str
    draws: Mapping[int, int]
    seed: int
    around: str = ""
    early: bool = False


class Kind(NamedTuple):
    """``apply`` returns the new text, or None if the edit fits no line. An edit that
    ``gives_seeds`` must not be made on a line that several processes run.
    """

    apply: Callable[[Edit, Place], str | None]
    gives_seeds: bool = False


def _constants(edit: Edit, place: Place) -> str | None:
    return seeds.with_constants(place.text, edit.calls, place.draws, place.seed, place.around)


def _stream(edit: Edit, place: Place) -> str | None:
    return streams.from_seed(place.text, edit.calls, place.draws, place.seed, place.around)


def _generators(edit: Edit, place: Place) -> str | None:
    return seeds.for_generators(place.text, edit, place.draws, place.seed, place.around)


def _sorted_sets(edit: Edit, place: Place) -> str | None:
    found = [one for one in edits.hash_ordered(place.text) if one.lineno in place.draws]
    sure = [
        one for one in edits.hash_ordered(place.text, unknown=False) if one.lineno in place.draws
    ]
    return edits.without_hash_seed(place.text, sure or found) if found else None


def _dictionaries(edit: Edit, place: Place) -> str | None:
    return ordered_sets.with_dictionaries(place.text, place.draws)


def _numbers(edit: Edit, place: Place) -> str | None:
    return numbering.with_numbers(place.text, edit.calls, list(place.draws), place.around)


def _rounds(edit: Edit, place: Place) -> str | None:
    return budgets.in_rounds(place.text, edit.calls, place.draws, place.around)


def _call(edit: Edit, place: Place) -> str | None:
    return edits.apply(place.text, edit, list(place.draws), place.seed, place.early)


KINDS = {
    "seed": Kind(_constants, gives_seeds=True),
    "stream": Kind(_stream, gives_seeds=True),
    "generator": Kind(_generators, gives_seeds=True),
    "order": Kind(_sorted_sets),
    "ordered set": Kind(_dictionaries),
    "numbers": Kind(_numbers),
    "rounds": Kind(_rounds),
}


def kind_of(edit: Edit) -> Kind:
    """Return what is known of an edit; those of calls give seeds if their form has one."""
    if edit.kind in KINDS:
        return KINDS[edit.kind]
    gives_seeds = edit.kind != "insert" and "{seed}" in edit.form
    return Kind(_generators if gives_seeds else _call, gives_seeds)
