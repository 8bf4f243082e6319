"""``detaudit again``: one tiny model, trained twice."""

import sys
from typing import Annotated

import typer

from detaudit.cli.options import (
    Html,
    Json,
    Junit,
    Markdown,
    Python,
    Resume,
    Seed,
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
from detaudit.cli.third_parties import Probes

EXAMPLE = "Example: detaudit again --seed 3"


def again_command(
    backend: Annotated[str, typer.Option(metavar="NAME", help="The backend.")] = "tensorflow",
    python: Python = sys.executable,
    seed: Seed = 1,
    probes: Probes = [],  # noqa: B006 (typer copies it)
    procedure: Annotated[
        str | None, typer.Option(metavar="ID", help="Train as this source does, not as we do.")
    ] = None,
    pin: Annotated[
        list[str], typer.Option(metavar="ID", help="Pin this too (may be repeated).")
    ] = [],  # noqa: B006 (typer copies it)
    resume: Resume = None,
    json: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    html: Html = None,
    verbose: Verbose = False,
) -> None:
    """Train one tiny model twice with everything pinned: do the two trials match?"""
    from detaudit.commands.again import session
    from detaudit.commands.again.conclusion import conclude
    from detaudit.report import write
    from detaudit.report.build import common
    from detaudit.report.schema import v1

    folders = tuple(map(str, probes))
    path = interpreter_path(python)
    options = session.Options(path, backend, seed, folders, procedure, tuple(pin))
    targets = report_targets(json=json, markdown=markdown, junit=junit, html=html)
    for path in targets.values():
        write.check_target(path)
    screen = Screen.set_up(verbose)
    with screen.progress() as emit:
        audit = session.run(options, emit, resume)
    document = documented(
        lambda found: common.document(v1.AgainReport, found, conclude(found)), audit
    )
    code = hand_over(document, reports(document, targets), screen)
    print_how_to_continue(audit)
    raise typer.Exit(code)
