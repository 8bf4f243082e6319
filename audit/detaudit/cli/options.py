"""Options that several commands take, and how their values are checked."""

import shutil
from pathlib import Path
from typing import Annotated

import typer
from detaudit_probes.declare import BACKENDS, EVERY_BACKEND, THEANO

from detaudit.errors import UsageError

DEVICES = ("auto", "cpu", "gpu")
#: What ``KERAS_BACKEND`` takes.
IN_SCRIPTS = (*EVERY_BACKEND, THEANO)

Python = Annotated[
    str,
    typer.Option(
        "--python",
        metavar="PATH",
        show_default="this one",
        help="The interpreter to audit; nothing is installed there.",
    ),
]
Backend = Annotated[str, typer.Option(help=f"The Keras backend: {', '.join(BACKENDS)}.")]
Seed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The seed of every pin.")]
Jobs = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=1, show_default="cores, as memory allows", help="Trials at a time."
    ),
]
TrialTimeout = Annotated[float, typer.Option(metavar="S", min=1, help="Seconds for one trial.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit 1 for needs-pin and varies too.")]
Json = Annotated[Path | None, typer.Option(metavar="F", help="Write the report as JSON.")]
Markdown = Annotated[
    Path | None, typer.Option(metavar="F", help="Write the report for a bug issue.")
]
Junit = Annotated[Path | None, typer.Option(metavar="F", help="Write the report as JUnit XML.")]
Reproducer = Annotated[
    Path | None,
    typer.Option(
        metavar="F",
        help="Write a script that shows the operation's fault alone, once it was seen to.",
    ),
]
Resume = Annotated[Path | None, typer.Option(metavar="F", help="Go on with an interrupted audit.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show the evidence.")]


def interpreter_path(given: str) -> str:
    """A name on PATH or a path, made absolute but not resolved: a virtual environment's link must
    stay one.
    """
    found = shutil.which(given)
    if found is None and not Path(given).exists():
        raise UsageError(
            f"No interpreter at {given}. Give --python the path of one, such as .venv/bin/python."
        )
    return str(Path(found or given).absolute())


def one_of(value: str, allowed: tuple[str, ...], option: str) -> str:
    if value not in allowed:
        raise UsageError(f"{option} takes {', '.join(allowed)}, not {value!r}.")
    return value
