"""``detaudit ops``: single operations, replayed."""

import sys
from typing import Annotated

import typer

from detaudit.cli.options import (
    Budget,
    Cost,
    Device,
    Html,
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
    Screen,
    documented,
    hand_over,
    report_targets,
    reports,
)
from detaudit.cli.reproducer import reproduce
from detaudit.cli.resumption import print_how_to_continue
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
    html: Html = None,
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
        budget=limits.check_budget(budget),
        strict=strict,
    )
    targets = report_targets(json=json, markdown=markdown, junit=junit, html=html)
    for path in (*targets.values(), reproducer):
        write.check_target(path)
    write.refuse_equal({**targets, "reproducer": reproducer, "log-file": log_file})
    screen = Screen.set_up(verbose, quiet, log_file)
    with screen.progress() as emit:
        audit = session.run(options, emit, resume)
    document = documented(build_ops.document, audit)
    code = hand_over(document, reports(document, targets), screen)
    if reproducer is not None:
        differing = (result.differing_operation for result in audit.operations)
        operation = next(filter(None, differing), None)
        reproduce(reproducer, operation, audit.environment, options.python, THREADS)
    print_how_to_continue(audit)
    raise typer.Exit(code)
