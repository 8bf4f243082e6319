"""``detaudit ops``: single operations, replayed."""

import sys
from typing import Annotated

import typer
from rich.console import Console

from detaudit.cli.options import (
    DEVICES,
    Backend,
    Jobs,
    Json,
    Junit,
    Markdown,
    Python,
    Reproducer,
    Resume,
    Seed,
    Strict,
    TrialTimeout,
    interpreter_path,
    one_of,
)
from detaudit.cli.output import (
    documented,
    hand_over,
    reports,
    reproduce,
    tell_how_to_go_on,
    until_written,
)

EXAMPLE = "Example: detaudit ops --op ResourceScatterAdd"


def ops_command(
    op: Annotated[
        list[str],
        typer.Option("--op", metavar="NAME", help="This operation only (may be repeated)."),
    ] = [],  # noqa: B006 (typer copies it)
    list_raising: Annotated[
        bool,
        typer.Option(
            "--list-raising", help="What refuses to run under op determinism: all of it, at once."
        ),
    ] = False,
    backend: Backend = "tensorflow",
    device: Annotated[str, typer.Option(help="Run on cpu, gpu or auto.")] = "auto",
    python: Python = sys.executable,
    reproducer: Reproducer = None,
    price: Annotated[
        bool, typer.Option("--price/--no-price", help="Time what op determinism costs.")
    ] = True,
    seed: Seed = 1,
    jobs: Jobs = None,
    timeout: TrialTimeout = 300,
    budget: Annotated[
        float | None, typer.Option(metavar="S", min=1, help="Seconds for everything.")
    ] = None,
    resume: Resume = None,
    strict: Strict = False,
    json: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show every operation.")] = False,
) -> None:
    """Replay single operations: which give other bits, under what, and what does op determinism
    refuse or cost?
    """
    from detaudit.cli.progress import Drawing
    from detaudit.commands.ops import session
    from detaudit.commands.ops.sweep import THREADS
    from detaudit.report import write
    from detaudit.report.build import ops as build_ops

    options = session.Options(
        python=interpreter_path(python),
        backend=one_of(backend, ("tensorflow",), "--backend"),
        device=one_of(device, DEVICES, "--device"),
        only=tuple(op),
        list_raising=list_raising,
        price=price,
        seed=seed,
        jobs=jobs,
        timeout=timeout,
        budget=budget,
        strict=strict,
    )
    targets = {"json": json, "markdown": markdown, "junit": junit}
    for path in (*targets.values(), reproducer):
        write.check_target(path)
    with Drawing(Console(stderr=True), searching=True) as drawing:
        audit = session.run(options, until_written(drawing), str(resume) if resume else None)
    document = documented(build_ops.document, audit)
    code = hand_over(document, reports(document, targets), verbose)
    if reproducer is not None:
        found = next((one.guilty for one in audit.operations if one.guilty is not None), None)
        reproduce(reproducer, found, audit.environment, options.python, THREADS)
    tell_how_to_go_on("ops", audit)
    raise typer.Exit(code)
