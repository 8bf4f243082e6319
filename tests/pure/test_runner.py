"""The runner's bookkeeping, with nests that answer at once: which trials run, where, and how
often.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from detaudit.core.condition import Condition, Trial, pair, pairs
from detaudit.core.events import TrialEnded
from detaudit.core.experiment import Asking, Finished
from detaudit.core.outcome import COMPLETED, TIMED_OUT, UNSTARTED, Ended, Outcome
from detaudit.errors import EnvironmentUnusable
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.runner import Runner, default_jobs
from detaudit_probes import protocol

from tests.pure.handmade import Once, begin

BASE = Condition("tensorflow", "cpu", "mlp", 1)


class InstantNest:
    """Stands in for a process: what it is asked to run has ended at the next look."""

    def __init__(self, environment: Mapping[str, str], folder: Path):
        self.environment, self.folder, self.closed = dict(environment), folder, False
        self.requests: list[protocol.Request] = []
        self.running = 0
        self.interrupted = False

    def answered(self) -> bool:
        return True

    def hello(self) -> Hello:
        return Hello({"python": "3.11.7"}, ())

    def run(self, request: protocol.Request) -> Path:
        self.requests.append(request)
        self.running += 1
        folder = self.folder / str(request.trial)
        folder.mkdir()
        begin(folder, [Once("init", "w", 1.0)]).finish({"kind": "completed"})
        return folder

    def ended(self, folder: Path) -> Ended | None:
        self.running -= 1
        return Ended(0, seconds=0.5)

    def said(self, folder: Path) -> str:
        return ""

    def interrupt(self) -> None:
        self.interrupted = True

    def close(self) -> None:
        self.closed = True


class InstantRunner(Runner):
    """A runner whose nests are instant ones; ``opened`` are all that it ever had."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.opened: list[InstantNest] = []

    def _open(self, trial: Trial) -> InstantNest:
        environment = dict(self.base)
        nest = InstantNest(
            {**environment, **{k: v for k, v in trial.environment().items() if v}}, self.control
        )
        self.opened.append(nest)
        return nest


@pytest.fixture
def runner(tmp_path):
    def make(kind: type = InstantRunner, fork: bool = True, **how) -> InstantRunner:
        return kind(
            Interpreter("python", "stub", fork),
            how.pop("limits", Limits(2, 60)),
            tmp_path,
            {},
            **how,
        )

    return make


def asking_for(*rounds: list[Trial]):
    """An experiment that asks once per round, and finds what it was given."""
    given = []
    for wanted in rounds:
        given.append((yield wanted))
    return given


def requests(runner: InstantRunner) -> list[protocol.Request]:
    return [request for nest in runner.opened for request in nest.requests]


def test_an_experiment_is_given_exactly_what_it_asked_for_round_by_round(runner):
    first, second = list(pair(BASE, 0)), list(pair(BASE, 1))
    one = Asking(asking_for(first, first + second))
    runner().run([one])
    assert one.done and [set(found) for found in one.finding] == [set(first), set(first + second)]
    assert all(
        found[trial].trial == trial and found[trial].outcome.completed
        for found in one.finding
        for trial in found
    )


def test_identical_trials_are_run_once_and_shared(runner):
    trials = list(pair(BASE, 0))
    work = runner()
    experiments = [
        Asking(asking_for(trials + trials)),
        Asking(asking_for(trials)),
        Asking(asking_for(trials, trials)),
    ]
    work.run(experiments)
    assert len(requests(work)) == 2
    assert all(
        one.finding[0][trials[0]] is experiments[0].finding[0][trials[0]] for one in experiments
    )


def test_findings_are_reported_as_they_are_reached_with_their_place(runner):
    reported = []
    experiments = [
        Asking(asking_for(list(pair(BASE, 0)), list(pair(BASE, 1)))),
        Asking(asking_for([])),
    ]
    runner().run(experiments, lambda index, finding: reported.append((index, len(finding))))
    assert reported == [(1, 1), (0, 2)]


def test_the_two_of_a_pair_never_share_a_nest_and_equal_environments_do(runner):
    work = runner(limits=Limits(4, 60))
    other = BASE.with_environment({"X": "1"})
    work.run(
        [
            Asking(
                asking_for(
                    [trial for some in (*pairs(BASE, 3), *pairs(other, 2)) for trial in some]
                )
            )
        ]
    )
    assert len(work.opened) == 4
    for nest in work.opened:
        assert len({request.draw % 2 for request in nest.requests}) == 1
    assert [len(nest.requests) for nest in work.opened if "X" in nest.environment] == [2, 2]


def test_a_variable_that_differs_in_every_trial_gives_each_its_own_nest(runner):
    work = runner(limits=Limits(8, 60))
    drawn = BASE.with_environment({"PYTHONHASHSEED": "{draw}"})
    work.run([Asking(asking_for([trial for some in pairs(drawn, 3) for trial in some]))])
    assert sorted(nest.environment["PYTHONHASHSEED"] for nest in work.opened) == [
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
    ]


def test_without_forks_every_trial_has_a_process_that_is_closed_after_it(runner):
    work = runner(fork=False)
    work.run([Asking(asking_for([trial for some in pairs(BASE, 3) for trial in some]))])
    assert [len(nest.requests) for nest in work.opened] == [1] * 6 and all(
        nest.closed for nest in work.opened
    )


def test_a_request_says_all_of_the_condition(runner):
    work = runner(fingerprint="xxh3_64", keep_bytes=False, limits=Limits(1, 12))
    settings, orders = protocol.Settings(epochs=3), protocol.Orders(record=False)
    condition = Condition(
        "jax", "gpu", "cnn", 7, ("a", "b"), ("c",), settings, orders, (("X", "1"),), "feed", "how"
    )
    work.run([Asking(asking_for([Trial(condition, 5)]))])
    assert requests(work)[0] == protocol.Request(
        trial=1,
        draw=5,
        seed=7,
        backend="jax",
        device="gpu",
        model="cnn",
        feed="feed",
        procedure="how",
        pins=("a", "b"),
        unpinned=("c",),
        settings=settings,
        orders=orders,
        fingerprint="xxh3_64",
        keep_bytes=False,
        timeout=12,
    )


def test_no_more_than_the_jobs_run_at_a_time(runner):
    most = Counter()

    class Following(InstantRunner):
        def _start(self):
            super()._start()
            most["running"] = max(most["running"], len(self._running))

    work = runner(Following, limits=Limits(3, 60))
    work.run([Asking(asking_for([trial for some in pairs(BASE, 10) for trial in some]))])
    assert most["running"] == 3


def test_what_is_finished_already_starts_no_process(runner):
    trials = list(pair(BASE, 0))
    saved = {trial.key(): Finished(trial, 7, Outcome(COMPLETED), None) for trial in trials}
    work = runner(finished=saved)
    one = Asking(asking_for(trials))
    work.run([one])
    assert one.done and work.opened == []


def test_numbers_go_on_above_those_of_a_saved_audit(runner):
    saved = {trial.key(): Finished(trial, 7, Outcome(COMPLETED), None) for trial in pair(BASE, 0)}
    work = runner()
    work.take_up(saved)
    work.run([Asking(asking_for(list(pair(BASE, 1))))])
    assert sorted(request.trial for request in requests(work)) == [8, 9]


def test_a_spent_budget_leaves_experiments_undone_and_keeps_what_is_finished(runner):
    work = runner(limits=Limits(2, 60, budget=-1.0))
    done, undone = Asking(asking_for()), Asking(asking_for(list(pair(BASE, 0))))
    work.run([done, undone])
    assert work.ended_early and not undone.done and done.done and work.opened == []


def test_a_budget_that_suffices_cuts_nothing(runner):
    work = runner(limits=Limits(2, 60, budget=600.0))
    one = Asking(asking_for(list(pair(BASE, 0))))
    work.run([one])
    assert one.done and not work.ended_early


@pytest.mark.parametrize("most", range(1, 7))
def test_no_more_trials_are_run_than_the_budget_has(runner, most):
    def steps():
        for number in range(2):
            yield list(pair(BASE, number))
        return "found"

    work = runner(limits=Limits(3, 60, most=most))
    one = Asking(steps())
    work.run([one])
    assert len(work.finished) == min(most, 4)
    assert (one.done, work.ended_early) == (most >= 4, most < 4)


def test_an_environment_that_cannot_be_started_is_the_outcome_of_its_trials_alone(runner):
    class Unstartable(InstantRunner):
        def _open(self, trial):
            if "BAD" in trial.environment():
                raise EnvironmentUnusable("cannot start")
            return super()._open(trial)

    work = runner(Unstartable)
    bad = BASE.with_environment({"BAD": "1"})
    one = Asking(asking_for([*pair(bad, 0), *pair(BASE, 0)]))
    work.run([one])
    outcomes = {trial: done.outcome for trial, done in one.finding[0].items()}
    assert [outcomes[trial].kind for trial in pair(bad, 0)] == [UNSTARTED] * 2
    assert outcomes[pair(bad, 0)[0]].reason == "cannot start"
    assert all(outcomes[trial].completed for trial in pair(BASE, 0))


def test_a_nest_that_failed_while_importing_is_reported_for_each_of_its_trials(runner):
    class Failing(InstantRunner):
        def _open(self, trial):
            nest = super()._open(trial)

            def hello():
                raise EnvironmentUnusable("import failed")

            nest.hello = hello
            return nest

    one = Asking(asking_for([*pair(BASE, 0), *pair(BASE, 1)]))
    runner(Failing).run([one])
    assert {done.outcome.reason for done in one.finding[0].values()} == {"import failed"}


def test_a_nest_that_no_longer_answers_is_interrupted_and_its_trial_timed_out(runner):
    class Silent(InstantRunner):
        def _open(self, trial):
            nest = super()._open(trial)
            nest.ended = lambda folder: None
            return nest

    work = runner(Silent, limits=Limits(2, -60))  # the limit has passed before the first look
    one = Asking(asking_for([Trial(BASE, 0)]))
    work.run([one])
    assert one.finding[0][Trial(BASE, 0)].outcome.kind == TIMED_OUT and work.opened[0].interrupted


def test_nests_that_no_trial_needs_are_closed_when_there_are_more_than_jobs(runner):
    work = runner(limits=Limits(1, 60))
    for value in "abc":
        work.run([Asking(asking_for([Trial(BASE.with_environment({"X": value}), 0)]))])
    assert [nest.closed for nest in work.opened] == [True, True, False]


def test_every_trial_that_ends_is_reported(runner):
    events = []
    work = runner(emit=events.append)
    work.run([Asking(asking_for([trial for some in pairs(BASE, 2) for trial in some]))])
    assert all(isinstance(event, TrialEnded) and event.outcome == COMPLETED for event in events)
    assert [event.done for event in events] == [1, 2, 3, 4] and {
        event.known for event in events
    } == {4}


def test_closing_ends_every_nest_and_keeps_what_is_finished(runner):
    work = runner()
    work.run([Asking(asking_for(list(pair(BASE, 0))))])
    work.close()
    assert all(nest.closed and nest.interrupted for nest in work.opened) and len(work.finished) == 2


def test_greeting_starts_both_nests_and_wants_them_to_say_the_same(runner):
    work = runner()
    assert work.greet(BASE).facts == {"python": "3.11.7"} and len(work.opened) == 2

    class Twofold(InstantRunner):
        def _open(self, trial):
            nest = super()._open(trial)
            nest.hello = lambda: Hello({"side": trial.side}, ())
            return nest

    with pytest.raises(EnvironmentUnusable, match="two ways"):
        runner(Twofold).greet(BASE)


def test_the_nests_that_were_greeted_are_those_that_run(runner):
    work = runner()
    work.greet(BASE)
    work.run([Asking(asking_for(list(pair(BASE, 0))))])
    assert len(work.opened) == 2


def test_there_is_always_a_job():
    assert default_jobs() >= 1
