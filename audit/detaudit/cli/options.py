"""Options shared by several commands, and how their values are checked and completed."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from detaudit_probes.backends import BACKENDS, KERAS_NAMES, KNOWN

from detaudit.cli.settings import as_written
from detaudit.core.nearest import did_you_mean
from detaudit.errors import UsageError

SCRIPT_BACKENDS = KERAS_NAMES
#: The backends of a scan. The adapter for an old TensorFlow follows from what is installed.
SCAN_BACKENDS = tuple(name for name, backend in KNOWN.items() if backend.named)
DETECTED = "KERAS_BACKEND, or the installed one"


def choice(names: Sequence[str], metavar: str = "NAME", **settings: Any) -> Any:
    """Return an option whose value is one of ``names``. An error for any other value suggests the
    nearest name.
    """

    def check(
        context: typer.Context, parameter: typer.CallbackParam, value: str | None
    ) -> str | None:
        if value is not None and value not in names and not context.resilient_parsing:
            option = as_written(context, parameter)
            hint = did_you_mean(value, names)
            raise UsageError(f"{option} takes {alternatives(names)}, not {value!r}.{hint}")
        return value

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return typer.Option(metavar=metavar, callback=check, autocompletion=complete, **settings)


def alternatives(names: Sequence[str]) -> str:
    """Return ``a, b or c``."""
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last


def source_ids(incomplete: str) -> list[tuple[str, str]]:
    """Return the sources whose id begins with this text, each with its title, for completion."""
    from detaudit.cli import third_parties
    from detaudit.registry import base

    third_parties.register(())
    known = base.script_sources()
    return [(name, source.title) for name, source in known.items() if name.startswith(incomplete)]


def operations(incomplete: str) -> list[str]:
    """Return the operations of the catalogue whose name begins with this text, for completion."""
    from detaudit.commands.ops.session import names

    return [name for name in dict.fromkeys(names()) if name.startswith(incomplete)]


Python = Annotated[
    str,
    typer.Option(
        "--python",
        metavar="PATH",
        show_default="this one",
        help="The interpreter to audit; nothing is installed there.",
    ),
]
Backend = Annotated[
    str | None,
    choice(
        SCAN_BACKENDS,
        show_default=DETECTED,
        help=f"The Keras backend: {alternatives(SCAN_BACKENDS)}.",
    ),
]
EveryAdapter = Annotated[
    str | None,
    choice(
        BACKENDS,
        show_default="KERAS_BACKEND, or the first that has the source",
        help=f"The Keras backend: {alternatives(BACKENDS)} (TensorFlow 1; Keras inside TensorFlow 2).",
    ),
]
Device = Annotated[
    str,
    choice(("auto", "cpu", "gpu"), help="Use cpu, gpu, or whatever the framework chooses (auto)."),
]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The seed that the pins set.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        min=1,
        show_default="one per core, if memory allows",
        help="Number of trials to run in parallel.",
    ),
]
TrialTimeout = Annotated[
    float, typer.Option(metavar="S", min=1, help="Time limit of one trial, in seconds.")
]
Budget = Annotated[
    str | None,
    typer.Option(metavar="S", help="Limit of the whole audit: 600 (seconds), 10m, 2h or 40runs."),
]
Cost = "--cost/--no-cost"
Strict = Annotated[
    bool, typer.Option("--strict", help="Also exit with 1 for needs-pin and varies.")
]
Json = Annotated[Path | None, typer.Option(metavar="F", help="Write the report as JSON.")]
PrintJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Markdown = Annotated[
    Path | None, typer.Option(metavar="F", help="Write the report as Markdown, for an issue.")
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="F", help="Write the report as one HTML file, with figures; needs detaudit[html]."
    ),
]
Junit = Annotated[Path | None, typer.Option(metavar="F", help="Write the report as JUnit XML.")]
Reproducer = Annotated[
    Path | None,
    typer.Option(
        metavar="F",
        help="Write a standalone script that reproduces the operation's nondeterminism, if confirmed.",
    ),
]
Resume = Annotated[Path | None, typer.Option(metavar="F", help="Continue an interrupted audit.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the evidence, and log to standard error.")
]
Evidence = Annotated[bool, typer.Option("--verbose", "-v", help="Show the evidence.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]
LogFile = Annotated[
    Path | None, typer.Option(metavar="F", help="Log every step of the audit to this file.")
]


def interpreter_path(given: str) -> str:
    """Return a name on PATH, or a path, as an absolute path. Links are not resolved: a virtual
    environment's link must stay one.
    """
    program = shutil.which(given)
    if program is None and not Path(given).exists():
        raise UsageError(
            f"There is no interpreter at {given}. Give --python a path such as .venv/bin/python."
        )
    return str(Path(program or given).absolute())
