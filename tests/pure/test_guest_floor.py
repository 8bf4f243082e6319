"""The wall: what the guest may need. (Starts an old interpreter, once,
for a second.)
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import detaudit_probes
import pytest
import vermin

from tests.interpreters import interpreter

ROOT = Path(__file__).parents[2]
GUEST = Path(detaudit_probes.__file__).parent
FILES = sorted(GUEST.rglob("*.py"))
MODULES = [
    ".".join(path.relative_to(GUEST.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in FILES
]


def bare_python(version: str) -> str:
    """An interpreter of this version; skips the test where there is none that starts."""
    return interpreter(version) or pytest.skip(f"no Python {version} on PATH or in pyenv")


def test_every_module_of_the_guest_is_looked_at():
    assert {
        "detaudit_probes",
        "detaudit_probes.trials.worker",
        "detaudit_probes.sources.python_random",
    } <= set(MODULES)


def test_every_module_of_the_guest_imports_under_a_bare_python_3_6():
    """Isolated and without site-packages: nothing but the standard library is there."""
    code = "import importlib, sys; sys.path.append({!r})\nfor name in {!r}: importlib.import_module(name)\nprint('all')"
    done = subprocess.run(
        [bare_python("3.6"), "-B", "-I", "-S", "-c", code.format(str(GUEST.parent), MODULES)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "all"), done.stderr


def test_bootstrap_parses_where_it_must_refuse():
    done = subprocess.run(
        [
            bare_python("2.7"),
            "-B",
            "-c",
            "import sys; compile(open(sys.argv[1]).read(), 'b', 'exec')",
            str(GUEST / "bootstrap.py"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def guarded(text: str) -> list[str]:
    """Newer names that a module uses only where it has found them, by ``hasattr`` or by catching
    ImportError.
    """
    asked = [f"{module}.{name}" for module, name in re.findall(r'hasattr\((\w+), "(\w+)"\)', text)]
    return asked + [
        f"{package}.{name}"
        for package, name in re.findall(
            r"try:\n\s+from ([\w.]+) import (\w+)\n\s+except ImportError", text
        )
    ]


def least_versions(path: Path) -> list[tuple[int, int]]:
    """What vermin says is needed of Python 2 and of Python 3; (99, 0) where it cannot run there."""
    text, config = path.read_text(encoding="utf-8"), vermin.Config()
    config.set_eval_annotations(True)
    for name in guarded(text):
        config.add_exclusion(name)
    found = vermin.visit(text, config)
    needed = (
        found.minimum_versions() if hasattr(found, "minimum_versions") else found
    )  # else: it does not parse
    return [(99, 0) if one is None else one for one in needed]


@pytest.mark.parametrize(
    ("text", "three"),
    [
        ("x = 1", (0, 0)),
        ("print(f'{1}')", (3, 6)),
        ("if (x := 1): pass", (3, 8)),
        ("def f(x: list[int]): pass", (3, 9)),
        ("import dataclasses", (3, 7)),
        ("match 1:\n case 1: pass", (3, 10)),
        ("breakpoint()", (3, 7)),
        ("import os\nos.register_at_fork()", (3, 7)),
        ('import os\nif hasattr(os, "register_at_fork"):\n os.register_at_fork()', (0, 0)),
    ],
)
def test_what_needs_a_newer_python_is_observed(tmp_path, text, three):
    path = tmp_path / "x.py"
    path.write_text(text)
    assert least_versions(path)[1] == three


@pytest.mark.parametrize("path", FILES, ids=MODULES)
def test_no_module_of_the_guest_needs_more_than_python_3_6(path):
    assert least_versions(path)[1] <= (3, 6)


def test_bootstrap_needs_no_more_than_python_2_7():
    two, three = least_versions(GUEST / "bootstrap.py")
    assert two <= (2, 7) and three <= (3, 6)


def imports_at_module_level(tree: ast.AST) -> Iterator[str]:
    """The top-level packages that a module imports when it is imported itself: not those inside
    functions.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield from imports_at_module_level(node)


@pytest.mark.parametrize("path", FILES, ids=MODULES)
def test_the_guest_imports_the_standard_library_alone_at_module_level(path):
    imported = set(imports_at_module_level(ast.parse(path.read_text(encoding="utf-8"))))
    assert imported <= sys.stdlib_module_names | {"detaudit_probes"}


def test_the_search_for_imports_sees_into_everything_but_functions():
    text = """
import a.b
if 1:
    try:
        from c.d import e
    except E:
        import f
class G:
    import h
def i():
    import j
"""
    assert set(imports_at_module_level(ast.parse(text))) == {"a", "c", "f", "h"}
