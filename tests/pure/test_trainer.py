"""Which of the processes of a run is judged."""

import json

import pytest
from detaudit.core import trace
from detaudit.execution.program.trainer import Trainer, process_of
from detaudit_probes import codec, protocol


@pytest.fixture
def trial(tmp_path):
    """Makes the folder of a trial with these processes: (title, rank, steps), the first first."""
    made = []

    def make(*processes, **choices):
        folder = tmp_path / f"{len(made):05}"
        made.append(folder)
        for number, (title, rank, steps) in enumerate(processes):
            own = folder / protocol.PROCESSES_FOLDER / str(100 + number) if number else folder
            own.mkdir(parents=True)
            write(own, title, rank, steps, **choices)
        numbers = [str(100 + number) for number in range(1, len(processes))]
        (folder / protocol.PROCESSES_FILE).write_text("".join(f"{one}\n" for one in numbers))
        return folder

    return make


def write(folder, title, rank, steps, arguments="none", outcome="completed"):
    used = protocol.Files(read=(f"{title}.csv",), connected=title == "b.py")
    measures = protocol.Measures(
        steps=steps, used=(f"source-{title}",), files=used, saved=(f"{title}.npz",)
    )
    document = {
        "format": protocol.TRACE_FORMAT,
        "version": protocol.TRACE_VERSION,
        "outcome": {"kind": outcome},
        "measures": codec.encode(measures),
        "evidence": {"clock": 1},
        "digests": {"final": title, f"saved {title}.npz": title},
    }
    (folder / protocol.TRACE_FILE).write_text(json.dumps(document))
    (folder / "0.rows").write_text(title)
    process = protocol.Process(title, arguments, rank)
    (folder / protocol.PROCESS_FILE).write_text(json.dumps(codec.encode(process)))
    draw = protocol.Draw(title, 3, "main", 1, 0, True, ())
    sites = codec.encode(protocol.CallSites((draw,), ()))
    (folder / protocol.SITES_FILE).write_text(json.dumps(sites))


def judged(folder):
    return json.loads((folder / protocol.PROCESS_FILE).read_text())["title"]


def document(folder):
    return json.loads((folder / protocol.TRACE_FILE).read_text())


def test_the_process_with_the_most_steps_is_judged(trial):
    folder = trial(("launch.py", "", 0), ("a.py", "", 3), ("b.py", "", 9))
    Trainer().settle(folder)
    assert judged(folder) == "b.py"
    assert (folder / "0.rows").read_text() == "b.py"
    first = folder / protocol.PROCESSES_FOLDER / "first"
    assert (judged(first), (first / "0.rows").read_text()) == ("launch.py", "launch.py")


def test_without_any_step_it_is_the_first_process(trial):
    folder = trial(("a.py", "", 0), ("b.py", "", 0))
    Trainer().settle(folder)
    assert judged(folder) == "a.py"


def test_what_the_others_used_counts(trial):
    folder = trial(("a.py", "", 0), ("b.py", "", 2))
    Trainer().settle(folder)
    found = document(folder)
    assert found["measures"]["used"] == ["source-a.py", "source-b.py"]
    assert found["measures"]["files"]["read"] == ["a.py.csv", "b.py.csv"]
    assert found["measures"]["files"]["connected"] is True
    assert found["evidence"] == {"clock": 2}
    assert found["measures"]["saved"] == [
        "b.py.npz",
        "a.py.npz",
        "outside/weights of a.py",
    ]
    other = found["digests"].pop("saved outside/weights of a.py")
    assert len(other) == 64 and found["digests"] == {
        "final": "b.py",
        "saved a.py.npz": "a.py",
        "saved b.py.npz": "b.py",
    }
    sites = trace.read_json(folder / protocol.SITES_FILE)
    assert [one["file"] for one in sites["draws"]] == ["b.py", "a.py"]


def test_every_run_is_judged_by_the_same_process(trial):
    trainer = Trainer()
    for steps in (9, 5):  # early stopping: in the second run the other one makes more steps
        folder = trial(("launch.py", "", 0), ("a.py", "", 7), ("b.py", "", steps))
        trainer.settle(folder)
        assert judged(folder) == "b.py"


def test_of_equal_processes_rank_0_is_judged(trial):
    folder = trial(("launch.py", "", 0), ("a.py", "1", 4), ("a.py", "0", 4))
    Trainer().settle(folder)
    assert trace.read_json(folder / protocol.PROCESS_FILE)["rank"] == "0"


def test_other_arguments_do_not_change_the_choice(trial):
    trainer = Trainer()
    trainer.settle(trial(("l.py", "", 0), ("a.py", "", 7)))
    folder = trial(("l.py", "", 0), ("a.py", "", 3), ("b.py", "", 9), arguments="a random port")
    trainer.settle(folder)
    assert judged(folder) == "a.py"


def test_of_processes_that_cannot_be_told_apart_none_is_judged(trial):
    trainer = Trainer()
    trainer.settle(trial(("l.py", "", 0), ("a.py", "", 7), ("a.py", "", 7)))
    for arguments in ("none", "a random port"):
        folder = trial(("l.py", "", 0), ("a.py", "", 7), ("a.py", "", 7), arguments=arguments)
        trainer.settle(folder)
        assert document(folder)["measures"]["not_recorded"] == "several processes that are alike"


def test_a_process_that_ends_the_launcher_is_judged(trial):
    folder = trial(("launch.py", "", 0), ("a.py", "", 4))
    write(folder, "launch.py", "", 0, outcome="running")
    Trainer().settle(folder)
    assert judged(folder) == "a.py"


def test_a_process_that_did_not_end_is_not_judged(trial):
    folder = trial(("a.py", "", 1), ("b.py", "", 9))
    write(folder / protocol.PROCESSES_FOLDER / "101", "b.py", "", 9, outcome="running")
    Trainer().settle(folder)
    assert judged(folder) == "a.py"


def test_if_more_processes_began_than_are_recorded_none_is_judged(trial):
    folder = trial(("a.py", "", 0), ("b.py", "", 2))
    (folder / protocol.PROCESSES_FOLDER / protocol.TOO_MANY_FILE).touch()
    Trainer().settle(folder)
    assert document(folder)["measures"]["not_recorded"] == "more processes than are recorded"


def test_another_training_that_ends_otherwise_is_seen(trial):
    found = []
    for end in ("one", "another"):
        folder = trial(("a.py", "", 5), ("b.py", "", 2))
        other = folder / protocol.PROCESSES_FOLDER / "101"
        changed = {**document(other), "digests": {"final": end}}
        (other / protocol.TRACE_FILE).write_text(json.dumps(changed))
        Trainer().settle(folder)
        found.append(document(folder)["digests"]["saved outside/weights of b.py"])
    assert found[0] != found[1]


def test_a_trial_without_traces_has_no_process():
    assert process_of(()) is None
