"""The messages while an audit runs: they contain names of files, with any characters."""

from io import StringIO

import pytest
from detaudit.cli import messages, run
from detaudit.cli.progress import Drawing
from detaudit.core.events import Notice, Phase
from rich.console import Console

NAME = "\x1b[2J\x1b]0;owned\x07[/x] [bold]\udcff\u202e.py"


@pytest.mark.parametrize("terminal", [False, True])
def test_no_name_moves_the_cursor_or_is_markup(terminal):
    stream = StringIO()
    console = Console(file=stream, force_terminal=terminal, color_system=None, _environ={})
    with Drawing(console) as drawing:
        drawing(Phase(f"Starting {NAME}"))
        drawing(Notice(f"{NAME} will run some 6 times."))
        drawing._bar.refresh()
    shown = stream.getvalue()
    assert "\\x1b[2J" in shown and "[/x] [bold]\\udcff\\u202e.py" in shown
    assert not [harm for harm in ("\x1b[2J", "\x1b]0;", "\x07", "\u202e") if harm in shown]


def test_no_message_moves_the_cursor(capsys):
    messages.warn(f"There is no script {NAME}.")
    assert "\\x1b[2J\\x1b]0;owned\\x07[/x]" in capsys.readouterr().err


def test_options_behind_the_script_are_said_to_be_the_scripts():
    said = run.misplaced_options(["--epochs", "3", "--fix", "--seed", "1", "--pairs=2"])
    assert said.startswith("Given to the script: --fix, --pairs=2.")
    assert run.misplaced_options(["--epochs", "3", "--seed", "1"]) == ""
