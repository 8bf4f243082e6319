"""The declarations of sources and placebos, which users read, are in the words of the glossary."""

import ast
import inspect
from pathlib import Path

import detaudit
import pytest
from detaudit.registry import reference
from detaudit_probes import backends, declare, placebos, protocol, sources
from detaudit_probes.sources import update_race

from tests.pure import retired
from tests.pure.test_layout import GUEST


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
    assert not retired.found(text)


def docstrings():
    for path in sorted(GUEST.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{path.relative_to(GUEST)}: {getattr(node, 'name', 'module')}", text


def test_no_docstring_of_the_guest_has_a_retired_phrase():
    found = {place: phrases for place, text in docstrings() if (phrases := retired.found(text))}
    assert not found


def test_lines_to_paste_compile():
    compile("\n".join(update_race.LINES), "update-race", "exec")


#: What is about certain sources or backends by its nature: recipes that people use, the pins that
#: replays of operations are tried under, the levels of reach, and the words that are no secret.
ABOUT_SOME = {
    "commands/ops/sweep.py",
    "commands/run/findings.py",
    "commands/scan/experiments/reach.py",
    "registry/recipes.py",
}
ABOUT_BACKENDS = {
    "cli/reproducer.py",
    "commands/ops/reproducer.py",
    "execution/workspace.py",
    "machine/secrets/values.py",
}


def _strings(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def test_the_engine_lists_no_ids():
    """What it needs to know about a source or a backend is in the declaration."""
    known = [source for source, _ in sources.declared(sources.SCRIPT_MODULES).values()]
    ids = {source.id for source in known} | {pin.id for source in known for pin in source.pins}
    ids = {name for name in ids if "-" in name}  # others are words too
    others = set(backends.NAMES) - {"tensorflow"}
    root = Path(detaudit.__file__).parent
    names = {str(path.relative_to(root)): _strings(path) for path in root.rglob("*.py")}
    assert {name for name, strings in names.items() if strings & ids} == ABOUT_SOME
    assert {name for name, strings in names.items() if strings & others} == ABOUT_BACKENDS
