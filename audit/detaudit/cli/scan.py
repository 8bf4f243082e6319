"""``detaudit scan``: the sources, tried on tiny models."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detaudit.cli.interruptions import interruptions
from detaudit.cli.messages import warn
from detaudit.cli.options import (
    DETECTED,
    SCAN_BACKENDS,
    SCRIPT_BACKENDS,
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
    Seed,
    Strict,
    TrialTimeout,
    Verbose,
    alternatives,
    choice,
    interpreter_path,
    source_ids,
)
from detaudit.cli.output import (
    Screen,
    documented,
    hand_over,
    report_targets,
    reports,
)
from detaudit.cli.resumption import print_how_to_continue
from detaudit.cli.third_parties import Probes
from detaudit.errors import EnvironmentUnusable, UsageError
from detaudit.execution import limits
from detaudit.execution.limits import TRIAL_SECONDS

if TYPE_CHECKING:
    from detaudit.commands.scan.session import Options

EXAMPLE = "Example: detaudit scan --quick --markdown report.md"
#: All installed backends; the exit code is the first of these that one scan returned.
ALL, WORST_FIRST = "all", (1, 70, 130, 2, 3, 0)


def scan_command(
    only: Annotated[
        list[str],
        typer.Option(
            metavar="ID",
            autocompletion=source_ids,
            help="Try only this source (may be repeated).",
        ),
    ] = [],  # noqa: B006 (typer copies it)
    skip: Annotated[
        list[str],
        typer.Option(
            metavar="ID",
            autocompletion=source_ids,
            help="Skip this source (may be repeated).",
        ),
    ] = [],  # noqa: B006
    quick: Annotated[
        bool, typer.Option("--quick", help="Try only the most common sources, in a few minutes.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Try every source, with more pairs.")
    ] = False,
    backend: Annotated[
        str | None,
        choice(
            (*SCAN_BACKENDS, ALL),
            show_default=DETECTED,
            help=f"The Keras backend: {alternatives(SCAN_BACKENDS)}; all scans every installed backend.",
        ),
    ] = None,
    device: Device = "auto",
    python: Python = sys.executable,
    trials: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Pairs of trials for each condition.")
    ] = None,
    seed: Seed = 1,
    jobs: Jobs = None,
    timeout: TrialTimeout = TRIAL_SECONDS,
    budget: Budget = None,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="Start a fresh process for every trial.")
    ] = False,
    probes: Probes = [],  # noqa: B006
    strict: Strict = False,
    json: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    html: Html = None,
    resume: Resume = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    log_file: LogFile = None,
) -> None:
    """Find what makes training non-reproducible on this machine, and the settings that fix it."""
    from detaudit.commands.scan import plan
    from detaudit.commands.scan.session import Options
    from detaudit.report import write

    if quick and full:
        raise UsageError("--quick and --full cannot be combined. Give one of them.")
    options = Options(
        python=interpreter_path(python),
        backend=backend,
        device=device,
        depth=plan.QUICK if quick else plan.FULL if full else plan.DEFAULT,
        only=tuple(only),
        skip=tuple(skip),
        trials=trials,
        seed=seed,
        jobs=jobs,
        timeout=timeout,
        budget=limits.check_budget(budget),
        isolate=isolate,
        strict=strict,
        probes=tuple(map(str, probes)),
        resume=str(resume) if resume else None,
    )
    targets = report_targets(json=json, markdown=markdown, junit=junit, html=html)
    write.refuse_equal({**targets, "log-file": log_file})
    screen = Screen.set_up(verbose, quiet, log_file)
    if backend != ALL:
        raise typer.Exit(scan_once(options, targets, screen))
    if resume:
        raise UsageError(
            "--resume continues one scan, but --backend all runs several. Give --backend one name."
        )
    raise typer.Exit(scan_all(options, targets, screen))


def scan_all(options: "Options", targets: Mapping[str, Path], screen: Screen) -> int:
    """Scan every installed backend, each with its own reports; return the worst exit code."""
    from detaudit.execution import interpreter

    backends = interpreter.installed(interpreter.ask(options.python).facts)
    if not backends:
        raise UsageError(
            f"{options.python} has no Keras backend. Install {alternatives(SCRIPT_BACKENDS)} there, or give "
            f"--python another interpreter."
        )
    codes = []
    for backend in backends:
        own = {form: beside(path, backend) for form, path in targets.items()}
        alone = {"--backend": backend, **{f"--{form}": str(path) for form, path in own.items()}}
        try:
            codes.append(scan_once(replace(options, backend=backend), own, screen, alone))
        except EnvironmentUnusable as error:
            # If one backend cannot be scanned, the others still are
            warn(str(error))
            codes.append(error.exit_code)
        if interruptions.number is not None:
            break
    return min(codes, key=WORST_FIRST.index)


def scan_once(
    options: "Options",
    targets: Mapping[str, Path],
    screen: Screen,
    alone: Mapping[str, str] = {},
) -> int:
    """Run one scan and write its reports; return its exit code. ``alone`` are the options that
    continue this scan without the others.
    """
    from detaudit.commands.scan.session import scan
    from detaudit.report import write
    from detaudit.report.build import scan as build

    for path in targets.values():
        write.check_target(path)
    with screen.progress() as emit:
        audit = scan(options, emit)
    document = documented(build.document, audit)
    code = hand_over(document, reports(document, targets), screen)
    print_how_to_continue(audit, options=alone)
    return code


def beside(path: Path, backend: str) -> Path:
    """Return the report's file for one of several backends: ``scan-jax.json`` for ``scan.json``."""
    return path.with_name(f"{path.stem}-{backend}{path.suffix}")
