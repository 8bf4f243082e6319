"""``detaudit scan``: the sources, tried on tiny models."""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from detaudit_probes.declare import BACKENDS
from rich.console import Console

from detaudit.cli.interruptions import interruptions
from detaudit.cli.options import (
    DEVICES,
    Jobs,
    Json,
    Junit,
    Markdown,
    Python,
    Resume,
    Seed,
    Strict,
    TrialTimeout,
    Verbose,
    interpreter_path,
    one_of,
)
from detaudit.cli.output import (
    documented,
    hand_over,
    reports,
    tell_how_to_go_on,
    until_written,
    warn,
)
from detaudit.errors import EnvironmentUnusable, UsageError

if TYPE_CHECKING:
    from detaudit.commands.scan.session import Options

EXAMPLE = "Example: detaudit scan --quick --markdown report.md"
#: A scan of each backend that is installed; the exit code is the first of these that one of them
#: gave.
ALL, WORST_FIRST = "all", (1, 70, 130, 2, 3, 0)


def scan_command(
    only: Annotated[
        list[str], typer.Option(metavar="ID", help="Try this source only (may be repeated).")
    ] = [],  # noqa: B006 (typer copies it)
    skip: Annotated[
        list[str], typer.Option(metavar="ID", help="Leave this source out (may be repeated).")
    ] = [],  # noqa: B006
    quick: Annotated[
        bool, typer.Option("--quick", help="The commonest sources, in about a minute.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Every source, with more pairs.")] = False,
    backend: Annotated[
        str,
        typer.Option(help=f"The Keras backend: {', '.join(BACKENDS)}, or all that are installed."),
    ] = "tensorflow",
    device: Annotated[str, typer.Option(help="Train on cpu, gpu or auto.")] = "auto",
    python: Python = sys.executable,
    trials: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Pairs of trials for each condition.")
    ] = None,
    seed: Seed = 1,
    jobs: Jobs = None,
    timeout: TrialTimeout = 300,
    budget: Annotated[
        float | None, typer.Option(metavar="S", min=1, help="Seconds for the whole scan.")
    ] = None,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="A fresh process for every trial.")
    ] = False,
    strict: Strict = False,
    json: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    resume: Resume = None,
    verbose: Verbose = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Find what makes training non-reproducible on this machine, and the settings that fix it."""
    from detaudit.commands.scan import plan
    from detaudit.commands.scan.session import Options
    from detaudit.execution import interpreter

    if quick and full:
        raise UsageError("--quick and --full exclude each other.")
    options = Options(
        python=interpreter_path(python),
        backend=one_of(backend, (*BACKENDS, ALL), "--backend"),
        device=one_of(device, DEVICES, "--device"),
        depth=plan.QUICK if quick else plan.FULL if full else plan.DEFAULT,
        only=tuple(only),
        skip=tuple(skip),
        trials=trials,
        seed=seed,
        jobs=jobs,
        timeout=timeout,
        budget=budget,
        isolate=isolate,
        strict=strict,
        resume=str(resume) if resume else None,
    )
    targets = {"json": json, "markdown": markdown, "junit": junit}
    if backend != ALL:
        raise typer.Exit(scan_once(options, targets, verbose, quiet))
    if resume:
        raise UsageError("--resume goes on with one scan; --backend all makes several.")
    found = interpreter.installed(interpreter.ask(options.python).facts)
    if not found:
        raise UsageError(f"None of {', '.join(BACKENDS[:3])} is installed for {options.python}.")
    codes = []
    for name in found:
        paths = {kind: beside(path, name) for kind, path in targets.items()}
        try:
            codes.append(scan_once(replace(options, backend=name), paths, verbose, quiet))
        except EnvironmentUnusable as error:
            # One backend that cannot be scanned does not keep the others from it
            warn(str(error))
            codes.append(error.exit_code)
        if interruptions.number is not None:
            break
    raise typer.Exit(min(codes, key=WORST_FIRST.index))


def scan_once(
    options: "Options", targets: Mapping[str, Path | None], verbose: bool, quiet: bool
) -> int:
    """One scan with its reports, and its exit code."""
    from detaudit.cli.progress import Drawing
    from detaudit.commands.scan.session import scan
    from detaudit.report import write
    from detaudit.report.build import scan as build

    for path in targets.values():
        write.check_target(path)
    with Drawing(Console(stderr=True), quiet) as drawing:
        audit = scan(options, until_written(drawing))
    document = documented(build.document, audit)
    code = hand_over(document, reports(document, targets), verbose, quiet)
    tell_how_to_go_on("scan", audit)
    return code


def beside(path: Path | None, name: str) -> Path | None:
    """``scan.json`` for one of several backends: ``scan-jax.json``."""
    return None if path is None else path.with_name(f"{path.stem}-{name}{path.suffix}")
