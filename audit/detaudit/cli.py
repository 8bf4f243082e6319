"""The command line. It alone prints, catches exceptions and exits."""

import shutil
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from detaudit_probes.declare import BACKENDS, EVERY_BACKEND, THEANO
from rich.console import Console

from detaudit import __version__, base, explain, gpu, inventory, plan, under_test
from detaudit.errors import DetauditError, EnvironmentUnusable, UsageError
from detaudit.ops import reproducer as reproducers
from detaudit.ops import session as ops
from detaudit.ops.pinpoint import KERNEL
from detaudit.ops.sweep import THREADS
from detaudit.pinpoint import Guilty
from detaudit.progress import Drawing
from detaudit.report import build, build_ops, build_run, read, write
from detaudit.report.formats import registry as faces
from detaudit.report.schema import v1
from detaudit.sandbox.view import KINDS
from detaudit.scan import Options, scan
from detaudit.script import program, session
from detaudit.script.localise import DEPTHS, OPERATION
from detaudit.workspace import workspace

DEVICES = ("auto", "cpu", "gpu")
#: A scan of each backend that is installed; the exit code is the first of these that one of them
#: gave.
ALL, WORST_FIRST = "all", (1, 130, 3, 0)
#: What ``KERAS_BACKEND`` takes.
IN_SCRIPTS = (*EVERY_BACKEND, THEANO)
FRAMEWORKS = ("tensorflow", "torch", "keras", "numpy")
FORMATS = ("terminal", "json", "markdown", "junit", "svg")

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Names, by experiment, what makes two trainings with TensorFlow and Keras differ.",
    epilog="Example: detaudit scan --quick",
)


def main() -> None:
    """Run the command; errors become one sentence and an exit code
    (docs/reference/exit-codes.md).
    """
    for number in (
        signal.SIGTERM,
        signal.SIGHUP,
    ):  # batch systems and a closed terminal interrupt as Ctrl-C does
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)
    try:
        app(standalone_mode=True)
    except DetauditError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        fail("Interrupted.", 130)
    except BrokenPipeError:
        sys.exit(0)
    except Exception:  # a fault of ours must never look like a verdict
        traceback.print_exc()
        fail("This is a fault of detaudit itself: please report it with the lines above.", 70)


def fail(message: str, code: int) -> NoReturn:
    warn(message)
    sys.exit(code)


def warn(message: str) -> None:
    Console(stderr=True).print(
        message, style="bold red", highlight=False, markup=False, soft_wrap=True
    )


def _version(asked: bool) -> None:
    if asked:
        print(f"detaudit {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit."),
]
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


Reproducer = Annotated[
    Path | None,
    typer.Option(
        metavar="F",
        help="Write a script that shows the operation's fault alone, once it was seen to.",
    ),
]


@app.callback()
def _everywhere(version: Version = False) -> None:
    pass


@app.command("scan", epilog="Example: detaudit scan --quick --markdown report.md")
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
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The seed of every pin.")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, show_default="cores, as memory allows", help="Trials at a time."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=1, help="Seconds for one trial.")
    ] = 300,
    budget: Annotated[
        float | None, typer.Option(metavar="S", min=1, help="Seconds for the whole scan.")
    ] = None,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="A fresh process for every trial.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 for needs-pin and varies too.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the report as JSON.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the report for a bug issue.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the report as JUnit XML.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="F", help="Go on with an interrupted scan.")
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the evidence.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Find what makes training non-reproducible on this machine, and the settings that fix it."""
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
    found = under_test.installed(under_test.ask(options.python)["facts"])
    if not found:
        raise UsageError(f"None of {', '.join(BACKENDS[:3])} is installed for {options.python}.")
    codes = []
    for name in found:
        paths = {kind: beside(path, name) for kind, path in targets.items()}
        try:
            codes.append(scan_once(replace(options, backend=name), paths, verbose, quiet))
        except (
            EnvironmentUnusable
        ) as error:  # one backend that cannot be scanned does not keep the others from it
            warn(str(error))
            codes.append(error.exit_code)
    raise typer.Exit(min(codes, key=WORST_FIRST.index))


def scan_once(
    options: Options, targets: Mapping[str, Path | None], verbose: bool, quiet: bool
) -> int:
    """One scan with its reports, and its exit code."""
    for path in targets.values():
        write.check_target(path)
    with Drawing(Console(stderr=True), quiet) as drawing:
        audit = scan(options, drawing)
    document = build.document(audit)
    hand_over(document, targets, verbose, quiet)
    if audit.resume:
        fail(
            f"Interrupted. {len(audit.trials)} finished trials are saved; go on with: "
            f"detaudit scan --resume {audit.resume}",
            document.exit_code,
        )
    return document.exit_code


def hand_over(
    document: v1.Document, targets: Mapping[str, Path | None], verbose: bool, quiet: bool = False
) -> None:
    """The report on the screen, and in the files that it was asked for."""
    if not quiet:
        Console().print(faces.on_screen(document, verbose), crop=False)
    for kind, path in targets.items():
        if path is not None:
            write.save(path, faces.rendered(document, kind))


def beside(path: Path | None, name: str) -> Path | None:
    """``scan.json`` for one of several backends: ``scan-jax.json``."""
    return None if path is None else path.with_name(f"{path.stem}-{name}{path.suffix}")


@app.command(
    "run",
    epilog="Example: detaudit run train.py --epochs 3",
    context_settings={"allow_interspersed_args": False, "ignore_unknown_options": False},
)
def run_command(
    target: Annotated[
        str, typer.Argument(metavar="SCRIPT", help="The script, or with -m the module.")
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="ARGS", help="The script's own.")
    ] = None,
    module: Annotated[
        bool, typer.Option("-m", help="SCRIPT is a module, as for python -m.")
    ] = False,
    backend: Annotated[
        str | None,
        typer.Option(
            show_default="as the script takes", help=f"The Keras backend: {', '.join(IN_SCRIPTS)}."
        ),
    ] = None,
    device: Annotated[
        str, typer.Option(help="Train on cpu or on what the script takes (auto).")
    ] = "auto",
    python: Python = sys.executable,
    pairs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            show_default="3; 2 of a long script",
            help="Pairs of runs of the script as it is.",
        ),
    ] = None,
    search: Annotated[
        bool,
        typer.Option(
            "--search/--no-search",
            help="Look for the causes and a fix; without, the verdict alone.",
        ),
    ] = True,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The seed of every pin, and in the fix.")
    ] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, show_default="cores, as memory allows", help="Runs at a time."
        ),
    ] = None,
    timeout: Annotated[float, typer.Option(metavar="S", min=1, help="Seconds for one run.")] = 3600,
    budget: Annotated[
        str | None, typer.Option(metavar="S", help="Seconds for everything (40runs: runs).")
    ] = None,
    stop_after: Annotated[
        str | None, typer.Option(metavar="N", help="End each run after N steps (60s: seconds).")
    ] = None,
    every: Annotated[
        int, typer.Option(metavar="N", min=1, help="Look at the weights in every N-th step.")
    ] = 1,
    isolation: Annotated[
        str | None,
        typer.Option(
            show_default="overlay, or copy where none can be mounted",
            help="Keep what runs write from the folder by an overlay, by a copy, or restore it (in-place).",
        ),
    ] = None,
    online: Annotated[
        bool, typer.Option("--online", help="Let experiment trackers upload.")
    ] = False,
    depth: Annotated[
        str, typer.Option(help="Follow a divergence to the step, tensor, layer or op.")
    ] = "op",
    price: Annotated[
        bool | None,
        typer.Option(
            "--price/--no-price",
            show_default="where a run takes under 20 s",
            help="Time what the pins cost.",
        ),
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the traces and outputs there.")
    ] = None,
    show_output: Annotated[
        bool, typer.Option("--show-output", help="Show what the first run printed.")
    ] = False,
    write_fix: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the fix as a diff.")
    ] = None,
    reproducer: Reproducer = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 too where the result rests on the machine.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the report as JSON.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the report for a bug issue.")
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the evidence.")] = False,
) -> None:
    """Is your script reproducible? If not: where its runs first differ, why, and a tested fix."""
    options = session.Options(
        python=interpreter_path(python),
        device=one_of(device, ("auto", "cpu"), "--device"),
        backend=None if backend is None else one_of(backend, IN_SCRIPTS, "--backend"),
        pairs=pairs,
        jobs=jobs,
        timeout=timeout,
        budget=session.budget(budget),
        seed=seed,
        stop_after=session.stop(stop_after),
        every=every,
        isolation=None if isolation is None else one_of(isolation, KINDS, "--isolation"),
        online=online,
        keep=str(keep) if keep else None,
        strict=strict,
        depth=one_of(depth, DEPTHS, "--depth"),
        price=price,
        search=search,
    )
    if reproducer is not None and depth != OPERATION:
        raise UsageError(f"--reproducer needs the operation: --depth {OPERATION}.")
    targets = {"json": json, "markdown": markdown}
    for path in (*targets.values(), write_fix, reproducer):
        write.check_target(path)
    found = program.find(target, module, tuple(arguments or ()), working_folder())
    write.refuse_files_of(found.root, {**targets, "fix": write_fix, "reproducer": reproducer})
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UsageError(f"--keep needs a new folder: {keep} is there already.")
    with Drawing(Console(stderr=True), searching=True) as drawing:
        audit = session.run(found, options, drawing)
    document = build_run.document(audit)
    if show_output:
        sys.stdout.write(audit.output)
    hand_over(document, targets, verbose)
    if write_fix is not None and audit.fix is not None:
        write.save(write_fix, write.FIX_HEADER + audit.fix.diff)
    if reproducer is not None:
        found = (
            audit.pinpoint.guilty
            if audit.pinpoint is not None and audit.pinpoint.born == KERNEL
            else None
        )
        reproduce(reproducer, found, audit.environment, options.python)
    raise typer.Exit(document.exit_code)


@app.command("ops", epilog="Example: detaudit ops --op ResourceScatterAdd")
def ops_command(
    op: Annotated[
        list[str],
        typer.Option("--op", metavar="NAME", help="This operation only (may be repeated)."),
    ] = [],  # noqa: B006
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
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The seed of every pin.")] = 1,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, show_default="cores, as memory allows", help="Trials at a time."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="S", min=1, help="Seconds for one trial.")
    ] = 300,
    budget: Annotated[
        float | None, typer.Option(metavar="S", min=1, help="Seconds for everything.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit 1 for needs-pin and varies too.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the report as JSON.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option(metavar="F", help="Write the report for a bug issue.")
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show every operation.")] = False,
) -> None:
    """Replay single operations: which give other bits, under what, and what does op determinism
    refuse or cost?
    """
    options = ops.Options(
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
    targets = {"json": json, "markdown": markdown}
    for path in (*targets.values(), reproducer):
        write.check_target(path)
    with Drawing(Console(stderr=True), searching=True) as drawing:
        audit = ops.run(options, drawing)
    document = build_ops.document(audit)
    hand_over(document, targets, verbose)
    if reproducer is not None:
        found = next((one.guilty for one in audit.operations if one.guilty is not None), None)
        reproduce(reproducer, found, audit.environment, options.python, THREADS)
    raise typer.Exit(document.exit_code)


@app.command("report", epilog="Example: detaudit report scan.json --format markdown")
def report_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A report written with --json.")],
    form: Annotated[
        str, typer.Option("--format", help=f"One of {', '.join(FORMATS)}.")
    ] = "terminal",
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the evidence.")] = False,
) -> None:
    """Render a saved report again."""
    document = read.load(file)
    if one_of(form, FORMATS, "--format") == "terminal":
        Console().print(faces.on_screen(document, verbose), crop=False)
    else:
        sys.stdout.write(faces.rendered(document, form))


@app.command("sources", epilog="Example: detaudit sources")
def sources_command(python: Python = sys.executable, backend: Backend = "tensorflow") -> None:
    """List the sources, and whether each can be tried here."""
    facts = under_test.ask(interpreter_path(python))["facts"]
    adapter = under_test.adapter(one_of(backend, BACKENDS, "--backend"), facts)
    gpus = gpu.count(gpu.snapshot())
    Console().print(explain.listing(base.script_sources(adapter), facts, gpus))


@app.command("explain", epilog="Example: detaudit explain sparse-update")
def explain_command(
    source: Annotated[
        str, typer.Argument(metavar="ID", help="A source, as `detaudit sources` lists them.")
    ],
    backend: Annotated[
        str | None,
        typer.Option(
            show_default="tensorflow, or the first that has it",
            help=f"The Keras backend: {', '.join(BACKENDS)}.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The seed in the lines to paste.")
    ] = 1,
) -> None:
    """Say what a source is, how it breaks runs, and how to pin it."""
    known = base.script_sources()
    plan.check_id(source, known)
    chosen = known.get(source) or next(
        one for name, one in known.items() if name.partition(":")[0] == source
    )
    asked = one_of(backend or chosen.backends[0], BACKENDS, "--backend")
    Console().print(explain.about(base.on_backend(chosen, asked), asked, seed))


@app.command("machine", epilog="Example: detaudit machine --json")
def machine_command(
    python: Python = sys.executable,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what is known of this machine and of the environment under test."""
    described = inventory.everything(under_test.ask(interpreter_path(python))["facts"])
    if json:
        sys.stdout.write(write.plain_json(described))
    else:
        Console().print(inventory.render(described))


def reproduce(
    path: Path,
    guilty: Guilty | None,
    facts: Mapping[str, Any],
    python: str,
    threads: int | None = None,
) -> None:
    """Write the script that shows one operation's fault, if it does; else say why there is none."""
    packages = {
        name: version for name, version in facts.get("packages", {}).items() if name in FRAMEWORKS
    }
    backend = facts.get("framework", {}).get("backend", "tensorflow")
    text = None if guilty is None else reproducers.text(guilty, packages, threads, backend)
    if text is None:
        print(
            "No reproducer: no operation was seen to give other results from equal inputs in one process."
            if guilty is None
            else f"No reproducer: {guilty.operation} cannot be called alone, on inputs that are "
            f"made up.",
            file=sys.stderr,
        )
        return
    with workspace() as folder:
        shown = reproducers.shows(text, python, folder.private)
    if shown:
        write.save(path, text)
        print(f"Reproducer: {path}, run, and the fault shows.", file=sys.stderr)
    else:
        print(
            "No reproducer: with random inputs the operation alone was not seen to part.",
            file=sys.stderr,
        )


def working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError(
            "The working folder is not there any more: change to another one."
        ) from None


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
