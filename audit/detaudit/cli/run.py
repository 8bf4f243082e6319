"""``detaudit run``: audit a program of the user's."""

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detaudit.cli.logs import Mask
from detaudit.cli.options import (
    SCRIPT_BACKENDS,
    Budget,
    Cost,
    Html,
    Json,
    Junit,
    LogFile,
    Markdown,
    Python,
    Quiet,
    Reproducer,
    Resume,
    Verbose,
    alternatives,
    choice,
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
from detaudit.cli.reproducer import reproduce
from detaudit.cli.resumption import print_how_to_continue
from detaudit.cli.target import scripts, working_folder
from detaudit.cli.third_parties import Probes
from detaudit.core.sentences import capitalized, listed
from detaudit.errors import UsageError
from detaudit.execution import limits
from detaudit.execution.limits import RUN_SECONDS

if TYPE_CHECKING:
    from detaudit.commands.run.findings import Fix, RunAudit
    from detaudit.core.pinpoint import LocatedOperation
    from detaudit.execution.program.program import Program

#: Options that hardly any script has.
OURS = (
    "--allow-dirty",
    "--budget",
    "--cost",
    "--diff",
    "--fix",
    "--isolation",
    "--no-cost",
    "--no-search",
    "--pairs",
    "--reproducer",
    "--show-output",
    "--stop-after",
    "--write-fix",
)
EXAMPLE = "Example: detaudit run train.py --epochs 3"
SETTINGS = {"allow_interspersed_args": False, "ignore_unknown_options": False}


def run_command(
    context: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="SCRIPT",
            autocompletion=scripts,
            help="The script or notebook; with -m, the module; or package.module:function, or an installed command.",
        ),
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="The arguments of the script.")
    ] = None,
    module: Annotated[
        bool, typer.Option("--module", "-m", help="SCRIPT is a module, as for python -m.")
    ] = False,
    backend: Annotated[
        str | None,
        choice(
            SCRIPT_BACKENDS,
            show_default="the script's own",
            help=f"The Keras backend: {alternatives(SCRIPT_BACKENDS)}.",
        ),
    ] = None,
    device: Annotated[
        str, choice(("auto", "cpu"), help="Use cpu, or whatever the script chooses (auto).")
    ] = "auto",
    python: Python = sys.executable,
    pairs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            show_default="3, or 2 for a long script",
            help="Pairs of runs of the unchanged script.",
        ),
    ] = None,
    search: Annotated[
        bool,
        typer.Option(
            "--search/--no-search",
            help="Search for the causes and a fix, or give only the verdict.",
        ),
    ] = True,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The seed that the pins and the fix set.")
    ] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            show_default="one per core, if memory allows",
            help="Number of runs to make in parallel.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=1, help="Time limit of one run, in seconds.")
    ] = RUN_SECONDS,
    budget: Budget = None,
    stop_after: Annotated[
        str | None,
        typer.Option(metavar="N", help="Stop each run after N steps, or after a time (60s)."),
    ] = None,
    every: Annotated[
        int, typer.Option(metavar="N", min=1, help="Record the weights in every N-th step.")
    ] = 1,
    isolation: Annotated[
        str | None,
        choice(
            ("overlay", "copy", "in-place"),
            show_default="overlay, or copy if none can be mounted",
            help="Protect the folder from runs: by an overlay, by a copy, or by restoring it (in-place).",
        ),
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Let experiment trackers upload.")
    ] = False,
    depth: Annotated[
        str,
        choice(
            ("step", "tensor", "layer", "op"),
            help="How closely to locate the divergence: step, tensor, layer or op.",
        ),
    ] = "op",
    cost: Annotated[
        bool | None,
        typer.Option(
            Cost,
            show_default="if that takes little time",
            help="Measure how much time the pins cost.",
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the traces and outputs in DIR, unredacted."),
    ] = None,
    keep_environment: Annotated[
        bool,
        typer.Option(
            "--keep-environment",
            help="With --keep: also keep all environment variables and the arguments.",
        ),
    ] = False,
    show_output: Annotated[
        bool, typer.Option("--show-output", help="Show what the first run printed.")
    ] = False,
    write_fix: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the fix as a diff, unredacted.")
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Apply a verified fix to the script's files.")
    ] = False,
    allow_dirty: Annotated[
        bool,
        typer.Option("--allow-dirty", help="With --fix: also to files with uncommitted changes."),
    ] = False,
    diff: Annotated[
        bool, typer.Option("--diff", help="Print only the fix, as a diff, unredacted.")
    ] = False,
    reproducer: Reproducer = None,
    resume: Resume = None,
    probes: Probes = [],  # noqa: B006 (typer copies it)
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Also exit with 1 if the result depends on the machine."),
    ] = False,
    json: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    html: Html = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
    log_file: LogFile = None,
) -> None:
    """Is your script reproducible? If not: where its runs first differ, why, and a tested fix."""
    from detaudit.commands.run import applying, session
    from detaudit.commands.run.localise import OPERATION
    from detaudit.core.events import Notice
    from detaudit.execution.program import program
    from detaudit.report import write
    from detaudit.report.build import run as build_run

    options = session.Options(
        python=interpreter_path(python),
        device=device,
        backend=backend,
        pairs=pairs,
        jobs=jobs,
        timeout=timeout,
        budget=limits.check_budget(budget),
        seed=seed,
        stop_after=session.check_stop_after(stop_after),
        every=every,
        isolation=isolation,
        online=online,
        keep=str(keep) if keep else None,
        keep_environment=keep_environment,
        strict=strict,
        depth=depth,
        cost=cost,
        search=search,
        fix=fix,
        probes=tuple(map(str, probes)),
    )
    if keep_environment and keep is None:
        raise UsageError("--keep-environment needs --keep DIR.")
    if (fix or diff) and not search:
        raise UsageError("--no-search finds no fix: leave it out.")
    if diff and show_output:
        raise UsageError("--diff prints only the fix: leave out --show-output.")
    if allow_dirty and not fix:
        raise UsageError("--allow-dirty needs --fix.")
    if reproducer is not None and depth != OPERATION:
        raise UsageError(f"--reproducer needs --depth {OPERATION}.")
    targets = report_targets(json=json, markdown=markdown, junit=junit, html=html)
    results = {**targets, "write-fix": write_fix, "reproducer": reproducer}
    for path in results.values():
        write.check_target(path)
    write.refuse_equal({**results, "log-file": log_file, "keep": keep})
    words = tuple(arguments or ())
    script = program.find(target, module, words, working_folder(), options.python)
    if write_fix is not None and script.is_notebook:
        raise UsageError("--write-fix writes a diff for patch, which cannot change a notebook.")
    if script.words and context.get_parameter_source("python").name == "DEFAULT":
        options = replace(options, python=interpreter_path(shutil.which("python") or python))
    if fix and not allow_dirty and script.script is not None:
        applying.check(script.root, [str(script.relative(script.script))])
    written = {**targets, "fix": write_fix, "reproducer": reproducer, "log": log_file}
    write.refuse_files_of(script.root, written)
    if keep is not None:
        write.check_folder(keep)
    screen = Screen.set_up(verbose, quiet, log_file)
    with screen.progress() as emit:
        misplaced = misplaced_options(words)
        if misplaced:
            emit(Notice(misplaced))
        outputs = list(filter(None, written.values()))
        audit = session.run(script, options, emit, resume, outputs)
    found = audit.fix
    if fix and found is not None:
        audit = _apply(script, audit, found, allow_dirty)
    if write_fix is not None and found is not None:
        name = os.path.relpath(write_fix, script.root)
        audit = replace(audit, options={**audit.options, "write_fix": name})
    document = documented(build_run.document, audit)
    files = dict(reports(document, targets))
    if write_fix is not None and found is not None:
        files[write_fix] = File(lambda: write.FIX_HEADER + found.diff, private=True)
    printed = audit.output if show_output else ""
    if diff:
        printed += found.diff if found is not None else ""
        screen = replace(screen, quiet=True)
    code = hand_over(document, files, screen, printed)
    if fix and diff and found is not None:
        print(f"{Mask()(capitalized(audit.notes[-1]))}.", file=sys.stderr)
    if (write_fix is not None or fix or diff) and found is None:
        reason = audit.no_fix_reason or audit.reason
        print(f"There is no fix: {Mask()(reason)}.", file=sys.stderr)
    if reproducer is not None:
        from detaudit.machine import confinement

        # On one core a framework would use one thread, and so would a script without the program
        threads = 2 if confinement.cores() == 1 else None
        reproduce(reproducer, _located_kernel(audit), audit.environment, options.python, threads)
    print_how_to_continue(audit, 1 + len(arguments or ()))
    raise typer.Exit(code)


def _apply(script: "Program", audit: "RunAudit", fix: "Fix", allow_dirty: bool) -> "RunAudit":
    """Apply the fix; return the audit with a note on what was changed, or why nothing was."""
    from detaudit.commands.run import applying

    try:
        changed = applying.apply(script.root, fix, allow_dirty)
    except UsageError as error:
        notes = (*audit.notes, str(error).rstrip("."))
        return replace(audit, notes=notes, options={**audit.options, "fix": False})
    note = f"the fix was applied to {listed(changed)}" if changed else "the fix changes no file"
    return replace(audit, notes=(*audit.notes, note))


def misplaced_options(words: Sequence[str]) -> str:
    """Return a sentence on options of detaudit that stand behind the script, and so are given to
    it; empty if there are none, or only such as scripts have too.
    """
    found = [word for word in words if word.partition("=")[0] in OURS]
    if not found:
        return ""
    return f"Given to the script: {listed(found)}. Options of detaudit stand before the script."


def _located_kernel(audit: "RunAudit") -> "LocatedOperation | None":
    """Return the operation whose kernel makes runs differ; None if no kernel was located."""
    from detaudit.core.pinpoint import KERNEL

    pinpoint = audit.pinpoint
    return pinpoint.operation if pinpoint is not None and pinpoint.origin == KERNEL else None
