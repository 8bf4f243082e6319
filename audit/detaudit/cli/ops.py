"""``detaudit ops``: single operations, replayed."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from detaudit.cli import logs
from detaudit.cli.options import (
    Budget,
    Cost,
    Device,
    Jobs,
    Json,
    Junit,
    LogFile,
    Markdown,
    Python,
    Quiet,
    Reproducer,
    Resume,
    Seed,
    Strict,
    TrialTimeout,
    choice,
    interpreter_path,
    operations,
)
from detaudit.cli.output import (
    documented,
    hand_over,
    print_how_to_continue,
    reports,
    reproduce,
    until_written,
)
from detaudit.execution import limits
from detaudit.execution.limits import TRIAL_SECONDS

#: The backends whose operations are in the catalogue.
BACKENDS = ("tensorflow",)
EXAMPLE = "Example: detaudit ops --op ResourceScatterAdd"


def ops_command(
    op: Annotated[
        list[str],
        typer.Option(
            "--op",
            metavar="NAME",
            autocompletion=operations,
            help="Replay only this operation (may be repeated).",
        ),
    ] = [],  # noqa: B006 (typer copies it)
    list_raising: Annotated[
        bool,
        typer.Option(
            "--list-raising", help="List everything that refuses to run under op determinism."
        ),
    ] = False,
    backend: Annotated[
        str, choice(BACKENDS, help="The Keras backend; only tensorflow so far.")
    ] = "tensorflow",
    device: Device = "auto",
    python: Python = sys.executable,
    reproducer: Reproducer = None,
    cost: Annotated[
        bool, typer.Option(Cost, help="Measure how much time op determinism costs.")
    ] = True,
    seed: Seed = 1,
    jobs: Jobs = None,
    timeout: TrialTimeout = TRIAL_SECONDS,
    budget: Budget = None,
    resume: Resume = None,
    strict: Strict = False,
    json: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Show every operation, and log to standard error."),
    ] = False,
    quiet: Quiet = False,
    log_file: LogFile = None,
) -> None:
    """Replay single operations: which are not reproducible, and what op determinism refuses and
    costs.
    """
    from detaudit.cli.progress import Drawing
    from detaudit.commands.ops import session
    from detaudit.commands.ops.sweep import THREADS
    from detaudit.report import write
    from detaudit.report.build import ops as build_ops

    options = session.Options(
        python=interpreter_path(python),
        backend=backend,
        device=device,
        only=tuple(op),
        list_raising=list_raising,
        cost=cost,
        seed=seed,
        jobs=jobs,
        timeout=timeout,
        budget=limits.budget(budget),
        strict=strict,
    )
    targets = {"json": json, "markdown": markdown, "junit": junit}
    for path in (*targets.values(), reproducer):
        write.check_target(path)
    write.refuse_equal({**targets, "reproducer": reproducer, "log-file": log_file})
    console = Console(stderr=True)
    logs.set_up(console, verbose, log_file)
    with Drawing(console, quiet, verbose) as drawing:
        audit = session.run(options, until_written(drawing), str(resume) if resume else None)
    document = documented(build_ops.document, audit)
    code = hand_over(document, reports(document, targets), verbose, quiet)
    if reproducer is not None:
        found = next(
            (
                one.differing_operation
                for one in audit.operations
                if one.differing_operation is not None
            ),
            None,
        )
        reproduce(reproducer, found, audit.environment, options.python, THREADS)
    print_how_to_continue(audit)
    raise typer.Exit(code)
