"""The layout: no circle of imports, a short root, and a place in the contracts for every module."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.pure.test_docs import page, rows

ROOT = Path(__file__).parents[2]
ENGINE, GUEST = ROOT / "audit" / "detaudit", ROOT / "probes" / "detaudit_probes"
#: Files at the root of the engine: beside them a reader sees folders.
MOST_FILES = 8

Graph = Mapping[str, set[str]]


def modules(*packages: Path) -> dict[str, Path]:
    """The modules of the packages by their dotted names."""
    found = {}
    for package in packages:
        for path in sorted(package.rglob("*.py")):
            name = ".".join(path.relative_to(package.parent).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def imported(path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """The modules among ``known`` that a file imports, inside functions as well."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield from (
                    name for name in [full if full in known else node.module] if name in known
                )


def imports(known: Mapping[str, Path]) -> Graph:
    """Which file imports which."""
    return {name: set(imported(path, known)) - {name} for name, path in known.items()}


def between_entries(files: Graph, known: Mapping[str, Path]) -> dict[Path, Graph]:
    """For each folder, which of its entries imports which. An entry is a file, or a folder with all
    that is in it.
    """
    folders: dict[Path, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name, others in files.items():
        for other in others:
            one, two = known[name].with_suffix("").parts, known[other].with_suffix("").parts
            same = next(i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b)
            folders[Path(*one[:same])][one[same]].add(two[same])
    return folders


def circle(graph: Graph) -> list[str]:
    """The names of a circle, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def circles(*packages: Path) -> list[list[str]]:
    known = modules(*packages)
    files = imports(known)
    graphs = [files, *between_entries(files, known).values()]
    return [found for found in map(circle, graphs) if found]


@pytest.mark.parametrize("package", [ENGINE, GUEST], ids=["engine", "guest"])
def test_no_files_and_no_folders_import_each_other(package):
    assert len(modules(package)) > 80
    assert circles(package) == []


def test_circles_are_found(tmp_path):
    package = tmp_path / "p"
    for name, text in {
        "__init__.py": "",
        "upper/__init__.py": "",
        "upper/a.py": "from p.lower import b",
        "upper/c.py": "",
        "lower/__init__.py": "",
        "lower/b.py": "def f():\n    import p.upper.c",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    assert [set(found) for found in circles(package)] == [{"upper", "lower"}]
    (package / "upper" / "c.py").write_text("from p.upper.a import x")
    (package / "upper" / "a.py").write_text("from p.upper import c")
    assert [set(found) for found in circles(package)] == [{"p.upper.a", "p.upper.c"}, {"a", "c"}]


def test_few_files_stand_at_the_root_of_the_engine():
    assert len([path for path in ENGINE.iterdir() if path.is_file()]) <= MOST_FILES


@pytest.mark.parametrize("container", ["detaudit", "detaudit_probes"])
def test_no_module_is_without_a_layer(container):
    """import-linter refuses an entry of a container that an exhaustive contract does not list."""
    tomllib = pytest.importorskip("tomllib", reason="no tomllib before Python 3.11")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    assert [
        contract["name"]
        for contract in contracts
        if container in contract.get("containers", ()) and contract.get("exhaustive")
    ]


@pytest.mark.parametrize("package", [ENGINE, GUEST], ids=["engine", "guest"])
def test_the_architecture_tells_every_folder_and_what_it_may_import(package):
    folders = {path.parent.name for path in package.glob("*/__init__.py")}
    known = modules(package)
    graph = between_entries(imports(known), known)[package]
    title = ("folder", "what is in it", "may import")
    table = rows(page("explanation/architecture.md"), *title)
    reported = [row for row in table if row[0].strip("`/") in folders]
    names = [name.strip("`/") for name, *_ in reported]
    assert sorted(names) == sorted(folders)
    for place, (name, content, allowed) in enumerate(reported):
        below = set(re.findall(r"`(\w+)/`", allowed))
        assert below <= set(names[place + 1 :]), name
        assert graph[names[place]] & folders <= below, name
        files = {path.name for path in (package / names[place]).rglob("*.py")}
        assert set(re.findall(r"`(\w+\.py)`", content)) <= files, name


def test_the_contracts_of_the_architecture_hold():
    """pyproject.toml, section tool.importlinter. In a process of its own: import-linter takes over
    the terminal.
    """
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command as c; c()",
            "--no-cache",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "kept, 0 broken" in done.stdout, done.stdout + done.stderr
