"""The sweep over operations: its verdicts from replays made by hand, its faces, and the script that
shows a fault.
"""

import ast
import json
import re
from dataclasses import replace

import pytest
from detaudit.commands.ops import reproducer, session, sweep
from detaudit.commands.ops.conclusion import conclude
from detaudit.commands.ops.findings import Operation, Refusal
from detaudit.core import pinpoint
from detaudit.core.condition import Trial
from detaudit.core.experiment import Finished
from detaudit.core.notes import Executed
from detaudit.core.outcome import COMPLETED, CRASHED, Outcome
from detaudit.core.pinpoint import LayerReplay, LocatedOperation, Pinpoint, Replays
from detaudit.errors import UsageError
from detaudit.report import read, write
from detaudit.report.build import ops as build_ops
from detaudit.report.formats import registry
from detaudit.report.pages import wording
from detaudit.report.schema import v1
from detaudit_probes.ops.frameworks import step
from detaudit_probes.protocol import Ends, Measures, OperationsReplayed, Raised, StepReplayed

from tests.pure import example_runs
from tests.pure.example_sweeps import CONDITIONS, FOUND, OPERATION, document
from tests.pure.golden import on_terminal as shown
from tests.pure.handmade import Bench, Once, Step, with_measures, written
from tests.pure.test_report_faces import HOSTILE, poisoned

DETERMINISTIC, ONE_THREAD = "op-determinism", "one-thread"
ADD = {
    "operation": "Add",
    "shapes": ["float32[2]"],
    "results": ["float32[2]"],
    "device": "CPU:0",
    "attributes": {},
    "limits": [None],
    "call": [["x", 0]],
    "stage": "forward",
    "layer": "",
    "line": "",
    "foreign": [],
}


class Operations(Bench):
    """Answers the trials of a sweep; ``behave(trial, name, number)`` is what call ``number`` of an
    entry gives: a value, an Exception that it raises, or an Outcome of the whole trial.
    """

    def _run(self, trial, number):
        orders, acts = trial.condition.orders, []
        reported = OperationsReplayed({}, {}, {}, {})
        for name in orders.operations.split(","):
            key = f"{name} float32"
            values = [self.behave(trial, name, place) for place in range(orders.repeats)]
            if isinstance(values[0], Outcome):
                return Finished(trial, number, values[0], None)
            if isinstance(values[0], Exception):
                reported.raised[key] = Raised("NotFoundError", str(values[0]), refusal=True)
                continue
            acts.append(Once("data", f"{key} input 0", 1.0))
            acts += [
                Step(place, (("forward", "result 0", value),), key)
                for place, value in enumerate(values)
            ]
            reported.executed[key] = (name,)
            seconds = 2.0 if DETERMINISTIC in trial.condition.pins else 1.0
            reported.seconds[key] = (seconds,) * len(values)
            if len(set(values)) > 1:
                reported.differing[key] = {
                    **ADD,
                    "distinct": len(set(values)),
                    "replays": len(values),
                }
        return Finished(
            trial,
            number,
            Outcome(COMPLETED),
            written(self.folder(), acts, measures=Measures(operations=reported)),
        )


@pytest.fixture
def found(fresh_folder):
    """The findings of a sweep over some entries, by name, and the bench that answered it."""

    def swept(behave, *names, random=()):
        bench = Operations(fresh_folder, behave)
        return {
            one.name: one for one in bench.drive(sweep.sweep(CONDITIONS, names or ("Add",), random))
        }, bench

    return swept


def pins(trial):
    return set(trial.condition.pins) & {DETERMINISTIC, ONE_THREAD, "onednn-off"}


def test_replays_that_match_under_every_condition_are_reproducible(found):
    operations, bench = found(lambda trial, name, number: 1.0)
    one = operations["Add"]
    assert (one.verdict, one.default, one.deterministic) == (
        "reproducible",
        Replays(20, 1),
        Replays(10, 1),
    )
    assert one.same_on_one_thread and one.same_without_onednn and "20 replays match" in one.reason
    assert len(bench.asked) == 1  # nothing to confirm


def test_a_race_needs_a_pin_once_further_replays_confirm_it(found):
    operations, bench = found(
        lambda trial, name, number: (
            1.0 if pins(trial) & {DETERMINISTIC, ONE_THREAD} else float(number % 3)
        )
    )
    one = operations["Add"]
    assert one.verdict == "needs-pin" and one.confirmed == Replays(20, 3)
    assert (
        one.reason == "3 distinct results in 20 replays; pinned by op determinism and by one thread"
    )
    assert (
        one.differing_operation.name == "Add"
        and one.divergence.step == 1
        and one.same_on_one_thread is None
    )
    assert sorted(trial.draw for trial in bench.asked[1]) == [2, 2, 3, 3]


def test_what_further_replays_do_not_confirm_is_not_accused(found):
    operations, _ = found(
        lambda trial, name, number: float(number == 7 and trial.draw == 0 and not pins(trial))
    )
    assert operations["Add"].verdict == "error" and "not confirmed" in operations["Add"].reason
    operations, _ = found(
        lambda trial, name, number: float(
            number == 7 and DETERMINISTIC in trial.condition.pins and trial.draw == 0
        )
    )
    assert operations["Add"].verdict == "error" and "not confirmed" in operations["Add"].reason


def test_differing_under_op_determinism_is_broken(found):
    operations, _ = found(
        lambda trial, name, number: 1.0 if ONE_THREAD in pins(trial) else float(number)
    )
    assert (
        operations["Add"].verdict == "broken"
        and "with one thread they match" in operations["Add"].reason
    )
    reported = sweep.documented(operations["Add"], (), on_gpu=False)
    assert (
        reported.contradicts_documentation == "this contradicts the documentation of op determinism"
    )


def test_two_processes_that_disagree_have_differed(found):
    operations, _ = found(lambda trial, name, number: float(trial.draw) if not pins(trial) else 0.0)
    assert operations["Add"].default == operations["Add"].confirmed == Replays(20, 2)
    assert (
        operations["Add"].verdict == "needs-pin" and operations["Add"].differing_operation is None
    )


def unseeded(trial):
    return trial.condition.orders.unseeded


def test_a_random_operation_that_differs_without_a_seed_argument_needs_one(found):
    """As FractionalMaxPool: with the catalogue's seed it repeats, by default no two processes
    match.
    """
    operations, bench = found(
        lambda trial, name, number: float(trial.draw) if unseeded(trial) else 1.0,
        "Add",
        "Pool",
        random=("Pool",),
    )
    pool = operations["Pool"]
    assert (pool.verdict, pool.default, pool.unseeded) == (
        "needs-pin",
        Replays(20, 1),
        Replays(4, 4),
    )
    assert pool.reason.startswith(
        "without a seed argument but with the global seeds set, 4 processes give 4 distinct results: "
        "it needs a seed argument; with one, 20 replays match"
    )
    assert (operations["Add"].verdict, operations["Add"].unseeded) == ("reproducible", None)
    asked = [trial for wanted in bench.asked for trial in wanted if unseeded(trial)]
    assert {trial.condition.orders.operations for trial in asked} == {"Pool"}
    assert sorted(trial.side for trial in asked) == [0, 0, 1, 1]
    document = build_ops.document(replace(FOUND, operations=(pool,)))
    assert document.operations[0].unseeded == v1.Replays(replays=4, distinct=4)


def test_a_random_operation_that_draws_from_the_global_seed_needs_none(found):
    operations, _ = found(
        lambda trial, name, number: float(number) if unseeded(trial) else 1.0, random=("Add",)
    )
    one = operations["Add"]  # its calls differ from one another, and are the same in every process
    assert (one.verdict, one.unseeded) == ("reproducible", Replays(4, 1))
    assert one.reason.endswith(
        "; without a seed argument but with the global seeds set, 4 processes match"
    )


def test_what_does_not_run_without_a_seed_argument_is_not_accused_of_it(found):
    operations, _ = found(
        lambda trial, name, number: Outcome(CRASHED, "died") if unseeded(trial) else 1.0,
        random=("Add",),
    )
    assert (operations["Add"].verdict, operations["Add"].unseeded) == ("reproducible", None)


def test_a_race_is_not_taken_for_a_missing_seed(found):
    operations, _ = found(
        lambda trial, name, number: (
            1.0 if pins(trial) & {DETERMINISTIC, ONE_THREAD} else float(trial.draw + number % 3)
        ),
        random=("Add",),
    )
    assert operations["Add"].reason.startswith(
        "4 distinct results in 20 replays; pinned by op determinism"
    )
    assert "needs a seed" not in operations["Add"].reason


def test_bits_that_change_with_threads_or_kernels_vary(found):
    operations, _ = found(lambda trial, name, number: float(len(pins(trial) & {ONE_THREAD})))
    assert operations["Add"].verdict == "varies" and "the thread count" in operations["Add"].reason
    operations, _ = found(lambda trial, name, number: float(len(pins(trial) & {"onednn-off"})))
    assert operations["Add"].verdict == "varies" and operations["Add"].same_without_onednn is False


def test_a_missing_kernel_is_skipped_and_a_refusal_is_reported(found):
    operations, _ = found(lambda trial, name, number: ValueError("no device for node"))
    assert (
        operations["Add"].verdict == "skipped"
        and "no kernel for float32" in operations["Add"].reason
    )
    assert operations["Add"].refusal_message == ""
    message = "{{function_node __x_device_/CPU:0}} Determinism is not supported [Op:Add] name: "
    operations, _ = found(
        lambda trial, name, number: ValueError(message) if DETERMINISTIC in pins(trial) else 1.0
    )
    assert operations["Add"].verdict == "reproducible" and operations["Add"].deterministic is None
    assert operations["Add"].refusal_message == "NotFoundError: Determinism is not supported "


def test_one_entry_that_ends_its_process_spoils_no_other(found):
    operations, _ = found(
        lambda trial, name, number: (
            Outcome(CRASHED, "died from SIGSEGV")
            if "Bad" in trial.condition.orders.operations and not pins(trial)
            else 1.0
        ),
        "Add",
        "Bad",
        "Mul",
    )
    assert {name: one.verdict for name, one in operations.items()} == {
        "Add": "reproducible",
        "Bad": "error",
        "Mul": "reproducible",
    }
    assert "SIGSEGV" in operations["Bad"].reason


def test_a_call_that_does_not_execute_its_operation_is_no_pass(found, monkeypatch):
    run = Operations._run

    def without(self, trial, number):
        done = run(self, trial, number)
        reported = done.trace.measures.operations
        executed = {"Add float32": ("Identity",)}
        return with_measures(done, operations=reported._replace(executed=executed))

    monkeypatch.setattr(Operations, "_run", without)
    operations, _ = found(lambda trial, name, number: 1.0)
    assert (
        operations["Add"].verdict == "error"
        and operations["Add"].reason == "the call did not execute Add"
    )


def test_inputs_that_differ_between_processes_are_no_evidence(found, monkeypatch):
    class Other(Operations):
        def _run(self, trial, number):
            done = super()._run(trial, number)
            acts = [
                Once("data", "Add float32 input 0", float(trial.draw)),
                Step(0, (("forward", "result 0", 1.0),), "Add float32"),
            ]
            return replace(done, trace=written(self.folder(), acts, measures=done.trace.measures))

    monkeypatch.setitem(globals(), "Operations", Other)
    operations, _ = found(lambda trial, name, number: 1.0)
    assert operations["Add"].verdict == "error" and "inputs differ" in operations["Add"].reason


def test_the_cost_is_a_ratio_with_its_spread_one_trial_at_a_time(fresh_folder):
    bench = Operations(fresh_folder, lambda trial, name, number: 1.0)
    swept = bench.drive(sweep.sweep(CONDITIONS, ("Add",)))
    bench.asked.clear()
    (one,) = bench.drive(sweep.costs(CONDITIONS, swept))
    assert (one.cost, one.cost_range) == (2.0, (2.0, 2.0))
    assert all(len(wanted) == 1 for wanted in bench.asked) and len(bench.asked) == 6


def test_the_librarys_messages_are_held_against_what_was_observed():
    refused = Operation(
        "A", "float32", "reproducible", "", Replays(20, 1), refusal_message="UnimplementedError: no"
    )
    ran = Operation(
        "B", "float32", "reproducible", "", Replays(20, 1), Replays(10, 1), executed=("B", "BGrad")
    )
    said = (
        Refusal("Determinism is not yet supported for BGrad.", ("BGrad",)),
        Refusal("Determinism is not yet supported in GPU implementation of C.", ("C",)),
    )
    assert (
        "it ran under op determinism"
        in sweep.documented(ran, said, False).contradicts_documentation
    )
    assert "no such message" in sweep.documented(refused, said, False).contradicts_documentation
    on_card = (Refusal("No deterministic GPU implementation of B.", ("B",)),)
    assert (
        sweep.documented(ran, on_card, False).contradicts_documentation
        == ""
        != sweep.documented(ran, on_card, True).contradicts_documentation
    )
    matched = sweep.matched((*said, Refusal("A", ("A",))), (refused, ran))
    assert [(one.refused_here, one.ran_here) for one in matched] == [
        ((), ("BGrad",)),
        ((), ()),
        (("A",), ()),
    ]


def test_an_operation_is_named_by_what_a_gradient_runs_too():
    assert session.chosen(["matmul", "Conv2DBackpropFilter"]) == ("MatMul", "Conv2DBackpropInput")
    assert len(session.chosen([])) >= 80
    with pytest.raises(UsageError, match="MatMul"):
        session.chosen(["MatMull"])


# Its report ---------------------------------------------------------------------------------------


def test_what_does_not_repeat_comes_first_and_the_rest_where_asked_for():
    text = shown(document())
    assert text.startswith("NEEDS A PIN") and re.search(
        r"ResourceScatterAdd +needs-pin .*\nfloat32, float16 ", text
    )
    assert "Depends on oneDNN" in text and "MatMul" in text and "Relu" not in text
    assert "takes 1.50x (1.20" in text
    assert re.search("Relu +reproducible", shown(document(), verbose=True))
    assert max(map(len, text.splitlines())) <= 80


def test_the_document_is_read_back_as_it_was_written():
    text = write.to_json(document())
    again = read.decode(text.encode(), "ops.json")
    assert isinstance(again, v1.OpsReport) and again == document() and write.to_json(again) == text
    assert json.loads(text)["command"] == "ops"


def test_an_operation_that_was_not_replayed_gave_no_identical_results():
    skipped = Operation("CudnnRNN", "float32", "skipped", "no kernel for float32 here")
    found = document(replace(FOUND, operations=(*FOUND.operations[3:], skipped)))
    assert shown(found).startswith("REPRODUCIBLE  1 operation gave bitwise identical results")


def test_its_markdown_is_a_table():
    text = registry.rendered(document(), "markdown")
    assert "| `ResourceScatterAdd` | float32, float16 | needs-pin | 4 distinct in 20 |" in text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_whatever_stands_in_a_document_is_shown_and_does_no_harm(hostile):
    report = poisoned(document(), hostile)
    assert "\x1b" not in shown(report, verbose=True) and "\x1b" not in registry.rendered(
        report, "markdown"
    )


def test_exit_codes():
    def code(*verdicts, **named):
        operations = tuple(
            Operation(f"Op{place}", "float32", one, "") for place, one in enumerate(verdicts)
        )
        return conclude(replace(FOUND, operations=operations, **named)).exit_code

    assert code("reproducible", "needs-pin", "varies", "skipped") == 0
    assert code("needs-pin", strict=True) == code("broken", "error") == 1
    assert (
        code("error")
        == code()
        == code("reproducible", over_budget=True)
        == code("skipped", requested=("Op0",))
        == 3
    )
    assert code("reproducible", interrupted=True) == 130


# The operation of a step --------------------------------------------------------------------------


def test_processes_are_compared_operation_by_operation():
    def event(inputs=(1,), outputs=(2,), foreign=(), operation="Add"):
        python = operation == "pure_callback"
        return Executed(operation, inputs, outputs, ("f",), foreign=foreign, python=python)

    same = event()
    assert pinpoint.between([same, same], [same, same]) == ("", None)
    assert pinpoint.between([same, event(outputs=(3,))], [same, same])[0] == "state"
    assert pinpoint.between([event(inputs=(9,), outputs=(3,))], [same])[0] == "input"
    assert pinpoint.between([event(inputs=(9,), foreign=(0,))], [same])[0] == "python"
    assert pinpoint.between([event(operation="Mul")], [same])[0] == "other"
    called = event(operation="pure_callback")  # its results are those of Python code
    assert pinpoint.between([called], [called._replace(outputs=(3,))])[0] == "python"


def built(found):
    """What a document says of it."""
    return example_runs.document(replace(example_runs.DIFFERING, pinpoint=found)).pinpoint


def replay(*marks):
    return [("Op", (went_in,), (came_out,)) for went_in, came_out in marks]


def test_the_layers_of_a_step_that_repeat_and_the_first_that_does_not():
    places = [
        ("forward", "dense"),
        ("forward", "dense"),
        ("forward", "drop"),
        ("update", "dense/kernel"),
    ]
    events = [Executed("Op", stage=stage, layer=layer) for stage, layer in places]
    one = replay((1, 2), (2, 3), (3, 4), (4, 5))
    found = pinpoint.layers(events, [one, replay((1, 2), (2, 3), (3, 14), (14, 15)), one])
    assert found == (
        LayerReplay("forward", "dense", 2, 1, 1),
        LayerReplay("forward", "drop", 1, 1, 2),
        LayerReplay("update", "dense/kernel", 1, 2, 2),
    )
    # Values computed by Python code in a layer originate in that layer.
    events[2] = events[2]._replace(foreign=(0,))
    found = pinpoint.layers(events, [one, replay((1, 2), (2, 3), (13, 14), (14, 15))])
    assert found[1] == LayerReplay("forward", "drop", 1, 1, 2)
    # From where other operations are executed, nothing is said.
    other = [*one[:2], ("Other", (3,), (4,))]
    assert pinpoint.layers(events, [one, other]) == (LayerReplay("forward", "dense", 2, 1, 1),)
    assert pinpoint.layers([], []) == ()


def test_the_layers_around_the_one_that_differs_are_kept():
    events = [Executed("Op", stage="forward", layer=str(place)) for place in range(3000)]
    one = replay(*((place, place + 1) for place in range(3000)))
    two = [*one[:2000], ("Op", (2000,), (9,)), *one[2001:]]
    found = pinpoint.layers(events, [one, two])
    assert len(found) == 1000 and found[500] == LayerReplay("forward", "2000", 1, 1, 2)


def test_the_layers_are_a_table_in_markdown():
    found = (
        LayerReplay("forward", "", 9, 1, 1),
        LayerReplay("forward", "de|nse", 2, 1, 1),
        LayerReplay("forward", "", 3, 1, 4),
        LayerReplay("update", "", 1, 4, 4),
        LayerReplay("update", "dense/kernel", 1, 4, 4),
    )
    whole = replace(example_runs.WHOLE, pinpoint=Pinpoint("fit", 16, layers=found))
    page = registry.rendered(example_runs.document(whole), "markdown")
    rows = page.split("in all replays |\n")[1].splitlines()[
        1:4
    ]  # one without a name is left out, unless it parts
    assert rows == [
        "| forward | de\\|nse | 2 | matches |",
        "| forward |  | 3 | differs here: 4 distinct results from equal inputs |",
        "| update | dense/kernel | 1 | its inputs already differ: 4 distinct |",
    ]


def noted(folder, by_replay, operation="Sub", python=True, replay_matches_step=None):
    """A process that replayed a step three times; ``by_replay`` is what it observed at the place
    where the replays differ.
    """
    operation = (
        {
            "operation": operation,
            "shapes": ["f"],
            "results": ["f"],
            "device": "",
            "attributes": {},
            "limits": [],
            "call": [],
            "distinct": len(set(by_replay)),
            "replays": len(by_replay),
            "by_replay": list(by_replay),
            "python": python,
            "stage": "forward",
            "layer": "own",
            "line": "train.py:5",
        }
        if by_replay
        else None
    )
    counts = Ends(3, max(1, len(set(by_replay))))
    trace = written(
        folder,
        [],
        measures=Measures(
            pinpoint=StepReplayed(
                kind="fit",
                operations=9,
                operation=operation,
                recorded=counts,
                eager=counts,
                compiled=counts,
                recorded_matches_eager=True,
                eager_matches_compiled=True,
                replay_matches_step=replay_matches_step,
            )
        ),
    )
    return Finished(Trial(CONDITIONS.default, 0), 1, Outcome(COMPLETED), trace)


@pytest.mark.parametrize("python", [True, False])
def test_what_two_processes_do_alike_in_each_replay_is_not_where_they_differ(fresh_folder, python):
    """A counter in Python code, or an iterator: the replays differ, because it was not set back
    before each.
    """
    left = noted(fresh_folder(), [1, 2, 3], python=python)
    found = pinpoint.judged([left, noted(fresh_folder(), [1, 2, 3], python=python)])
    assert (found.origin, found.operation, found.recorded.distinct) == ("", None, 3)
    reported = wording.describe_pinpoint(built(found))
    assert reported.startswith(
        "replays of the step (fit) end in 3 distinct results; the operation that"
    )
    slower = noted(fresh_folder(), [1, 2], python=python)  # its time was over
    assert pinpoint.judged([left, slower]).origin == ""
    for other in (
        noted(fresh_folder(), [1, 2, 4], python=python),
        noted(fresh_folder(), [], python=python),
        noted(fresh_folder(), [1, 2, 3], operation="Mul", python=python),
    ):
        found = pinpoint.judged([left, other])
        assert found.origin == ("python" if python else "kernel") and found.operation.name == "Sub"


@pytest.mark.parametrize(
    ("by_replay", "said"),
    [
        ((True, True), "of the step (fit) match, in all"),
        ((None, None), "of the step (fit) match, in all"),
        ((True, False), "differ from the step itself"),
    ],
)
def test_replays_that_are_not_the_step_are_no_match(fresh_folder, by_replay, said):
    found = pinpoint.judged(
        [noted(fresh_folder(), [], replay_matches_step=one) for one in by_replay]
    )
    assert said in wording.describe_pinpoint(built(found))


def test_what_replays_that_are_not_the_step_mean_is_not_guessed(fresh_folder):
    """An embedding whose step is a race, replayed: nothing is reported that was not observed."""
    found = pinpoint.judged(
        [noted(fresh_folder(), [], replay_matches_step=False) for _ in range(2)]
    )
    assert wording.describe_pinpoint(built(found)) == (
        "6 replays of the step (fit) match each other, but differ from the step itself; an operation "
        "that differs in more than 39% of replays would have been found"
    )


def test_replays_that_differ_need_not_end_where_the_step_did(fresh_folder):
    found = pinpoint.judged(
        [noted(fresh_folder(), [1, 2, place], replay_matches_step=False) for place in (3, 4)]
    )
    assert found.replay_matches_step is None


def test_a_process_that_replayed_nothing_says_nothing(fresh_folder):
    done = Finished(
        Trial(CONDITIONS.default, 0), 1, Outcome(COMPLETED), written(fresh_folder(), [])
    )
    assert pinpoint.judged([done, done]) is None


def test_the_sentence_on_an_operation_says_at_which_level_it_was_observed():
    one = Pinpoint(
        "fit",
        126,
        "kernel",
        OPERATION,
        "update",
        "embedding/embeddings",
        "train.py:6",
        Replays(20, 5),
        Replays(20, 5),
        Replays(20, 3),
        True,
        False,
    )
    reported = wording.describe_pinpoint(built(one))
    assert reported == (
        "ResourceScatterAdd in the update of embedding/embeddings, called at train.py:6. Replayed in "
        "one process from equal inputs, it gives different results (4 distinct in 10 replays). This "
        "was observed in eager execution, where recording does not change the bits. The compiled step "
        "as a whole differs too (3 distinct in 20 replays), on other bits than the eager step."
    )
    layer = replace(
        one, operation=None, recorded_matches_eager=None, eager_matches_compiled=True
    )  # --depth layer
    reported = wording.describe_pinpoint(built(layer))
    assert reported == (
        "the update of embedding/embeddings, called at train.py:6. Replayed in one process from equal "
        "inputs, it gives different results (5 distinct in 20 replays). This was observed in eager "
        "execution. The compiled step as a whole differs too (3 distinct in 20 replays), on the bits of "
        "the eager step."
    )
    failed = wording.describe_pinpoint(built(Pinpoint("fit", 0, failed="TypeError: not twice")))
    assert failed == "the step could not be replayed (fit): TypeError: not twice"
    none = wording.describe_pinpoint(built(Pinpoint("fit", 126)))
    assert none == "replays of the step (fit) match, in all 126 operations"
    none = wording.describe_pinpoint(built(Pinpoint("fit", 126, recorded=Replays(120, 1))))
    assert none == (
        "120 replays of the step (fit) match, in all 126 operations; an operation that differs in "
        "more than 2% of replays would have been found"
    )
    none = wording.describe_pinpoint(built(Pinpoint("eager loop", 126)))
    assert none == "the step, observed once in each process, matches in all 126 operations"


@pytest.mark.parametrize(
    ("ends", "others", "same"),
    [
        ([(1,), (1,)], [(1,), (1,)], True),
        ([(1,), (1,)], [(2,), (2,)], False),
        ([(1,), (2,)], [(2,), (3,)], True),
        ([(1,), (2,)], [(3,), (4,)], None),
        ([(1,), (1,)], [(3,), (4,)], None),
    ],
)
def test_ways_to_run_a_step_end_on_other_bits_only_where_neither_differs(ends, others, same):
    """A race with many results may by chance share none of them with another ten replays."""
    assert step.same_ends(ends, others) is same


def test_the_reproducer_is_a_short_script_of_that_operation_alone():
    text = reproducer.text(OPERATION, {"tensorflow": "2.21.0"}, 8)
    assert ast.parse(text) and len(text.splitlines()) < 60 and "import detaudit" not in text
    assert (
        "tf.raw_ops.ResourceScatterAdd(resource=input_0.handle, indices=input_1, updates=input_2)"
        in text
    )
    assert (
        'integers("int32", 0, 4, 40)' in text
        and "TensorFlow" in text
        and "tensorflow 2.21.0" in text
    )


def test_an_operation_of_torch_gets_copies_of_its_inputs_and_says_what_it_wrote():
    operation = LocatedOperation(
        "aten.index_put_.default",
        ("float32[50, 16]", "int64[40]", "float32[40, 16]"),
        ("float32[50, 16]",),
        "cpu",
        {"accumulate": True},
        Replays(20, 5),
        (None, (0, 49), None),
        (
            ("self", 0),
            ("indices", [None, 1]),
            ("values", 2),
            ("attribute accumulate", True),
            ("attribute dtype", "torch.float32"),
        ),
    )
    text = reproducer.text(operation, {"torch": "2.13.0"}, 8, "torch")
    assert ast.parse(text) and len(text.splitlines()) < 60
    assert "import detaudit" not in text and "tensorflow" not in text
    assert (
        "torch.ops.aten.index_put_.default(self=given[0], indices=[None, given[1]], values=given[2], "
        "accumulate=True, dtype=torch.float32)"
    ) in text
    assert (
        "one.clone() for one in (input_0, input_1, input_2,)" in text
        and "torch.set_num_threads(8)" in text
    )


def test_what_cannot_be_made_up_or_called_alone_has_no_reproducer():
    assert reproducer.text(replace(OPERATION, call=()), {}) is None
    assert reproducer.text(replace(OPERATION, inputs=("variant[]",)), {}) is None
    assert reproducer.text(replace(OPERATION, inputs=("string[3]",)), {}) is None
