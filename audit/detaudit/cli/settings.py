"""Options from other places than the command line: ``[tool.detaudit]`` and ``DETAUDIT_*``.

Every option of every command can be set in ``pyproject.toml``, in the table of its command, under
its own name (``[tool.detaudit.run]``, ``stop-after = 200``), or in a variable
(``DETAUDIT_RUN_STOP_AFTER``). The command line overrides the variable, which overrides the file.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from detaudit.core.nearest import did_you_mean, nearest
from detaudit.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "pyproject.toml"
PREFIX = "DETAUDIT"
_TABLES = "[tool.detaudit] has a table for each command, such as [tool.detaudit.run]"
#: Options that only print and exit, or that no audit takes.
_NEVER = ("help", "version", "install-completion", "show-completion")

#: Flags that exclude each other: the one from the place that overrides the other's is meant.
_EXCLUSIVE = (("quick", "full"), ("quiet", "verbose"))
#: Where an option may come from, as click names it; the first overrides the others.
_PLACES = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP")


@dataclass(frozen=True)
class Settings:
    """``values`` are the options of each command by the names of its parameters, as written in
    ``file``.
    """

    file: Path | None = None
    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def read(root: typer.core.TyperGroup, folder: Path) -> Settings:
    """Read the table of the nearest ``pyproject.toml`` that has one, from ``folder`` upwards.

    Raises UsageError for a table or key that is not a command or option, with the nearest valid
    name, and for a value of the wrong type.
    """
    for parent in (folder, *folder.parents):
        table = _table(parent / FILE)
        if table is not None:
            return Settings(parent / FILE, _checked(root, table, parent / FILE))
    return Settings()


def unknown_variables(
    root: typer.core.TyperGroup, variables: Iterable[str]
) -> list[tuple[str, str]]:
    """Return the variables that look like options but are not, each with a question that suggests
    the nearest option, or an empty string.
    """
    known = {
        f"{name}_{option.name}".upper().replace("-", "_")
        for name, command in root.commands.items()
        for option in options(command).values()
    }
    start = f"{PREFIX}_"
    unknown = {
        name: name.removeprefix(start)
        for name in sorted(variables)
        if name.startswith(start) and name.removeprefix(start) not in known
    }
    # Only the rest is compared: with their common start, all of them would be alike
    near = {name: nearest(rest, known) for name, rest in unknown.items()}
    return [
        (name, f" Did you mean {start}{found[0]}?" if found else "") for name, found in near.items()
    ]


def options(command: typer.core.TyperCommand) -> dict[str, typer.core.TyperOption]:
    """Return the options of a command by their long names without dashes."""
    by_name = {}
    for parameter in command.params:
        if parameter.param_type_name == "option":
            spelling = next(opt for opt in parameter.opts if opt.startswith("--"))
            by_name[spelling.removeprefix("--")] = parameter
    return {name: option for name, option in by_name.items() if name not in _NEVER}


def as_written(context: typer.Context, option: Any) -> str:
    """Return an option as the user wrote it: ``--pairs``, ``DETAUDIT_RUN_PAIRS``, or ``pairs in
    pyproject.toml``.
    """
    source = context.get_parameter_source(option.name)
    if source is not None and source.name == "ENVIRONMENT":
        return f"{context.auto_envvar_prefix}_{option.name.upper()}"
    if source is not None and source.name == "DEFAULT_MAP":
        return f"{option.opts[0].lstrip('-')} in {FILE}"
    return str(option.opts[0])


def switch_off_overridden(context: typer.Context) -> set[str]:
    """Of two flags that exclude each other, switch off the one that the other overrides: with
    ``quick = true`` in the file, ``--full`` on the command line is meant. Return what was switched
    off.
    """
    overridden = set()
    for pair in _EXCLUSIVE:
        places = {name: _place(context, name) for name in pair if context.params.get(name)}
        strongest = min(places.values(), default=0)
        for name, place in places.items():
            if place > strongest:
                context.params[name] = False
                overridden.add(name)
    return overridden


def _place(context: typer.Context, name: str) -> int:
    source = context.get_parameter_source(name)
    known = source is not None and source.name in _PLACES
    return _PLACES.index(source.name) if known else len(_PLACES)


def _table(path: Path) -> Mapping[str, Any] | None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    if "detaudit" not in text:
        return None
    try:
        tool = tomllib.loads(text).get("tool", {})
    except tomllib.TOMLDecodeError as error:
        # A broken file without settings for detaudit must not stop an audit
        if "tool.detaudit" not in text:
            return None
        raise UsageError(f"{path} is not valid TOML: {error}.") from None
    table = tool.get("detaudit") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{path}: tool.detaudit is {table!r}. {_TABLES}.")
    return table


def _checked(
    root: typer.core.TyperGroup, table: Mapping[str, Any], path: Path
) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for name, section in table.items():
        if name not in root.commands:
            raise UsageError(
                f"{path}: {_TABLES}; {name!r} is not a command.{did_you_mean(name, root.commands)}"
            )
        if not isinstance(section, dict):
            raise UsageError(f"{path}: {_TABLES}; {name!r} is {section!r}.")
        values[name] = _checked_section(root.commands[name], section, path)
    return values


def _checked_section(
    command: typer.core.TyperCommand, section: Mapping[str, Any], path: Path
) -> dict[str, Any]:
    """Return the values of one command's table by the names of its parameters."""
    known, table = options(command), f"[tool.detaudit.{command.name}]"
    values: dict[str, Any] = {}
    for key, value in section.items():
        option = known.get(key.replace("_", "-"))
        if option is None:
            raise UsageError(
                f"{path}: {table} has {key!r}, which is not an option of "
                f"detaudit {command.name}.{did_you_mean(key, known)}"
            )
        values[option.name] = _value(option, value, f"{path}: {table} {key}", path.parent)
    return values


def _value(option: typer.core.TyperOption, value: Any, where: str, folder: Path) -> Any:
    """Return the value in the option's form; a relative path is relative to the file's folder."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise UsageError(f"{where} takes true or false, not {value!r}.")
        return value
    if option.multiple:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UsageError(f'{where} takes a list, such as ["a", "b"], not {value!r}.')
        return value
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise UsageError(f"{where} takes one value, not {value!r}.")
    is_file = option.metavar in ("F", "DIR")
    if is_file and (not isinstance(value, str) or not value):
        raise UsageError(f"{where} takes a path, not {value!r}.")
    if isinstance(value, float) and option.type.name.startswith("int"):
        raise UsageError(f"{where} takes a whole number, not {value!r}.")
    is_path = is_file or (option.name == "python" and "/" in str(value))
    return str(folder / str(value)) if is_path else value
