"""A stranger adds a source, a backend, a command and a format to a copy of the checkout, with
docs/how-to alone: how many files does that take, and are they as welcome as ours?
"""

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.wire.conftest import PROBES

ROOT = Path(__file__).parents[2]
STRANGER = Path(__file__).parent / "stranger"
DOCS = ROOT / "docs" / "how-to"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FORMATS, FORMAT_CHECKS = "audit/detaudit/report/formats/registry.py", "tests/pure/test_formats.py"
COMMANDS, SCHEMA = "audit/detaudit/cli/app.py", "audit/detaudit/report/schema/v1.py"
SOURCES, BACKENDS = (
    f"probes/detaudit_probes/{kind}/__init__.py" for kind in ("sources", "backends")
)
REFERENCE, JSON_SCHEMA = "docs/reference/commands.md", "docs/reference/report.schema.json"


def blocks(name: str, language: str) -> list[str]:
    """The code in one language of a page of docs/how-to."""
    text = (DOCS / name).read_text(encoding="utf-8")
    return [code for tag, code in FENCE.findall(text) if tag == language]


def edits(name: str) -> list[tuple[str, str, str]]:
    """What a page says is to be changed in files that are there: the file, its lines, new ones."""
    found = []
    for block in blocks(name, "diff"):
        head, *lines = block.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        after = "".join(line[1:] for line in lines if not line.startswith("-"))
        found.append((head.removeprefix(" # ").strip(), before, after))
    return found


class Checkout:
    """A copy of what a stranger clones."""

    def __init__(self, root: Path):
        self.root = root
        ignore = shutil.ignore_patterns(
            "__pycache__", "*.egg-info", "stranger", "corpus", "reports"
        )
        for name in ("audit", "probes", "docs", "tests", "pyproject.toml", "README.md", ".ci"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            options = {"ignore": ignore} if (ROOT / name).is_dir() else {}
            copy(ROOT / name, root / name, **options)
        self.before = self.texts()

    def texts(self) -> dict[str, str]:
        paths = [path for path in self.root.rglob("*") if path.suffix in (".py", ".md", ".json")]
        paths += [self.root / "pyproject.toml"]
        return {
            str(path.relative_to(self.root)): path.read_text(encoding="utf-8") for path in paths
        }

    def edit(self, name: str, before: str, after: str) -> None:
        text = (self.root / name).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{name} does not have these lines once: {before}"
        (self.root / name).write_text(text.replace(before, after), encoding="utf-8")

    def add(self, name: str, text: str) -> None:
        path = self.root / name
        assert not path.exists()
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def changes(self) -> tuple[set[str], dict[str, tuple[int, int]]]:
        """The files that are new, and of those that were there: lines added, and taken away."""
        after = self.texts()
        assert self.before.keys() <= after.keys()
        changed = {}
        for name, text in self.before.items():
            lines = list(difflib.ndiff(text.splitlines(), after[name].splitlines()))
            counts = [sum(line.startswith(sign) for line in lines) for sign in ("+ ", "- ")]
            if any(counts):
                changed[name] = (counts[0], counts[1])
        return after.keys() - self.before.keys(), changed

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        paths = f"{self.root / 'audit'}{os.pathsep}{self.root / 'probes'}"
        environment = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.root,
            env={**environment, "COLUMNS": "100", **variables},
            capture_output=True,
            text=True,
        )

    def detaudit(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return self.run("-m", "detaudit", *arguments, **variables)

    def passes(self, *arguments: str) -> None:
        """These of its own tests pass."""
        done = self.run("-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path):
    (tmp_path / "detaudit").mkdir()
    return Checkout(tmp_path / "detaudit")


def follow(checkout: Checkout, name: str, path: str) -> None:
    """Add the only file that a page of docs/how-to prints, and make its edits."""
    (file,) = blocks(name, "python")
    checkout.add(path, file)
    for edit in edits(name):
        checkout.edit(*edit)


def add_source(checkout: Checkout) -> None:
    follow(checkout, "add-a-source.md", "probes/detaudit_probes/sources/file_times.py")


def add_backend(checkout: Checkout) -> None:
    follow(checkout, "add-a-backend.md", "probes/detaudit_probes/backends/tensorflow_ours.py")


def add_format(checkout: Checkout) -> None:
    follow(checkout, "add-a-format.md", "audit/detaudit/report/formats/plain.py")


def add_command(checkout: Checkout) -> None:
    """As docs/how-to/add-a-command.md says."""
    for path in sorted((STRANGER / "audit").rglob("*.py")):
        checkout.add(str(path.relative_to(STRANGER)), path.read_text(encoding="utf-8"))
    for edit in edits("add-a-command.md"):
        checkout.edit(*edit)


def document(checkout: Checkout) -> None:
    """The reference of the new command, and the schema, which is generated."""
    reference = checkout.root / REFERENCE
    with reference.open("a", encoding="utf-8") as file:
        file.write((STRANGER / "commands.md").read_text(encoding="utf-8"))
    generated = checkout.run("-m", "detaudit.report.schema.v1")
    (checkout.root / JSON_SCHEMA).write_text(generated.stdout, encoding="utf-8")


def again(checkout: Checkout, *arguments: str, **variables: str):
    """Train on the backend that trains nothing, which has no pins of its own."""
    train = ("--backend", "stub", "--probes", PROBES, "--procedure", "fault")
    pins = ("--pin", "python-random", "--pin", "numpy-legacy")
    return checkout.detaudit("again", *train, *pins, *arguments, **variables)


def test_a_source_is_one_file_and_one_line(checkout):
    assert "There is no source 'file-times'" in checkout.detaudit("explain", "file-times").stderr
    add_source(checkout)
    new, changed = checkout.changes()
    assert new == {"probes/detaudit_probes/sources/file_times.py"}
    assert changed == {SOURCES: (1, 0)}
    described = checkout.detaudit("explain", "file-times")
    assert "Pin: sorted-by-name" in described.stdout, described.stderr
    listed = json.loads(checkout.detaudit("sources", "--backend", "tensorflow", "--json").stdout)
    names = [one["id"] for one in listed]
    assert names.index("file-times") == names.index("directory-order") + 1
    reference = checkout.run("-m", "detaudit.registry.reference")
    assert "### file-times\n" in reference.stdout, reference.stderr
    checkout.passes("tests/pure/test_declarations.py")


def test_a_source_in_a_folder_or_a_package_is_known_without_a_change(checkout, tmp_path):
    (file,) = blocks("add-a-source.md", "python")
    folder, package = tmp_path / "probes", tmp_path / "site" / "mylibrary"
    for place in (folder, package / "detaudit"):
        place.mkdir(parents=True)
        (place / "file_times.py").write_text(file, encoding="utf-8")
    ask = ("explain", "file-times")
    assert "Pin: sorted-by-name" in checkout.detaudit(*ask, "--probes", str(folder)).stdout

    (package / "__init__.py").write_text("raise RuntimeError('it was imported')")
    (entry,) = blocks("add-a-source.md", "toml")
    installed = tmp_path / "site" / "mylibrary-1.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: mylibrary\nVersion: 1\n")
    group, line = re.search(r"points\.\"(.*)\"\]\n(.*)", entry).groups()
    (installed / "entry_points.txt").write_text(f"[{group}]\n" + line.replace('"', ""))
    paths = (checkout.root / "audit", checkout.root / "probes", package.parent)
    beside = {"PYTHONPATH": os.pathsep.join(map(str, paths))}
    described = checkout.detaudit(*ask, **beside)
    assert "Pin: sorted-by-name" in described.stdout, described.stderr
    (package / "detaudit" / "file_times.py").unlink()
    refused = checkout.detaudit(*ask, **beside)
    assert refused.returncode == 2
    assert "mylibrary registers the source mylibrary.detaudit.file_times" in refused.stderr
    assert checkout.changes() == (set(), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("x = 1", "it declares no SOURCE"),
        (
            "from detaudit_probes.sources.clock import SOURCE",
            "declares clock, which exists already",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_name(checkout, tmp_path, text, said):
    (tmp_path / "mine.py").write_text(text)
    refused = checkout.detaudit("sources", "--probes", str(tmp_path))
    assert refused.returncode == 2 and f"{tmp_path}/mine.py" in refused.stderr
    assert said in refused.stderr and "Traceback" not in refused.stderr


def test_a_backend_is_one_file_and_one_line(checkout):
    """That it trains is shown in tests/frameworks/test_examples_of_docs.py."""
    ask = ("explain", "python-random", "--backend", "tensorflow_ours")
    assert "--backend takes tensorflow," in checkout.detaudit(*ask).stderr
    add_backend(checkout)
    new, changed = checkout.changes()
    assert new == {"probes/detaudit_probes/backends/tensorflow_ours.py"}
    assert changed == {BACKENDS: (1, 1)}
    described = checkout.detaudit(*ask)
    assert "random.seed(1)" in described.stdout, described.stderr
    assert "tensorflow_ours" in checkout.detaudit("scan", "--help").stdout
    checkout.passes("tests/pure/test_declarations.py", "tests/pure/test_under_test.py")


def test_a_format_is_one_file_and_one_line(checkout):
    saved = str(ROOT / "tests" / "golden" / "report-full.json")
    refused = checkout.detaudit("report", saved, "--format", "plain")
    assert refused.returncode == 2 and "--format takes terminal, json" in refused.stderr
    add_format(checkout)
    new, changed = checkout.changes()
    assert new == {"audit/detaudit/report/formats/plain.py"}
    assert changed == {FORMATS: (1, 0), FORMAT_CHECKS: (1, 0)}
    drawn = checkout.detaudit("report", saved, "--format", "plain")
    assert drawn.returncode == 0 and "needs-pin: hash-seed\n" in drawn.stdout, drawn.stderr
    checkout.passes("tests/pure/test_formats.py", "-k", "its_check")


def test_a_command_is_its_own_files_its_type_of_the_report_and_one_line(checkout):
    assert "No such command 'again'" in checkout.detaudit("again").stderr
    add_command(checkout)
    new, changed = checkout.changes()
    engine = "audit/detaudit"
    assert new == {
        f"{engine}/cli/again.py",
        *(
            f"{engine}/commands/again/{name}.py"
            for name in ("__init__", "conclusion", "findings", "session")
        ),
        f"{engine}/report/pages/again.py",
    }
    assert changed == {COMMANDS: (1, 0), SCHEMA: (8, 1)}
    add_format(checkout)
    document(checkout)

    files = {kind: checkout.root.parent / f"again.{kind}" for kind in ("json", "markdown", "junit")}
    targets = [word for kind, path in files.items() for word in (f"--{kind}", str(path))]
    done = again(checkout, *targets)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MATCH" in done.stdout and "bitwise identical" in done.stdout
    assert "bitwise identical" in files["markdown"].read_text(encoding="utf-8")
    (case,) = ET.parse(files["junit"]).iter("testcase")
    assert case.get("name") == "outcome" and case.find("failure") is None

    written = json.loads(files["json"].read_text(encoding="utf-8"))
    assert (written["command"], written["matches"], len(written["trials"])) == ("again", True, 2)
    saved = checkout.detaudit("report", str(files["json"]), "--format", "plain")
    assert saved.stdout == "MATCH: The two trials are bitwise identical.\n", saved.stderr

    differ = again(checkout, *targets, FAULT_NOISE="1")
    assert differ.returncode == 1 and "update, step 0, weight" in differ.stdout, differ.stderr
    (case,) = ET.parse(files["junit"]).iter("testcase")
    assert case.find("failure") is not None


def test_the_checks_of_the_house_take_in_a_command_and_a_format(checkout):
    """Contracts, circles, the reference, the schema, privacy, and hostile strings."""
    add_command(checkout)
    add_format(checkout)
    document(checkout)
    layout = "contracts or import_each_other or without_a_layer or tells_every_folder"
    docs = "reference_of_a_command or generated_pages"
    checkout.passes(
        *(f"tests/pure/test_{name}.py" for name in ("layout", "docs", "formats", "convert")),
        "-k",
        f"{layout} or {docs} or its_check or AgainReport",
    )


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        (0, "name 'AgainReport' is not defined"),
        (1, "Invalid value 'again'"),
        (2, "No such command"),
    ],
)
def test_a_command_needs_each_of_its_lines(checkout, left_out, said):
    add_command(checkout)
    name, before, after = edits("add-a-command.md")[left_out]
    checkout.edit(name, after, before)
    saved = str(checkout.root.parent / "again.json")
    runs = [again(checkout, "--json", saved), checkout.detaudit("report", saved)]
    assert any(said in run.stderr and run.returncode > 1 for run in runs), runs


def test_a_format_is_refused_without_its_line_and_without_its_check(checkout):
    add_format(checkout)
    (line, check) = edits("add-a-format.md")
    checkout.edit(check[0], check[2], check[1])
    with pytest.raises(AssertionError, match="test_every_format_has_its_check"):
        checkout.passes("tests/pure/test_formats.py", "-k", "its_check")
    checkout.edit(line[0], line[2], line[1])
    saved = str(ROOT / "tests" / "golden" / "report-full.json")
    assert checkout.detaudit("report", saved, "--format", "plain").returncode == 2
