"""What the commands that take a user's program share."""

from pathlib import Path

from detaudit.errors import UsageError


def scripts(incomplete: str) -> list[str]:
    """Return Python files, notebooks, shell scripts, and folders on the way to them, for
    completion.
    """
    folder = Path(incomplete).parent if not incomplete.endswith("/") else Path(incomplete)
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return []
    names = [f"{entry}/" if entry.is_dir() else str(entry) for entry in entries]
    ends = (".py", ".ipynb", ".sh", "/")
    return [name for name in names if name.endswith(ends) and name.startswith(incomplete)]


def working_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise UsageError("The working folder no longer exists. Change to another folder.") from None
