"""Options from the command line, a variable and pyproject.toml; what is misspelt; completion."""

import logging
import re
import sys
from pathlib import Path

import pytest
import tomllib
import typer
from detaudit.cli import logs, settings
from detaudit.cli.app import app
from detaudit.cli.options import SCRIPT_BACKENDS
from detaudit.commands.ops.session import Options as OpsOptions
from detaudit.commands.run.localise import DEPTHS
from detaudit.commands.run.session import Options as RunOptions
from detaudit.commands.run.session import check_stop_after
from detaudit.commands.scan.session import Options as ScanOptions
from detaudit.commands.spread.session import Options as SpreadOptions
from detaudit.core.nearest import nearest
from detaudit.errors import UsageError
from detaudit.execution.host import Interpreter
from detaudit.execution.interpreter import KERAS_NAMES
from detaudit.execution.nests import EXTRAS, explain_failure
from detaudit.execution.sandbox.view import KINDS
from detaudit.execution.variables import digests
from detaudit_probes.protocol import SOURCES_VARIABLE
from rich.console import Console
from typer.testing import CliRunner

ROOT = Path(__file__).parents[2]
OPTIONS = {"scan": ScanOptions, "run": RunOptions, "ops": OpsOptions, "spread": SpreadOptions}
COMMANDS = typer.main.get_command(app).commands


@pytest.fixture
def taken(monkeypatch, tmp_path, capsys):
    """The options that ``detaudit NAME`` takes in an empty folder, with this text in its
    pyproject.toml and these variables; and what it says on standard error.
    """
    monkeypatch.chdir(tmp_path)

    def take(name: str, *arguments: str, toml: str = "", **variables: str) -> tuple[dict, str]:
        seen: dict = {}
        root = typer.main.get_command(app)
        root.commands[name].callback = lambda **options: seen.update(options)
        if toml:
            (tmp_path / "pyproject.toml").write_text(toml)
        with monkeypatch.context() as patched:
            for variable, value in variables.items():
                patched.setenv(variable, value)
            root.main(args=[name, *arguments], prog_name="detaudit", standalone_mode=False)
        return seen, " ".join(capsys.readouterr().err.split())

    return take


def test_the_command_line_wins_over_the_variable_and_that_over_the_file(taken):
    toml = '[tool.detaudit.scan]\njobs = 1\nseed = 1\ntrials = 1\nskip = ["clock"]\nquick = true\n'
    options, message = taken(
        "scan", "--seed", "3", toml=toml, DETAUDIT_SCAN_SEED="2", DETAUDIT_SCAN_JOBS="2"
    )
    assert (options["trials"], options["jobs"], options["seed"]) == (1, 2, 3)
    assert list(options["skip"]) == ["clock"] and options["quick"] is True
    assert "pyproject.toml: --skip, --quick, --trials" in message and "--seed" not in message


def test_every_option_of_every_command_can_be_a_variable(taken, monkeypatch):
    monkeypatch.setenv(SOURCES_VARIABLE, "")  # --probes sets it
    values = {"--quick": "1", "--search": "0", "--format": "json", "--op": "Sum Mean"}
    for name, command in COMMANDS.items():
        needed = {"run": ["x.py"], "report": ["x.json"], "explain": ["xla"]}.get(name, [])
        for long, option in settings.options(command).items():
            variable = f"DETAUDIT_{name}_{option.name}".upper()
            value = values.get(f"--{long}") or _a_value(option)
            options, message = taken(name, *needed, **{variable: value})
            assert options[option.name] != option.default or _has_one_value(name, long)
            assert variable not in message


def _has_one_value(command: str, long: str) -> bool:
    return (command, long) == ("ops", "backend")


def _a_value(option) -> str:
    if option.is_flag:
        return "0" if option.default else "1"
    named = {
        "backend": "tensorflow",
        "device": "cpu",
        "isolation": "copy",
        "depth": "step",
        "budget": "7",
        "stop_after": "7",
        "probes": str(Path(__file__).parents[1] / "wire" / "probes"),
    }
    return named.get(option.name, "7")


def test_a_key_of_the_table_that_is_no_option_is_refused_with_the_nearest(taken):
    for toml, said in (
        ("[tool.detaudit.run]\nserch = false\n", "Did you mean search?"),
        ("[tool.detaudit.rnu]\nsearch = false\n", "Did you mean run?"),
        ("[tool.detaudit]\nsearch = false\n", r"\[tool.detaudit.run\]"),
        ("[tool.detaudit.run]\nsearch = 1\n", "true or false"),
        ("[tool.detaudit.run]\njson = true\n", "one value"),
        ('[tool.detaudit.scan]\nonly = "xla"\n', "a list"),
        ("[tool.detaudit.run\n", "not valid TOML"),
        ("[tool.detaudit.run]\npairs = 1.5\n", "a whole number, not 1.5"),
        ("[tool.detaudit.run]\njson = 5\n", "a path, not 5"),
        ('[tool.detaudit.run]\nkeep = ""\n', "a path, not ''"),
        ("[tool.detaudit]\nrun = 1\n", "'run' is 1"),
        ("[tool]\ndetaudit = 1\n", "tool.detaudit is 1"),
        ("[tool]\ndetaudit.run.serch = false\n", "Did you mean search?"),
    ):
        with pytest.raises(UsageError, match=said):
            taken("scan", toml=toml)


def test_an_error_names_the_option_where_the_user_wrote_it(taken):
    for toml, variables, said in (
        ("", {"DETAUDIT_SCAN_JOBS": "x"}, "for 'DETAUDIT_SCAN_JOBS': 'x'"),
        ("", {"DETAUDIT_SCAN_DEVICE": "tpu"}, "DETAUDIT_SCAN_DEVICE takes"),
        ("[tool.detaudit.scan]\njobs = 0\n", {}, "for 'jobs in pyproject.toml': 0"),
        ('[tool.detaudit.scan]\ndevice = "tpu"\n', {}, "^device in pyproject.toml takes"),
    ):
        with pytest.raises((UsageError, typer.BadParameter)) as caught:
            taken("scan", toml=toml, **variables)
        error = caught.value
        message = error.format_message() if isinstance(error, typer.BadParameter) else str(error)
        assert re.search(said, message), message
        (Path.cwd() / "pyproject.toml").unlink(missing_ok=True)


def test_a_broken_file_of_others_stops_no_audit(taken):
    for text in ("[tool.other\n", "[project\ndependencies = ['detaudit']\n", "tool = 'detaudit'\n"):
        assert taken("scan", toml=text)[1] == ""


def test_of_flags_that_exclude_each_other_the_nearer_one_is_meant(taken):
    toml = "[tool.detaudit.scan]\nquick = true\nquiet = true\nstrict = true\n"
    options, message = taken("scan", "--full", "-v", toml=toml)
    assert (options["quick"], options["full"]) == (False, True)
    assert (options["quiet"], options["verbose"]) == (False, True)
    assert message.endswith("pyproject.toml: --strict")
    options, _ = taken("scan", DETAUDIT_SCAN_FULL="1")
    assert (options["quick"], options["full"]) == (False, True)
    options, _ = taken("scan", "--full", DETAUDIT_SCAN_QUICK="1", toml="[tool.detaudit.scan]\n")
    assert (options["quick"], options["full"]) == (False, True)
    options, _ = taken("scan", "--full", "--quick")
    assert (options["quick"], options["full"]) == (True, True)


def test_a_stop_after_nothing_is_refused():
    for given in ("0", "0s", "0.0s", "00s", "1.5", "-1"):
        with pytest.raises(UsageError, match="--stop-after"):
            check_stop_after(given)
    for given in (None, "1", "0.5s", "60s"):
        assert check_stop_after(given) == given


def test_the_nearest_table_counts_and_its_paths_start_at_its_file(taken, tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[tool.detaudit.run]\njson = "out/a.json"\n')
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    monkeypatch.chdir(inner)
    options, _ = taken("run", "train.py")
    assert options["json"] == str(tmp_path / "out" / "a.json")


def test_a_variable_that_is_no_option_is_reported_with_the_nearest(taken):
    _, message = taken("scan", DETAUDIT_SCAN_BUDGT="1", _DETAUDIT_TRIAL="x")
    assert message == (
        "DETAUDIT_SCAN_BUDGT is set, but no option has this name. Did you mean "
        "DETAUDIT_SCAN_BUDGET?"
    )
    assert taken("scan", "-q", DETAUDIT_SCAN_BUDGT="1")[1] == ""
    for name, hint in (
        ("DETAUDIT_TRIALS", " Did you mean DETAUDIT_SCAN_TRIALS?"),
        ("DETAUDIT_TOKEN", ""),
        ("DETAUDIT_X", ""),
        ("DETAUDIT_SCAN_HELP", " Did you mean DETAUDIT_SCAN_HTML?"),
    ):
        options, message = taken("scan", **{name: "1"})
        assert message == f"{name} is set, but no option has this name.{hint}" and options


def test_a_log_has_no_secret_and_is_for_its_owner_alone(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct-horse-7")
    monkeypatch.setattr(sys, "argv", ["detaudit", "run", "train.py", "--token", "kangaroo-8"])
    try:
        logs.set_up(Console(), True, tmp_path / "log")
        sentence = "%s and kangaroo-8; api_key = 'a1b2c3d4e5f6'; max_tokens=512"
        logging.getLogger("detaudit.execution.runner").info(sentence, "correct-horse-7")
        for text in (capsys.readouterr().out, (tmp_path / "log").read_text()):
            assert "max_tokens=512" in text
            for secret in ("correct-horse-7", "kangaroo-8", "a1b2c3d4e5f6"):
                assert secret not in text
        assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600
    finally:
        logs.set_up(Console(), False, None)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("SPARSE-UPDATE", ["sparse-update"]),
        ("sparse_updat", ["sparse-update"]),
        ("foo", []),
        ("threads", ["intra-op-threads"]),
        ("x", []),
    ],
)
def test_the_nearest_name_is_near(typed, meant):
    known = ["clock", "load", "sparse-update", "intra-op-threads", "python-random", "xla"]
    assert nearest(typed, known) == meant


def test_a_command_offers_what_it_accepts():
    """One value more is refused, with the values that are taken."""
    for command, option, values in (
        ("ops", "backend", ("tensorflow",)),
        ("scan", "backend", (*KERAS_NAMES, "tf_keras", "all")),
        ("run", "backend", KERAS_NAMES),
        ("run", "isolation", KINDS),
        ("run", "depth", DEPTHS),
    ):
        parameter = next(one for one in COMMANDS[command].params if one.name == option)
        context = typer.Context(COMMANDS[command])
        offered = [item.value for item in parameter.shell_complete(context, "")]
        assert sorted(offered) == sorted(values)
        message = CliRunner().invoke(
            app, [command, f"--{option}", "mxnet", *(["x.py"] if command == "run" else [])]
        )
        assert isinstance(message.exception, UsageError)
        assert all(value in str(message.exception) for value in values)


def test_sources_operations_and_scripts_are_completed(monkeypatch, tmp_path):
    (tmp_path / "train.py").touch()
    (tmp_path / "train.csv").touch()
    (tmp_path / "tests").mkdir()
    monkeypatch.chdir(tmp_path)

    def completed(command: str, name: str, begun: str) -> list[str]:
        parameter = next(one for one in COMMANDS[command].params if one.name == name)
        context = typer.Context(COMMANDS[command])
        return [item.value for item in parameter.shell_complete(context, begun)]

    assert completed("scan", "only", "spa") == ["sparse-update"]
    assert completed("explain", "source", "spa") == ["sparse-update"]
    assert "ResourceScatterAdd" in completed("ops", "op", "ResourceScatterA")
    assert completed("run", "target", "t") == ["tests/", "train.py"]


def test_no_default_stands_twice():
    for command, options in OPTIONS.items():
        given = {one.name: one.default for one in COMMANDS[command].params}
        for name in ("timeout", "budget", "seed", "device", "jobs"):
            assert given[name] == getattr(options("python"), name), (command, name)


def test_what_keras_is_told_is_known_once():
    assert set(SCRIPT_BACKENDS) == set(KERAS_NAMES)


def test_one_idea_has_one_spelling():
    """The same option has the same names in every command."""
    spelled: dict[str, set] = {}
    for command in COMMANDS.values():
        for long, option in settings.options(command).items():
            spelled.setdefault(long, set()).add((tuple(option.opts), tuple(option.secondary_opts)))
    assert {long: len(ways) for long, ways in spelled.items() if len(ways) > 1} == {}
    assert spelled["cost"] == {(("--cost",), ("--no-cost",))} and "price" not in spelled


def test_the_extras_of_a_hint_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS) == project["optional-dependencies"].keys() - {"test", "html"}


def test_the_log_goes_to_the_screen_and_to_a_file(tmp_path, capsys):
    log = logging.getLogger("detaudit.execution.runner")
    try:
        logs.set_up(Console(), True, tmp_path / "log")
        log.info("trial 1 completed")
        log.debug("trial 2 begins")
        assert capsys.readouterr().out == "trial 1 completed\n"
        text = (tmp_path / "log").read_text()
        assert "INFO detaudit.execution.runner: trial 1 completed" in text and "trial 2" in text
        logs.set_up(Console(), False, None)
        log.info("trial 3 completed")
        assert capsys.readouterr().out == ""
        with pytest.raises(UsageError, match="log"):
            logs.set_up(Console(), False, tmp_path)
    finally:
        logs.set_up(Console(), False, None)


def test_a_log_that_cannot_be_written_any_more_is_given_up_with_one_sentence(capsys):
    log = logging.getLogger("detaudit.execution.runner")
    try:
        logs.set_up(Console(), False, Path("/dev/full"))
        for _ in range(3):
            log.info("trial 1 completed")
        said = capsys.readouterr().err
        assert said == "The log in /dev/full ends early: No space left on device.\n"
    finally:
        logs.set_up(Console(), False, None)


@pytest.mark.parametrize(
    ("python", "backend", "line"),
    [
        (sys.executable, "jax", f"{sys.executable} -m pip install 'detaudit[jax]'"),
        ("/other env/bin/python", "jax", "'/other env/bin/python' -m pip install jax keras"),
        ("/other/python", "tensorflow", "/other/python -m pip install tensorflow keras"),
        ("/other/python", "theano", "/other/python -m pip install theano keras==2.0.3"),
    ],
)
def test_the_hint_how_to_install_names_the_interpreter_and_the_backend(python, backend, line):
    failure = {"kind": "import-failed", "type": "ImportError", "missing": "x", "module": "x"}
    message = explain_failure(failure, Interpreter(python, backend))
    assert f"Install it there with: {line}. Or give --python" in message


def test_variables_that_are_options_do_not_end_a_saved_audit():
    """They are compared as the options that they are, where a trial depends on them."""
    assert digests({"DETAUDIT_RUN_BUDGET": "60", "TF_X": "1"}).keys() == {"TF_X"}
