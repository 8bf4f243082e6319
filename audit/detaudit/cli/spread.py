"""``detaudit spread``: the same training with one seed after another."""

import math
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from detaudit.cli.messages import warn
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
    File,
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
MOST_RUNS = 10_000
SETTINGS = {"allow_interspersed_args": False, "ignore_unknown_options": False}


def _models() -> list[str]:
    from detaudit.registry import base

    return list(base.component_models())


def spread_command(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="SCRIPT",
            autocompletion=scripts,
            help="Your script, notebook or command, as for detaudit run. Without it: a small network of ours.",
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
            help="Read a result from the output, where it matches last: 'accuracy (\\S+)'.",
        ),
    ] = None,
    results: Annotated[
        str | None,
        typer.Option(metavar="F", help="Read results from this JSON file that the script writes."),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Run this script too, with the same seeds, and compare: 'other.py --lr 0.1' (6 runs or more).",
        ),
    ] = None,
    by_source: Annotated[
        bool,
        typer.Option(
            "--by-source", help="Pin everything but one source at a time: which make results vary?"
        ),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            autocompletion=_models,
            help="Without a script: train this network, tutorial or classifier.",
            show_default="tutorial",
        ),
    ] = None,
    runs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=2,
            max=MOST_RUNS,
            show_default="30, or as many as --rate needs",
            help="Number of runs, each with its seed.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            metavar="R",
            help="Make as many runs as show a case of what happens at this rate: 0.01.",
        ),
    ] = None,
    power: Annotated[
        float,
        typer.Option(metavar="P", help="With --rate: the probability that a case is shown."),
    ] = 0.95,
    noise: Annotated[
        Path | None,
        typer.Option(metavar="F", help="Write the noise of each result as JSON, for --floor."),
    ] = None,
    floor: Annotated[
        Path | None,
        typer.Option(
            metavar="F",
            help="Run nothing: is --delta above the noise in this file of --noise? If not, exit with 1.",
        ),
    ] = None,
    delta: Annotated[
        float | None,
        typer.Option(
            metavar="D",
            help="A difference: how many runs find it? With --floor: is it above the noise?",
        ),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The result that counts; otherwise the first."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**31 - 1, show_default="1", help="The first seed; the others follow it."
        ),
    ] = None,
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
    from detaudit.commands.spread import noise as noise_file
    from detaudit.commands.spread import session
    from detaudit.commands.spread.conclusion import conclude
    from detaudit.commands.spread.options import MODEL, Options
    from detaudit.core.conclusion import OK
    from detaudit.core.events import Notice
    from detaudit.execution.program import program
    from detaudit.report import write
    from detaudit.report.build import common
    from detaudit.report.privacy import Private
    from detaudit.report.schema import v1

    if floor is not None:
        raise typer.Exit(_compare_with_floor(floor, delta, metric))
    if seed is not None and target is not None and seed_args is None and seed_env is None:
        raise UsageError(
            "--seed needs --seed-args or --seed-env: the script's own seeds are changed."
        )
    if noise is not None and by_source:
        raise UsageError("--by-source writes no file of --noise.")
    _check(target, seed_args, seed_env, parse, results, against, metric)
    if model is not None and (target is not None or model not in _models()):
        raise UsageError(f"--model is for runs without a script: {' or '.join(_models())}.")
    options = Options(
        python=interpreter_path(python),
        backend=backend,
        model=model or MODEL,
        device=device,
        runs=_number_of(runs, rate, power),
        seed=seed,
        seed_args=seed_args,
        seed_env=seed_env,
        parse=tuple(parse or ()),
        results=results,
        by_source=by_source,
        metric=metric,
        delta=_difference(delta, against, by_source),
        jobs=jobs,
        timeout=timeout,
        budget=limits.check_budget(budget),
    )
    targets = report_targets(json=json, markdown=markdown, junit=junit, html=html)
    outputs = {**targets, "noise": noise}
    for path in outputs.values():
        write.check_target(path)
    write.refuse_equal({**outputs, "log-file": log_file})
    commands = [] if target is None else [[target, *(arguments or ())]]
    if against is not None:
        commands.append(_words(against))
    programs = [
        program.find(name, module, tuple(words), working_folder(), options.python)
        for name, *words in commands
    ]
    written = {**outputs, "log": log_file}
    for one in programs:
        write.refuse_files_of(one.root, written)
    screen = Screen.set_up(verbose, quiet, log_file)
    with screen.progress() as emit:
        if rate is not None:
            shown = f"{options.runs} runs show at least one case of what happens in {100 * rate:g} % of runs"
            emit(Notice(f"{shown}, with a probability of {100 * power:g} %."))
        audit = session.run(options, emit, resume, programs, list(filter(None, written.values())))
    private = Private.of_here(arguments=audit.arguments)
    document = documented(
        lambda found: common.document(v1.SpreadReport, found, conclude(found), private=private),
        audit,
    )
    files = dict(reports(document, targets))
    if noise is not None and conclude(audit).outcome == OK:
        files[noise] = File(lambda: noise_file.text(audit.metrics, audit.identical))
    elif noise is not None:
        warn(f"{noise} was not written: {conclude(audit).reason}.")
    code = hand_over(document, files, screen)
    print_how_to_continue(audit, 1 + len(arguments or ()) if target is not None else 0)
    raise typer.Exit(code)


def _number_of(runs: int | None, rate: float | None, power: float) -> int:
    from detaudit.commands.spread.options import RUNS
    from detaudit.core.statistics import runs_for_rate

    if rate is None:
        return RUNS if runs is None else runs
    if runs is not None:
        raise UsageError("--rate says how many runs are made: leave out --runs.")
    try:
        needed = max(2, runs_for_rate(rate, power))
    except ValueError:
        raise UsageError("--rate and --power are between 0 and 1.") from None
    if needed > MOST_RUNS:
        raise UsageError(
            f"--rate {rate:g} needs {needed:,} runs, which is more than {MOST_RUNS:,}."
        )
    return needed


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--against {command!r}: {error}.") from None
    if not words:
        raise UsageError("--against takes a script, and its arguments.")
    return words


def _difference(delta: float | None, against: str | None, by_source: bool) -> float | None:
    if delta is None:
        return None
    if against is not None or by_source:
        raise UsageError(
            "--delta is for the results of one script, without --against or --by-source."
        )
    if not (math.isfinite(delta) and delta):
        raise UsageError(f"--delta {delta:g} is no difference.")
    return abs(delta)


def _compare_with_floor(floor: Path, delta: float | None, metric: str | None) -> int:
    from detaudit.commands.spread import noise

    if delta is None:
        raise UsageError("--floor needs --delta, the difference: --floor noise.json --delta 0.003.")
    enough, sentence = noise.above(floor, delta, metric)
    print(sentence)
    return 0 if enough else 1


def _check(target: str | None, *of_script: object) -> None:
    if target is None and any(of_script):
        raise UsageError(
            "--against, --seed-args, --seed-env, --parse, --results and --metric are for a script: "
            "detaudit spread OPTIONS SCRIPT."
        )
