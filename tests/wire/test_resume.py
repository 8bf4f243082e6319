"""An audit that was interrupted, or killed, goes on where it was: only what is missing is run."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from detaudit.commands.ops.findings import OpsAudit
from detaudit.commands.run import session as run_session
from detaudit.commands.run.session import Options, run
from detaudit.core.condition import Trial
from detaudit.core.events import TrialEnded
from detaudit.errors import UsageError
from detaudit.execution import resume as saving
from detaudit.execution.audit import session
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program import process, program
from detaudit.execution.program.sandboxed import Sandboxed
from detaudit.execution.sandbox import choice, tree
from detaudit.execution.sandbox.errors import SandboxFailed, StateGone
from detaudit.execution.sandbox.view import KINDS, OVERLAY
from detaudit.execution.workspace import RUNS

from tests.slow import slow, slow_but_for
from tests.wire.conftest import STUB, condition, usable
from tests.wire.test_sandbox import Audited

TRIALS = 4
#: Three pairs, those that show that a second run prints something else, and three with a line that
#: deletes what the first one left.
RUNS_OF_IT = 18


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """Audits make their folders here."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


class Following:
    """Counts the trials that end, and interrupts, once so many have."""

    def __init__(self, most: int | None = None):
        self.most, self.ended = most, 0

    def __call__(self, event: object) -> None:
        self.ended += isinstance(event, TrialEnded)
        if isinstance(event, TrialEnded) and self.ended == self.most:
            self.interrupt()

    def interrupt(self) -> None:
        raise KeyboardInterrupt


# Trials of ours, as scan and ops ask for them -----------------------------------------------------


def one_by_one(seed: int):
    """An experiment whose next trial depends on the one before."""
    found = []
    for number in range(TRIALS):
        trial = Trial(replace(condition(fault="nothing"), seed=seed), number)
        found.append((yield [trial])[trial].outcome.kind)
    return tuple(found)


def audit(emit, resume=None, seed=1, command="ops", most=None):
    with mock.patch.dict(os.environ, STUB), session(emit, resume) as work:
        work.start_nests(
            Interpreter(sys.executable, "stub", imports=False), Limits(1, 60.0, most=most)
        )
        found = None
        with work.attended():
            work.greet(replace(condition(), seed=seed), command)
            found = work.ask(one_by_one(seed))
        return found, work.complete(OpsAudit({}, "cpu"))


def reported(audited) -> list[tuple]:
    """What must be equal in the trials of two audits."""
    return [(one.number, one.trial.key(), one.outcome.kind) for one in audited.trials]


def test_an_interrupted_audit_goes_on_and_runs_only_what_is_missing(temporary):
    found, whole = audit(Following())
    assert found == ("completed",) * TRIALS and not list(temporary.iterdir())

    interrupted, cut = audit(Following(2))
    assert interrupted is None and cut.interrupted and len(cut.trials) == 2
    again = Following()
    resumed, after = audit(again, cut.resume)
    assert again.ended == TRIALS - 2 and resumed == found
    assert reported(after) == reported(whole) and not after.interrupted and after.resume is None
    assert not list(temporary.iterdir())  # nothing of ours is left behind once it is done


def test_an_audit_may_be_interrupted_again_and_again():
    resume = None
    for number in range(1, TRIALS):
        _, cut = audit(Following(1), resume)
        assert len(cut.trials) == number
        resume = cut.resume
    last = Following()
    assert audit(last, resume)[0] == ("completed",) * TRIALS and last.ended == 1


def test_a_saved_audit_speaks_for_what_it_was_alone(monkeypatch):
    _, cut = audit(Following(2))
    for change, name in (({"seed": 2}, "seed"), ({"command": "scan"}, "command")):
        with pytest.raises(UsageError, match=f"{name} changed since"):
            audit(Following(), cut.resume, **change)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with pytest.raises(UsageError, match="OMP_NUM_THREADS changed since"):
        audit(Following(), cut.resume)
    assert Path(cut.resume).exists()  # a resumption that is refused takes nothing away
    monkeypatch.undo()


KILLED = """
    import os, signal, sys, tempfile
    sys.path.insert(0, sys.argv[1])
    from tests.wire import test_resume

    class Killing(test_resume.Following):
        def interrupt(self):
            os.kill(os.getpid(), signal.SIGKILL)

    tempfile.tempdir = sys.argv[2]
    if len(sys.argv) > 3:
        test_resume.Project(test_resume.Path(sys.argv[3]), sys.argv[4]).audit(Killing(3))
    test_resume.audit(Killing(3))
"""


def killed(temporary: Path, *arguments: str) -> Path:
    """What an audit has saved that was killed after three trials."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(root), str(temporary)]
    ran = subprocess.run([*command, *arguments], check=False)
    assert ran.returncode == -signal.SIGKILL
    (saved,) = temporary.glob("*/resume.jsonl")
    return saved


def test_what_is_finished_outlives_a_kill(temporary):
    saved = killed(temporary)
    with open(saved, "ab") as file:
        file.write(b'{"number": 4, "draw"')  # a line that was cut off
    again = Following()
    found, _ = audit(again, str(saved))
    assert found == ("completed",) * TRIALS and again.ended == TRIALS - 3


@pytest.mark.parametrize(
    "content, said",
    [
        ("", "not a saved audit"),
        ("[]\n", "not a saved audit"),
        ('{"format": "detaudit.resume", "version": 1}\n', "another detaudit"),
        ('{"format": "detaudit.resume", "version": 3}\n', "does not say what"),
        ('{"format": "detaudit.resume", "version": 3, "identity": {}}\n{"a": 1}\n', "damaged"),
        ("[" * 100_000 + "\n", "not a saved audit"),
        (
            '{"format": "detaudit.resume", "version": 3, "identity": {}}\n' + "[" * 100_000 + "\n",
            "damaged",
        ),
    ],
)
def test_a_file_that_is_no_saved_audit_is_refused(tmp_path, content, said):
    path = tmp_path / "resume.jsonl"
    path.write_text(content)
    with pytest.raises(UsageError, match=said):
        audit(Following(), str(path))
    assert path.exists()


def test_two_at_once_do_not_share_a_saved_audit():
    """Nor a running one: each would remove what the other has begun."""
    _, cut = audit(Following(2))
    refused = []

    class Meanwhile(Following):
        def interrupt(self):
            with pytest.raises(UsageError, match="Another detaudit"):
                audit(Following(), cut.resume)
            refused.append(Path(cut.resume).exists())

    found, _ = audit(Meanwhile(1), cut.resume)
    assert refused == [True] and found == ("completed",) * TRIALS


def test_a_running_audit_is_not_taken_up(temporary):
    class Meanwhile(Following):
        def interrupt(self):
            (saved,) = temporary.glob("*/resume.jsonl")
            with pytest.raises(UsageError, match="Another detaudit"):
                audit(Following(), str(saved))

    assert audit(Meanwhile(2))[0] == ("completed",) * TRIALS


@pytest.mark.parametrize("relative", [True, False])
def test_a_saved_audit_is_found_where_its_file_really_is(tmp_path, monkeypatch, relative):
    _, cut = audit(Following(2))
    link = tmp_path / "link.jsonl"
    link.symlink_to(cut.resume)
    monkeypatch.chdir(Path(cut.resume).parent)
    again = Following()
    found, _ = audit(again, "resume.jsonl" if relative else str(link))
    assert found == ("completed",) * TRIALS and again.ended == TRIALS - 2


def test_a_resumed_audit_that_its_budget_cuts_stays_saved(temporary):
    _, cut = audit(Following(2))
    found, after = audit(Following(), cut.resume, most=3)
    assert found is None and after.over_budget and not after.interrupted
    assert after.resume == cut.resume and Path(cut.resume).exists()
    again = Following()
    assert audit(again, after.resume)[0] == ("completed",) * TRIALS and again.ended == 1
    assert not list(temporary.iterdir())


def test_an_audit_that_its_budget_cuts_saves_nothing(temporary):
    _, cut = audit(Following(), most=2)
    assert cut.over_budget and cut.resume is None and not list(temporary.iterdir())


def test_a_file_that_does_not_end_is_refused(monkeypatch):
    """This happened: it was read until memory ran out."""
    monkeypatch.setattr(saving, "LARGEST", 1000)
    with pytest.raises(UsageError, match="too large"):
        audit(Following(), "/dev/zero")


# A program of the user's --------------------------------------------------------------------------

SCRIPT = """
    import os, sys
    with open(sys.argv[1], "a") as file:
        print("run", file=file)
    with open("left.txt", "a") as file:
        print("left", file=file)
    print(len(open("left.txt").readlines()))
"""


class Project:
    """A program whose second run prints something else: it finds what the first one left."""

    def __init__(self, folder: Path, kind: str):
        self.folder, self.kind, self.runs = folder / "project", kind, folder / "runs.txt"
        if not self.folder.exists():
            self.folder.mkdir()
            (self.folder / "train.py").write_text(textwrap.dedent(SCRIPT))

    def audit(self, emit, resume=None, arguments=(), reports=(), **options):
        """The audit, and how many runs of the program it took."""
        self.runs.write_text("")
        found = program.find("train.py", False, (str(self.runs), *arguments), self.folder)
        chosen = Options(sys.executable, isolation=self.kind, jobs=1, search=False, **options)
        audited = run(found, chosen, emit, resume, reports)
        return audited, len(self.runs.read_text().splitlines())


@pytest.fixture(params=slow_but_for([OVERLAY], KINDS))
def kind(request, tmp_path):
    """One kind every day, and all of them in one test: the others are slow."""
    return usable(request.param, tmp_path)


@pytest.fixture
def project(tmp_path, kind):
    return Project(tmp_path, kind)


def test_an_interrupted_run_goes_on_and_ends_on_the_same_report(project, temporary):
    whole, runs = project.audit(Following())
    assert runs == RUNS_OF_IT and whole.reproducible is False and not list(temporary.iterdir())

    cut, runs = project.audit(Following(2))
    assert (runs, cut.interrupted, cut.reason) == (2, True, "interrupted")
    assert not (project.folder / "left.txt").exists()
    after, runs = project.audit(Following(), cut.resume)
    assert runs == RUNS_OF_IT - 2 and reported(after) == reported(whole)
    same = {"trials": (), "machine": {}, "began": "", "seconds": 0.0}
    assert replace(after, **same) == replace(whole, **same)
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("every_kind", slow_but_for([OVERLAY], KINDS))
def test_a_killed_run_goes_on_under_every_isolation(every_kind, temporary, tmp_path):
    project = Project(tmp_path, usable(every_kind, tmp_path))
    (project.folder / "data").mkdir()
    (project.folder / "data" / "large.csv").write_text("1,2")
    saved = killed(temporary, str(tmp_path), project.kind)
    after, runs = project.audit(Following(), str(saved))
    assert (runs, len(after.trials), after.interrupted) == (RUNS_OF_IT - 3, RUNS_OF_IT, False)
    assert sorted(path.name for path in project.folder.iterdir()) == ["data", "train.py"]
    assert not list(temporary.iterdir())


def test_a_run_of_another_program_is_refused(project, monkeypatch):
    cut, _ = project.audit(Following(2))

    def refused(name, **how):
        with pytest.raises(UsageError, match=f"{name} changed since"):
            project.audit(Following(), cut.resume, **how)
        assert Path(cut.resume).exists()

    refused("arguments", arguments=("--lr",))
    refused("--online", online=True)
    refused("seed", seed=2)
    for name in ("OMP_NUM_THREADS", "MY_SEED", "LD_LIBRARY_PATH", "SLURM_ARRAY_TASK_ID"):
        with monkeypatch.context() as changed:
            changed.setenv(name, "3")
            refused(name)
    for name in ("SSH_CONNECTION", "TERM_SESSION_ID", "SLURM_JOB_ID"):  # another login, or job
        monkeypatch.setenv(name, "3")
    report = project.folder / "report.json"
    report.write_text("{}")
    refused("report.json")
    assert project.audit(Following(1), cut.resume, reports=[report])[1] == 1
    (project.folder / "train.py").write_text("print(1)")
    refused("report.json, train.py")


def test_arguments_need_not_be_text(tmp_path):
    """They are bytes for the system; what is none of UTF-8 comes as it is from Python."""
    project = Project(tmp_path, "copy")
    cut, _ = project.audit(Following(1), arguments=("\udcff",))
    assert project.audit(Following(2), cut.resume, arguments=("\udcff",))[1] == 2


@slow
def test_the_traces_of_an_interrupted_run_are_kept_once_it_is_complete(project, tmp_path):
    kept = tmp_path / "kept"
    cut, _ = project.audit(Following(2), keep=str(kept))
    assert not kept.exists() and Path(cut.resume).exists()
    project.audit(Following(), cut.resume, keep=str(kept))
    assert len(list((kept / RUNS).glob("nest-*"))) == RUNS_OF_IT


@slow
def test_an_interruption_while_what_had_begun_is_removed_takes_nothing_away(project, monkeypatch):
    """The first run's state is gone, so it is made again: what it was is removed."""
    cut, _ = project.audit(Following(2))
    (state,) = {json.loads(path.read_text()) for path in states_of(cut)} - {""}
    shutil.rmtree(state)

    def removing(path):
        tree.remove(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupting:
        interrupting.setattr(run_session, "tree", SimpleNamespace(remove=removing))
        again, runs = project.audit(Following(), cut.resume)
    assert (runs, again.interrupted, again.resume) == (0, True, cut.resume)
    after, runs = project.audit(Following(), cut.resume)
    assert runs == RUNS_OF_IT - 1 and len(after.trials) == RUNS_OF_IT


def states_of(audited) -> list[Path]:
    return sorted(Path(audited.resume).parent.rglob(saving.STATE_FILE))


@slow
def test_a_fault_of_our_own_takes_nothing_away_of_a_saved_run(project, monkeypatch):
    cut, _ = project.audit(Following(2))
    with monkeypatch.context() as faulty:
        faulty.setattr(process.Process, "_own_fault", lambda *_: "a fault")
        after, _ = project.audit(Following(), cut.resume)
    assert after.own_fault and after.resume == cut.resume
    again, runs = project.audit(Following(), cut.resume)
    assert not again.own_fault and runs == RUNS_OF_IT - 2 and again.resume is None


COUNTS = """
    with open("left.txt", "a") as file:
        print("left", file=file)
    print(len(open("left.txt").readlines()))
"""


def test_a_further_run_begins_from_what_the_first_of_the_saved_audit_has_left(tmp_path, kind):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text(textwrap.dedent(COUNTS))
    before = Audited(tmp_path, kind, folder)
    assert (before.run(), before.run(left=True)) == ("1\n", "2\n")
    saved = dict(before.runner.finished)
    before.runner.close()
    before.sandboxed.sandbox.close(keep=True)
    assert not (folder / "left.txt").exists()

    after = Audited(tmp_path, kind, folder)
    after.runner.control = tmp_path / "ours" / "again"
    assert after.sandboxed.take_up(saved) == saved
    assert (after.run(1), after.run(1, left=True)) == ("1\n", "2\n")
    after.close()

    # What that run has left is gone with this audit: it, and what began from it, are made again.
    gone = Sandboxed(choice.choose(folder, tmp_path / "ours", kind).sandbox)
    assert gone.take_up(saved) == {}
    gone.sandbox.close()


def test_a_saved_audit_knows_whose_state_it_holds(tmp_path, kind):
    """That of the run without a file, which has replaced the first run's."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text(textwrap.dedent(COUNTS))
    (folder / "left.txt").write_text("left\n")
    before = Audited(tmp_path, kind, folder)
    clean = {"without": ("left.txt",)}
    assert (before.run(), before.run(left=True), before.run(**clean)) == ("2\n", "3\n", "1\n")
    saved = dict(before.runner.finished)
    before.runner.close()
    before.sandboxed.sandbox.close(keep=True)

    after = Audited(tmp_path, kind, folder)
    after.runner.control = tmp_path / "ours" / "again"
    assert after.sandboxed.take_up(saved) == saved
    assert after.sandboxed.began == before.sandboxed.began
    assert (after.run(1), after.run(1, **clean)) == ("2\n", "1\n")  # these replace nothing
    assert after.run(1, left=True, **clean) == "2\n"
    with pytest.raises(StateGone):
        after.run(1, left=True)
    after.close()


def test_a_state_that_was_being_replaced_when_the_audit_was_killed_is_not_begun_from(
    tmp_path, kind, monkeypatch
):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "train.py").write_text(textwrap.dedent(COUNTS))
    before = Audited(tmp_path, kind, folder)
    assert before.run() == "1\n"
    saved = dict(before.runner.finished)
    with monkeypatch.context() as killing:
        killing.setattr(before.sandboxed.sandbox, "keep_state", interrupted)
        with pytest.raises(KeyboardInterrupt):
            before.run(without=("left.txt",))
    before.runner.close()
    before.sandboxed.sandbox.close(keep=True)
    after = Sandboxed(choice.choose(folder, tmp_path / "ours", kind).sandbox)
    assert after.take_up(saved) == {}
    after.sandbox.close()


def interrupted(trial):
    raise KeyboardInterrupt


def test_a_first_run_is_not_made_again_where_it_would_find_what_it_made(tmp_path, kind):
    """Nothing would show that other runs read what a run had created."""
    folder, outside = tmp_path / "project", tmp_path / "features.npy"
    folder.mkdir()
    (folder / "train.py").write_text(f"open({str(outside)!r}, 'w').write('1')")
    before = Audited(tmp_path, kind, folder)
    saved = {"first": before.finished()}
    before.close()
    after = Sandboxed(choice.choose(folder, tmp_path / "ours", kind).sandbox)
    with pytest.raises(SandboxFailed, match=r"features\.npy outside the folder: delete that"):
        after.take_up(saved)
    outside.unlink()
    assert after.take_up(saved) == {}
    after.sandbox.close()


def four_ways(case, blank):
    """As it is, and without a file; each then from what that has left."""
    clean = {"without": ("left.txt",)}
    said = b""
    for orders in ({}, {"left": True}, clean, {"left": True, **clean}):
        trial = Trial(case.unpinned.with_orders(**orders), 0)
        said += (yield [trial])[trial].trace.stdout(10)
    return replace(blank, reason=said.decode())


@pytest.mark.parametrize("lost", [False, pytest.param(True, marks=slow)])
def test_what_a_run_begins_from_is_made_again_where_another_has_replaced_it(
    project, temporary, monkeypatch, lost
):
    """``lost``: a run that was timed out is not saved, and begins from what the first has left."""
    monkeypatch.setattr(run_session, "investigate", four_ways)
    project.folder.joinpath("left.txt").write_text("left\n")
    whole, runs = project.audit(Following())
    assert (runs, whole.reason.split()) == (4, ["2", "3", "1", "2"])
    cut, runs = project.audit(Following(3))
    assert runs == 3
    if lost:
        saved = Path(cut.resume)
        lines = saved.read_text().splitlines(keepends=True)
        saved.write_text("".join(line for line in lines if json.loads(line).get("number") != 2))
    after, runs = project.audit(Following(), cut.resume)
    assert (runs, after.reason) == (4 if lost else 1, whole.reason)
    assert len(after.trials) == 4 and not list(temporary.iterdir())
