"""What the command line imports before it knows which command to run: little, so that ``--help``
is quick.
"""

import subprocess
import sys

import pytest
from detaudit_probes.backends import NAMES

#: Beside the command line's own: the version, the exceptions, and names that options print, which
#: the adapters of the backends declare.
LEAVES = {
    "detaudit",
    "detaudit.core",
    "detaudit.core.nearest",
    "detaudit.core.sentences",
    "detaudit.errors",
    "detaudit.execution",
    "detaudit.execution.limits",
    "detaudit.report",
    "detaudit.report.formats",
    "detaudit.report.formats.registry",
    "detaudit_probes",
    "detaudit_probes.backends",
    *(f"detaudit_probes.backends.{name}" for name in ("keras2", "keras3", *NAMES)),
    "detaudit_probes.codec",
    "detaudit_probes.declare",
    "detaudit_probes.given",
    "detaudit_probes.packages",
    "detaudit_probes.protocol",
    "detaudit_probes.recording",
    "detaudit_probes.recording.facts",
    "detaudit_probes.recording.on_device",
}


def modules_after(*arguments: str) -> set[str]:
    """The modules that a fresh process has imported once the command has ended, without those that
    the interpreter's own start imports.
    """
    code = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "from detaudit.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\n'.join(['MODULES', *sorted(set(sys.modules) - before)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split("MODULES\n")[1].split())


def foreign(modules: set[str]) -> set[str]:
    """Those that are neither the standard library's nor the command line's own."""
    return {
        name
        for name in modules - LEAVES
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not name.startswith("detaudit.cli")
    }


@pytest.fixture(scope="module")
def of_typer_and_rich() -> set[str]:
    """The packages that come in with typer and rich, which draw the help."""
    code = "import sys, typer, rich, typer.rich_utils\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["scan", "--help"], ["run", "--help"]]
)
def test_only_typer_and_rich_are_imported_for_the_help(arguments, of_typer_and_rich):
    imported = modules_after(*arguments)
    assert "detaudit.cli.app" in imported and "typer" in imported
    packages = {name.partition(".")[0] for name in foreign(imported)}
    assert packages <= of_typer_and_rich, sorted(foreign(imported))
    assert not packages & {"detaudit", "detaudit_probes", "numpy", "msgspec", "psutil"}


def test_a_command_that_works_imports_more():
    """So the test above can fail."""
    imported = modules_after("explain", "sparse-update")
    assert {"detaudit.registry.describe", "detaudit_probes.sources"} <= foreign(imported)
