"""``detaudit spread``: the same training with one seed after another."""

import sys
from typing import Annotated

import typer

from detaudit.cli.options import (
    Backend,
    Budget,
    Device,
    Html,
    Jobs,
    Json,
    Junit,
    LogFile,
    Markdown,
    Python,
    Quiet,
    Resume,
    TrialTimeout,
    Verbose,
    interpreter_path,
)
from detaudit.cli.output import (
    Screen,
    documented,
    hand_over,
    report_targets,
    reports,
)
from detaudit.cli.resumption import print_how_to_continue
from detaudit.execution import limits
from detaudit.execution.limits import TRIAL_SECONDS

EXAMPLE = "Example: detaudit spread --runs 30"


def spread_command(
    runs: Annotated[
        int,
        typer.Option(metavar="N", min=2, max=10_000, help="Number of runs, each with its seed."),
    ] = 30,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The first seed; the others follow it.")
    ] = 1,
    backend: Backend = None,
    device: Device = "auto",
    python: Python = sys.executable,
    jobs: Jobs = None,
    timeout: TrialTimeout = TRIAL_SECONDS,
    budget: Budget = None,
    resume: Resume = None,
    json: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    html: Html = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    log_file: LogFile = None,
) -> None:
    """Train with one seed after another: how far are the results apart?"""
    from detaudit.commands.spread import session
    from detaudit.commands.spread.conclusion import conclude
    from detaudit.report import write
    from detaudit.report.build import common
    from detaudit.report.schema import v1

    options = session.Options(
        python=interpreter_path(python),
        backend=backend,
        device=device,
        runs=runs,
        seed=seed,
        jobs=jobs,
        timeout=timeout,
        budget=limits.check_budget(budget),
    )
    targets = report_targets(json=json, markdown=markdown, junit=junit, html=html)
    for path in targets.values():
        write.check_target(path)
    write.refuse_equal({**targets, "log-file": log_file})
    screen = Screen.set_up(verbose, quiet, log_file)
    with screen.progress() as emit:
        audit = session.run(options, emit, resume)
    document = documented(
        lambda found: common.document(v1.SpreadReport, found, conclude(found)), audit
    )
    code = hand_over(document, reports(document, targets), screen)
    print_how_to_continue(audit)
    raise typer.Exit(code)
