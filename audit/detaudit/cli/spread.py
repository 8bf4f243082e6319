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
from detaudit.cli.target import scripts, working_folder
from detaudit.errors import UsageError
from detaudit.execution import limits
from detaudit.execution.limits import RUN_SECONDS, TRIAL_SECONDS

EXAMPLE = "Example: detaudit spread --runs 10 --seed-args '--seed {seed}' train.py --epochs 3"
SETTINGS = {"allow_interspersed_args": False, "ignore_unknown_options": False}


def spread_command(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="SCRIPT",
            autocompletion=scripts,
            help="Your script, notebook or command, as for detaudit run. Without it: the network of a tutorial.",
        ),
    ] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="The arguments of the script.")
    ] = None,
    module: Annotated[
        bool, typer.Option("--module", "-m", help="SCRIPT is a module, as for python -m.")
    ] = False,
    seed_args: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT", help="Give each run its seed by these arguments: '--seed {seed}'."
        ),
    ] = None,
    seed_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Give each run its seed in this variable.")
    ] = None,
    parse: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Read a result from the output, where it matches last: 'accuracy ([0-9.]+)'.",
        ),
    ] = None,
    results: Annotated[
        str | None,
        typer.Option(metavar="F", help="Read results from this JSON file that the script writes."),
    ] = None,
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
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            min=1,
            show_default=f"{TRIAL_SECONDS:g}, of a script {RUN_SECONDS:g}",
            help="Time limit of one run, in seconds.",
        ),
    ] = None,
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
    from detaudit.commands.spread.options import Options
    from detaudit.execution.program import program
    from detaudit.report import write
    from detaudit.report.build import common
    from detaudit.report.schema import v1

    _check(target, seed_args, seed_env, parse, results)
    options = Options(
        python=interpreter_path(python),
        backend=backend,
        device=device,
        runs=runs,
        seed=seed,
        seed_args=seed_args,
        seed_env=seed_env,
        parse=tuple(parse or ()),
        results=results,
        jobs=jobs,
        timeout=timeout or (TRIAL_SECONDS if target is None else RUN_SECONDS),
        budget=limits.check_budget(budget),
    )
    targets = report_targets(json=json, markdown=markdown, junit=junit, html=html)
    for path in targets.values():
        write.check_target(path)
    write.refuse_equal({**targets, "log-file": log_file})
    script, written = None, {**targets, "log": log_file}
    if target is not None:
        words = tuple(arguments or ())
        script = program.find(target, module, words, working_folder(), options.python)
        write.refuse_files_of(script.root, written)
    screen = Screen.set_up(verbose, quiet, log_file)
    with screen.progress() as emit:
        audit = session.run(options, emit, resume, script, list(filter(None, written.values())))
    document = documented(
        lambda found: common.document(v1.SpreadReport, found, conclude(found)), audit
    )
    code = hand_over(document, reports(document, targets), screen)
    print_how_to_continue(audit, 1 + len(arguments or ()) if target is not None else 0)
    raise typer.Exit(code)


def _check(target: str | None, *of_script: object) -> None:
    if target is None and any(of_script):
        raise UsageError(
            "--seed-args, --seed-env, --parse and --results are for a script: "
            "detaudit spread OPTIONS SCRIPT."
        )
