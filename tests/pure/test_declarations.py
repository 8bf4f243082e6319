"""The declarations of sources and placebos, which users read, are in the words of the glossary."""

import ast
import inspect
import re

import pytest
from detaudit.registry import reference
from detaudit_probes import backends, declare, placebos, protocol, sources
from detaudit_probes.sources import update_race

from tests.pure.test_layout import GUEST

#: Whole phrases of the vocabulary before 0.1, and those that no engineer would say aloud.
RETIRED = re.compile(
    r"\b(?:runs?|pairs?|they|replays|trainings?) (?:part|agree|parted)\b"
    r"|\b(?:let|makes?) loose\b|\bloose(?:ned)? (?:pairs?|runs?|sources?|generators?)\b"
    r"|\b(?:was|were|is|are|be) (?:seen|told|held|watched)\b"
    r"|\bholds? (?:it|the source|sources|them|both)\b|\bis held by\b"
    r"|\bbare (?:run|trial|training)s?\b"
    r"|\bis another one\b|\brests? on\b|\bas chance has it\b"
    r"|\b(?:one|lines?|pairs?|rows?|seconds|source|threads?|elements)"
    r" a (?:side|core|step|column|row|library|file|command|pass|call|source|table)\b"
    r"|\b(?:repeats?|repeating) (?:itself|themselves)\b"
    r"|\b(?:otherwise than|its like|and its kin|in its own right)\b"
)


def texts():
    """Each text that a user can read, with its place."""
    declared = sources.declared(sources.SCRIPT_MODULES).values()
    for source, module in declared:
        yield f"{source.id}: docstring", module.__doc__
        for field in ("title", "breaks", "advice", "note"):
            yield f"{source.id}: {field}", getattr(source, field)
        for pin in source.pins:
            yield f"{pin.id}: note", pin.note
        for experiment in (source.experiment, *source.per_backend.values()):
            for setting in getattr(experiment, "settings", ()):
                if isinstance(setting, declare.Setting):
                    yield f"{source.id}: setting", setting.name
        for link in source.links:
            yield f"{source.id}: link", link.title
    for placebo in placebos.PLACEBOS:
        yield f"{placebo.id}: title", placebo.title
    for module in (declare, placebos, protocol, backends):
        yield f"{module.__name__}: docstring", inspect.getdoc(module)
    yield "docs/reference/sources.md", reference.page()


@pytest.mark.parametrize(("place", "text"), [pytest.param(*one, id=one[0]) for one in texts()])
def test_no_declaration_has_a_retired_phrase(place, text):
    found = RETIRED.search(" ".join(text.split()))
    assert found is None, f"{place}: {found.group()}"


def docstrings():
    for path in sorted(GUEST.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{path.relative_to(GUEST)}: {getattr(node, 'name', 'module')}", text


def test_no_docstring_of_the_guest_has_a_retired_phrase():
    found = {
        place: match.group()
        for place, text in docstrings()
        if (match := RETIRED.search(" ".join(text.split())))
    }
    assert not found


@pytest.mark.parametrize(
    "phrase",
    [
        "Fresh runs part in the first step.",
        "It is held by pools of one thread.",
        "a result that was seen twice",
        "each of them repeats itself",
        "loose pairs against pinned pairs",
        "one thread a core.",
    ],
)
def test_a_retired_phrase_is_found(phrase):
    assert RETIRED.search(phrase)


def test_lines_to_paste_compile():
    compile("\n".join(update_race.LINES), "update-race", "exec")
