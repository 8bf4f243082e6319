"""What may be taken away from a folder to see whether runs make it again: names, as git and as runs
tell them.
"""

import os
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
from detaudit.commands.run import leftovers, starting_anew
from detaudit.commands.run.judging import compare_second
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import Match
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, Outcome
from detaudit.errors import UsageError
from detaudit.execution.program import trackers
from detaudit.report import write
from detaudit_probes import protocol
from detaudit_probes.protocol import Files, Measures

from tests.pure import golden
from tests.pure.handmade import Step, with_contents, written


def git(folder, *arguments):
    subprocess.run(
        ["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@e", *arguments],
        check=True,
        capture_output=True,
    )


def test_in_a_work_tree_it_is_what_git_does_not_track_or_ignores(tmp_path):
    folder = tmp_path / "project"
    (folder / "cache").mkdir(parents=True)
    (folder / ".venv").mkdir()
    for name in (
        "train.py",
        "new.py",
        "data.csv",
        "cache/a.npz",
        "a file.bin",
        ".venv/x",
        ".gitignore",
    ):
        (folder / name).write_text("cache/\n.venv/\n" if name == ".gitignore" else name)
    assert leftovers._untracked(folder) == ()  # outside of a work tree
    git(tmp_path, "init")
    git(folder, "add", "train.py", "data.csv", ".gitignore")
    git(folder, "commit", "-m", "x")
    assert set(leftovers._untracked(folder)) == {"cache", "a file.bin"}


def removals(folder, left, written):
    case = SimpleNamespace(program=SimpleNamespace(root=folder))
    return starting_anew._removals(case, left, written)


@pytest.mark.parametrize(
    ("left", "lines"),
    [
        (["run.txt"], [("import pathlib", 'pathlib.Path("run.txt").unlink(missing_ok=True)')]),
        (["c/a", "c/b"], [("import shutil", 'shutil.rmtree("c", ignore_errors=True)')]),
        (["a{0}"], [("import pathlib", 'pathlib.Path("a{{0}}").unlink(missing_ok=True)')]),
        (["a", "b", "c", "d"], []),
        (["there"], []),
        (["there", "run.txt"], []),
        (
            ["folder/new"],
            [("import pathlib", 'pathlib.Path("folder/new").unlink(missing_ok=True)')],
        ),
        (["o/c/a", "o/c/b"], [("import shutil", 'shutil.rmtree("o/c", ignore_errors=True)')]),
        (["it's"], [("import pathlib", 'pathlib.Path("it\'s").unlink(missing_ok=True)')]),
        (["\udc80"], [("import pathlib", 'pathlib.Path("\\udc80").unlink(missing_ok=True)')]),
        ([], []),
    ],
)
def test_what_a_run_left_is_removed_by_a_line_unless_it_was_there_before(tmp_path, left, lines):
    (tmp_path / "there").write_text("")
    (tmp_path / "folder").mkdir()
    assert list(removals(tmp_path, left, left)) == lines


def test_a_folder_with_other_results_stays(tmp_path):
    lines = removals(tmp_path, ["out/cache"], ["out/cache", "out/results.csv"])
    assert list(lines) == [("import pathlib", 'pathlib.Path("out/cache").unlink(missing_ok=True)')]


def test_each_of_several_files_is_tried_alone_first(tmp_path):
    one, other, both = removals(tmp_path, ["a", "b"], [])
    assert len(one) == len(other) == 2 and both == (*one, other[1])


def test_the_files_of_a_cache_are_those_that_begin_with_its_name(tmp_path):
    for name in ("f[1].data-0", "f[1].index", "other"):
        (tmp_path / name).write_text("")

    run = SimpleNamespace(trace=SimpleNamespace(measures=Measures(files=Files(read=("f[1]",)))))
    os.utime(tmp_path / "f[1].data-0", (1, 1))
    assert leftovers._read(tmp_path, run) == ("f[1].index", "f[1].data-0")  # the youngest first


def test_a_tracker_that_was_imported_is_said_to_have_been_offline(tmp_path):
    own = {"WANDB_MODE": "disabled", "MLFLOW_TRACKING_URI": "https://example.org"}
    variables = trackers.variables(tmp_path, own)
    assert variables["MLFLOW_TRACKING_URI"] == tmp_path.as_uri() and "WANDB_MODE" not in variables
    assert trackers.variables(tmp_path, {"WANDB_MODE": "online"})["WANDB_MODE"] == "offline"
    assert set(trackers.OFFLINE) == set(protocol.TRACKERS)
    (note,) = trackers.notes(["wandb", "numpy"], "; --online lets it upload")
    assert note == "Weights & Biases was kept offline (WANDB_MODE); --online lets it upload"


@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("train.py", "json", "print()"),
        ("train.py", "markdown", "# detaudit run train.py"),
        ("data.json", "json", "{}"),
        ("README.md", "markdown", "# Notes\nAudited with detaudit."),
        ("their.patch", "fix", "--- a/x\n+++ b/x\n"),
        ("tool.py", "reproducer", "print()"),
        ("tests.xml", "junit", '<testsuites name="pytest tests"/>'),
        ("index.html", "html", "<title>my page</title>"),
        ("train.py", "log", "print()"),
        ("notes.txt", "log", "To do.\n2026-11-29 12:38:26,773 INFO detaudit.x: a quotation"),
    ],
)
def test_a_report_does_not_replace_a_file_of_the_program(tmp_path, name, kind, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match="a file of the script"):
        write.refuse_files_of(tmp_path, {kind: tmp_path / name})
    (tmp_path / "link").symlink_to(tmp_path / name)
    with pytest.raises(UsageError):
        write.refuse_files_of(tmp_path, {kind: tmp_path / "link"})


def test_a_report_of_before_is_replaced_and_a_new_one_is_written(tmp_path):
    (tmp_path / "r.json").write_text('{"format": "detaudit.report"}')
    (tmp_path / "r.xml").write_text(golden.rendered("run-differing.xml"))
    (tmp_path / "empty.md").write_text("")
    (tmp_path / "log").write_text("2026-11-29 12:38:26,773 INFO detaudit.core.events: Running")
    write.refuse_files_of(
        tmp_path,
        {
            "json": tmp_path / "r.json",
            "junit": tmp_path / "r.xml",
            "html": tmp_path / "r.html",
            "markdown": tmp_path / "empty.md",
            "fix": tmp_path / "new.diff",
            "reproducer": None,
            "log": tmp_path / "log",
        },
    )


@pytest.mark.parametrize(
    ("first", "second", "matches"),
    [
        # A history grows, and what the program prints is the same
        ({"h__json": b"[0.5]"}, {"h__json": b"[0.5, 0.5]"}, True),
        ({"h__json": b"[0.5]"}, {"h__json": b"[0.4, 0.5]"}, False),
        # It adds another result
        ({"h__json": b"[0.5]"}, {"h__json": b"[0.5, 0.4]"}, False),
        ({"h__json": b"[[1, 0.5]]"}, {"h__json": b"[[1, 0.5], [2, 0.5]]"}, True),
        (
            {"h__json": b"[0.5]", "x__json": b"[1]"},
            {"h__json": b"[0.5, 1]", "x__json": b"[2]"},
            False,
        ),
        # Nothing else says that the second run computed the same
        ({"h__json": b"[0.5]"}, {"h__json": b"[0.5, 0.7]", "printed": None}, False),
    ],
)
def test_what_a_second_run_adds_to_a_file_does_not_count_if_all_else_matches(
    fresh_folder, first, second, matches
):
    alone = "printed" in second
    printed = {} if alone else {"printed": b"loss 0.25\n"}
    second = {name: one for name, one in second.items() if one is not None}

    def run(files):
        done = Trial(Condition("tensorflow", "auto", "train.py", 1), 0)
        trace = written(fresh_folder(), [], measures=Measures())
        return with_contents(Finished(done, 1, Outcome(COMPLETED), trace), **files, **printed).trace

    assert isinstance(compare_second(run(first), run(second)), Match) is matches


@pytest.mark.parametrize(
    ("weight", "files", "matches"),
    [
        # A program may number what it saves
        (1.0, {"a__json": b'{"x": 1}', "a_v1__json": b'{"x": 2}'}, True),
        (1.0, {"a__json": b'{"x": 2}', "a_v1__json": b'{"x": 1}'}, False),
        (1.0, {"a_v1__json": b'{"x": 2}'}, False),
        (2.0, {"a__json": b'{"x": 1}', "a_v1__json": b'{"x": 1}'}, False),
        (None, {"a__json": b'{"x": 1}', "a_v1__json": b'{"x": 2}'}, False),
    ],
)
def test_files_that_only_a_second_run_has_do_not_count_if_it_trains_alike(
    fresh_folder, weight, files, matches
):
    def run(weight, **files):
        steps = [] if weight is None else [Step(0, (("update", "w", np.float32(weight)),))]
        done = Trial(Condition("tensorflow", "auto", "train.py", 1), 0)
        trace = written(fresh_folder(), steps, measures=Measures(steps=len(steps), moved=True))
        return with_contents(Finished(done, 1, Outcome(COMPLETED), trace), **files).trace

    first = run(None if weight is None else 1.0, a__json=b'{"x": 1}')
    assert isinstance(compare_second(first, run(weight, **files)), Match) is matches
