"""No accusation and no match without observations: the matrix, the recipe's proof, the nests'
environment.
"""

import io
import itertools
import subprocess
from dataclasses import replace

import pytest
from detaudit import __version__
from detaudit.commands.scan import plan, verify
from detaudit.commands.scan.conclusion import conclude
from detaudit.commands.scan.experiments.ladder import ladder, weakest
from detaudit.commands.scan.experiments.matrix import matrix
from detaudit.commands.scan.experiments.unpin import RACE_PAIRS
from detaudit.commands.scan.findings import Audit, Control, Recipe, Rung
from detaudit.commands.scan.session import Options, _Scan
from detaudit.core.counting import excluded_rate
from detaudit.core.tally import Tally
from detaudit.core.verdict import Count
from detaudit.execution.audit import Session
from detaudit.execution.host import Hello
from detaudit.execution.resume import Identity
from detaudit.execution.variables import environment_for_nests
from detaudit.execution.workspace import Workspace
from detaudit.machine import gpu
from detaudit.registry import base, recipes
from detaudit.report.build import scan as build
from detaudit.report.formats import registry
from detaudit.report.pages import wording
from detaudit_probes.backends import BACKENDS
from detaudit_probes.kit import models
from rich.console import Console

from tests.pure.handmade import FACTS, Bench

BASE = base.base_condition("tensorflow", "cpu", 1)


def cells(fresh_folder, **how):
    lab = Bench(fresh_folder, lambda trial: 0, **how)
    return lab.drive(
        matrix(BASE, base.known_pins(), base.known_sources(), ("dropout",), ("numpy-legacy",))
    )


def test_a_pair_that_cannot_be_compared_decides_no_cell(fresh_folder):
    def facts(trial):
        return {**FACTS, "cpus": trial.draw} if trial.condition.unpinned else FACTS

    assert [cell.decides for cell in cells(fresh_folder)] == [False]
    [cell] = cells(fresh_folder, facts=facts)
    assert cell.decides is None and "the environments differ" in cell.reason


PINNED = Audit({}, {}, {}, Control((Tally(BASE, matching=1),)))
RUNG = Rung("none", "nothing", (), (), works=False, counts=(), reason="runs part on mlp")


@pytest.mark.parametrize("verified, code", [(True, 0), (False, 3), (None, 3)])
def test_a_recipe_that_is_not_verified_is_not_decided(verified, code):
    recipe = Recipe("none", (), (), verified, 2, "2 fresh processes part")
    assert conclude(replace(PINNED, recipe=recipe)).exit_code == code


@pytest.mark.parametrize("works, code", [(False, 0), (None, 3)])
def test_a_ladder_that_could_not_be_climbed_is_not_decided(works, code):
    ladder = (RUNG, replace(RUNG, works=works, reason="unstarted: no interpreter"))
    assert conclude(replace(PINNED, ladder=ladder)).exit_code == code


def test_no_nest_inherits_what_would_pin_a_race_from_outside():
    outside = {
        "TF_DETERMINISTIC_OPS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    }
    inherited = environment_for_nests(outside, base.controlled_variables(), "private")
    assert not outside.keys() & inherited.keys()


def scanning(tmp_path, inherited, **options) -> _Scan:
    work = Session(
        Workspace(tmp_path),
        lambda event: None,
        gpu.Gpus(None, None, (), None, {}),
        variables=inherited,
    )
    return _Scan(Options("python", **options), "tensorflow", None, work)


def identity(tmp_path, inherited) -> Identity:
    return scanning(tmp_path, inherited).session.identity(Hello({}, ()), 1, "scan")


def test_a_saved_audit_speaks_for_one_environment_and_one_detaudit(tmp_path):
    then = identity(tmp_path, {})
    assert identity(tmp_path, {"EDITOR": "vi"}) == then
    assert identity(tmp_path, {"MY_SEED": "1"}) != identity(tmp_path, {"MY_SEED": "2"}) != then
    assert identity(tmp_path, {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2"}) != then
    assert then.detaudit == __version__


def test_a_resumed_audit_has_a_folder_of_its_own_though_the_process_has_the_same_number(tmp_path):
    first, second = (scanning(tmp_path, {}).runner.control for _ in range(2))
    assert first != second and first.parent == second.parent == tmp_path


@pytest.mark.parametrize("device, hidden", [("cpu", "-1"), ("auto", None), ("gpu", None)])
def test_a_recipe_for_the_cpu_is_verified_without_a_gpu(tmp_path, device, hidden):
    assert (
        scanning(tmp_path, {}, device=device)._plain_environment().get("CUDA_VISIBLE_DEVICES")
        == hidden
    )


def test_an_interruption_while_verifying_leaves_no_process(tmp_path, monkeypatch):
    started = []

    class Sleeping(subprocess.Popen):
        def __init__(self, command, **how):
            super().__init__(["sleep", "60"], **how)
            started.append(self)

    def interrupted(process, out, deadline):
        raise KeyboardInterrupt

    monkeypatch.setattr(verify.subprocess, "Popen", Sleeping)
    monkeypatch.setattr(verify, "_wait", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            verify.verify(
                RUNG, "tensorflow", ("mlp",), "python", {"PATH": "/usr/bin:/bin"}, tmp_path, 60.0, 3
            )
        assert [one.poll() for one in started] == [-9, -9]
    finally:
        for one in started:
            one.kill()


OLD = base.base_condition("tensorflow1", "cpu", 1)
SEEDS, HASHED, ORDERED = "tutorial-2017", "hash-seed", "ordered-updates"


def climbed(fresh_folder, behave, wanted=1):
    """The ladder on TensorFlow 1, of which each trial does as ``behave`` says of its pins."""
    lab = Bench(fresh_folder, lambda trial: behave(trial.condition.pins, trial))
    found = lab.drive(ladder(OLD, base.known_pins("tensorflow1"), ("mlp", "text"), wanted))
    return {rung.id: rung for rung in found}


def racing(pins, trial):
    """As observed on TensorFlow 1.1: the seeds' pairs match, and with the hash seed pinned as well
    one differs.
    """
    races = "hash-seed" in pins and "ordered-updates" not in pins and trial.condition.model == "mlp"
    return trial.draw if races or not pins else 0


def test_a_recipe_does_not_work_where_one_that_pins_more_does_not(fresh_folder):
    rungs = climbed(fresh_folder, racing)
    assert [count.differing for count in rungs[SEEDS].counts] == [0, 0]
    assert rungs[SEEDS].works is False and "1 of 1 pair differs on mlp" in rungs[SEEDS].reason
    assert [rung.works for rung in rungs.values()] == [False, False, False, True, True]
    assert weakest(tuple(rungs.values())).id == ORDERED
    assert [count.pairs for count in rungs[ORDERED].counts] == [1, RACE_PAIRS]
    shown = build.document(replace(PINNED, ladder=tuple(rungs.values()))).ladder[1]
    assert wording.climbed(shown).startswith(
        "0 of 2 pairs differ; a stronger recipe does not work: "
    )


def test_a_recipe_says_nothing_of_one_that_pins_more(fresh_folder):
    rungs = climbed(fresh_folder, lambda pins, trial: 0 if "hash-seed" in pins else trial.draw)
    assert [rung.works for rung in rungs.values()] == [False, False, True, True, True]


def test_the_recipes_of_every_backend_are_ordered_by_what_they_pin():
    for backend in BACKENDS:
        known = base.known_pins(backend)
        rungs = recipes.rungs(known)
        for weaker, stronger in itertools.pairwise(rungs):
            assert recipes.includes(stronger, weaker, known), (backend, weaker.id, stronger.id)


def proving(tmp_path, monkeypatch, digests):
    """A proof whose processes print what ``digests`` says, one each in the order in which they are
    started.
    """
    left = iter(digests)

    class Printing(subprocess.Popen):
        def __init__(self, command, **how):
            super().__init__(["printf", next(left)], **how)

    monkeypatch.setattr(verify.subprocess, "Popen", Printing)
    return verify.verify(
        RUNG, "theano", ("mlp",), "python", {"PATH": "/usr/bin:/bin"}, tmp_path, 60.0, 3
    )


def test_a_proof_is_three_pairs_with_their_bound(tmp_path, monkeypatch):
    proof = proving(tmp_path, monkeypatch, ["digest mlp aa\n"] * 6)
    assert (proof.verified, proof.runs, proof.counts) == (
        True,
        6,
        (Count("as printed", "mlp", 3, 0),),
    )
    assert proof.excluded_rate == excluded_rate(3)
    page = terminal_text(replace(PINNED, recipe=proof))
    assert "3 pairs of fresh processes match on 1 tiny model (a rate above 63% is excluded)" in page


def test_a_proof_ends_with_the_first_pair_that_differs(tmp_path, monkeypatch):
    proof = proving(tmp_path, monkeypatch, ["digest mlp aa\n"] * 3 + ["digest mlp bb\n"])
    assert (proof.verified, proof.runs, proof.excluded_rate) == (False, 4, None)
    assert proof.counts == (Count("as printed", "mlp", 1, 1),)
    assert proof.reason == "with exactly these lines, pair 2 of fresh processes differs on mlp"


@pytest.mark.parametrize("printed", ["", "digest other aa\n", "no weight changed in any step"])
def test_a_process_that_trained_nothing_proves_nothing(tmp_path, monkeypatch, printed):
    proof = proving(tmp_path, monkeypatch, ["digest mlp aa\n", printed])
    assert (proof.verified, proof.excluded_rate, proof.counts) == (None, None, ())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_proof_trains_every_tiny_model_of_the_backend(backend):
    text = verify.script(("import numpy",), backend, models.names(backend))
    compile(text, "recipe.py", "exec")
    assert f"for build in ({', '.join(models.names(backend))},):" in text
    assert all(f"def {name}():" in text for name in models.names(backend))


def test_the_next_recipe_is_proven_where_the_weakest_differs_as_printed(
    tmp_path, monkeypatch, fresh_folder
):
    """The few recorded trials match; the printed lines do not work."""
    work = scanning(tmp_path, {})
    work.plan = plan.choose("tensorflow1", "quick", (), (), None)
    rungs = tuple(climbed(fresh_folder, lambda pins, trial: 0 if pins else trial.draw).values())
    tried = []

    def proof(rung, backend, names, python, environment, folder, timeout, wanted, ended):
        tried.append((rung.id, wanted))
        works = rung.id == ORDERED
        return Recipe(
            rung.id, rung.lines, rung.environment, works, 6 if works else 2, "pair 1 differs on mlp"
        )

    monkeypatch.setattr(verify, "verify", proof)
    work.ladder = rungs
    assert work._proven().id == ORDERED
    assert tried == [(SEEDS, 3), (HASHED, 3), (ORDERED, 3)]
    assert [rung.works for rung in work.ladder] == [False, False, False, True, True]
    assert work.ladder[1].reason == "pair 1 differs on mlp"


def test_a_proof_that_the_budget_leaves_no_time_for_is_not_begun(
    tmp_path, monkeypatch, fresh_folder
):
    work = scanning(tmp_path, {}, budget="0.000001")
    work.plan = plan.choose("tensorflow1", "quick", (), (), None)
    rungs = tuple(climbed(fresh_folder, lambda pins, trial: 0 if pins else trial.draw).values())
    monkeypatch.setattr(verify, "verify", lambda *given: pytest.fail("it was begun"))
    work.ladder = rungs
    assert work._proven() is None
    assert work.runner.ended_early and work.recipe is None


def test_where_no_recipe_works_as_printed_none_is_vouched_for(tmp_path, monkeypatch, fresh_folder):
    work = scanning(tmp_path, {})
    work.plan = plan.choose("tensorflow1", "quick", (), (), None)
    rungs = tuple(climbed(fresh_folder, lambda pins, trial: 0).values())
    monkeypatch.setattr(
        verify,
        "verify",
        lambda rung, *rest: Recipe(
            rung.id, rung.lines, rung.environment, False, 2, "pair 1 differs on mlp"
        ),
    )
    work.ladder = rungs
    assert work._proven() is None
    audit = replace(PINNED, recipe=work.recipe, ladder=work.ladder)
    assert conclude(audit).exit_code == 3
    assert terminal_text(audit).startswith("NOT AS PRINTED")


def test_a_quick_scan_says_what_it_has_not_tried():
    quick = plan.choose("tensorflow1", "quick", (), ("onednn",), None)
    untried = {source.id for source in quick.untried}
    assert {"update-race", "inter-op-threads"} & base.known_sources("tensorflow1").keys() <= untried
    assert not untried & {source.id for source in quick.sources} and "onednn" not in untried
    assert plan.choose("tensorflow1", "default", (), (), None).untried == ()
    assert plan.choose("tensorflow1", "quick", ("hash-seed",), (), None).untried == ()
    page = terminal_text(
        replace(PINNED, options={"depth": "quick"}, untried_sources=("update-race",))
    )
    assert "Not tried" in page and "in --quick: update-race" in page


def terminal_text(audit: Audit) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(registry.on_screen(build.document(audit), False), crop=False)
    return console.export_text()
