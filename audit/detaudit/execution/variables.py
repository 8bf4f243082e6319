"""The environment variables that a trial inherits."""

import hashlib
import re
from collections.abc import Iterable, Mapping

#: Variables that a terminal, a login or a desktop sets: they change from session to session, and no
#: training depends on them. Our own are options, which are compared as such.
_SESSION = re.compile(
    r"""_|SHLVL|PWD|OLDPWD|PS[0-4]|PROMPT_COMMAND|HIST\w+|TMPDIR|TEMP|TMP
      | TERM|TERM_\w+|TERMINFO\w*|TERMCAP|TTY|COLUMNS|LINES|COLORTERM|LS_COLORS|STY|TMUX\w*
      | NO_COLOR|FORCE_COLOR|CLICOLOR\w*
      | (ALACRITTY|GHOSTTY|GNOME|ITERM|KDE|KITTY|KONSOLE|VSCODE|VTE|WEZTERM|ZELLIJ)_\w+
      | (DBUS|DESKTOP|GPG|SSH|SYSTEMD)_\w+|XDG_(CURRENT|RUNTIME|SEAT|SESSION|VTNR)\w*
      | DISPLAY|WAYLAND_DISPLAY|XAUTHORITY|WINDOWID|WINDOWPATH|SESSION_MANAGER
      | \w+_SESSION_(ID|KEY)|\w+_PID|INVOCATION_ID|JOURNAL_STREAM
      | DETAUDIT_\w+|BROWSER|EDITOR|LESS|MAIL|PAGER|VISUAL""",
    re.VERBOSE,
)
#: Variables of batch systems and build servers: each job has its own values.
_JOB = re.compile(r"(BUILD|BUILDKITE|CI|GITHUB|JOB|LSB|PBS|RUNNER|SGE|SLURM|SLURMD)_\w+")
#: Words in the names of those from which a program takes a seed, or its part of the data.
_TASK_WORDS = frozenset(
    {"ARRAY", "ARRAYID", "INDEX", "LOCALID", "NODEID", "PROCID", "RANK", "TASK"}
)


def environment_for_nests(
    inherited: Mapping[str, str], controlled: Iterable[str], private: str
) -> dict[str, str]:
    """Return the environment of a nest: the user's without the controlled variables, and nothing is
    written.

    Keras' home, Theano's compile folder, Matplotlib's settings (Keras imports it if it is there)
    and temporary files go to ``private``, the same in both nests; Python writes no bytecode into
    the environment under test.
    """
    removed = set(controlled)
    kept = {name: value for name, value in inherited.items() if name not in removed}
    flags = f"base_compiledir={private}/theano"
    if kept.get("THEANO_FLAGS"):
        flags = f"{kept['THEANO_FLAGS']},{flags}"
    return {
        **kept,
        "PYTHONDONTWRITEBYTECODE": "1",
        "KERAS_HOME": f"{private}/keras",
        "MPLCONFIGDIR": f"{private}/matplotlib",
        "TMPDIR": f"{private}/tmp",
        "THEANO_FLAGS": flags,
    }


def digests(inherited: Mapping[str, str]) -> dict[str, str]:
    """Return, by name, a digest of each variable that a trial inherits, to find out whether it is
    still the same. Digests, because values may be secret.

    Variables that a session or a job sets are omitted.
    """
    return {
        name: hashlib.sha256(value.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        for name, value in sorted(inherited.items())
        if not _is_transient(name)
    }


def _is_transient(name: str) -> bool:
    """Whether a session or a job sets it."""
    if _SESSION.fullmatch(name):
        return True
    is_of_task = bool(_TASK_WORDS & set(name.split("_")))
    return _JOB.fullmatch(name) is not None and not is_of_task
