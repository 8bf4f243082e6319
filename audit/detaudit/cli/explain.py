"""``detaudit explain``: one source."""

from typing import Annotated

import typer
from detaudit_probes.declare import BACKENDS
from rich.console import Console

from detaudit.cli.options import one_of

EXAMPLE = "Example: detaudit explain sparse-update"


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
    from detaudit.cli.describe_source import about
    from detaudit.commands.scan import plan
    from detaudit.registry import base

    known = base.script_sources()
    plan.check_id(source, known)
    chosen = known.get(source) or next(
        one for name, one in known.items() if name.partition(":")[0] == source
    )
    asked = one_of(backend or chosen.backends[0], BACKENDS, "--backend")
    Console().print(about(base.on_backend(chosen, asked), asked, seed))
