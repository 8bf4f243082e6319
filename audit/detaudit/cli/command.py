"""A command that takes its options from the command line, from ``DETAUDIT_*`` variables and from
``pyproject.toml``.
"""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from detaudit.cli import settings
from detaudit.cli.messages import note


def variables_of(name: str) -> dict[str, Any]:
    """Return the context settings with which the options of command ``name`` can be set by
    variables.
    """
    return {"auto_envvar_prefix": f"{settings.PREFIX}_{name.upper()}"}


class Command(TyperCommand):
    """A command that says which options came from a file, and which variables look like options but
    are not.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        for option in settings.options(self).values():
            option.show_envvar = False  # see docs/reference/commands.md

    def get_help_option(self, ctx: typer.Context) -> Any:
        """Return the option ``--help``, which no variable can set."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.allow_from_autoenv = False
        return option

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:
        root = ctx.find_root().command
        if ctx.resilient_parsing or args[:1] == ["--help"] or not isinstance(root, TyperGroup):
            return super().parse_args(ctx, args)
        defaults = settings.read(root, _working_folder())
        ctx.default_map = dict(defaults.values.get(self.name or "", {}))
        try:
            rest = super().parse_args(ctx, args)
        except typer.BadParameter as error:
            if error.param is not None and error.param.param_type_name == "option":
                error.param_hint = f"'{settings.as_written(ctx, error.param)}'"
            raise
        overridden = settings.switch_off_overridden(ctx)
        if not ctx.params.get("quiet"):
            self._print_origins(ctx, root, defaults, overridden)
        return rest

    def _print_origins(
        self,
        ctx: typer.Context,
        root: TyperGroup,
        defaults: settings.Settings,
        overridden: Collection[str],
    ) -> None:
        from_file = [
            f"--{name}"
            for name, option in settings.options(self).items()
            if _is_from_file(ctx.get_parameter_source(option.name))
            and option.name not in overridden
        ]
        if from_file:
            note(f"From {defaults.file}: {', '.join(from_file)}")
        for name, hint in settings.unknown_variables(root, os.environ):
            note(f"{name} is set, but no option has this name.{hint}")


def _is_from_file(source: Any) -> bool:
    return source is not None and source.name == "DEFAULT_MAP"


def _working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # the command says so, if it needs one
        return Path("/")
