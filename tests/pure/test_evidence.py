"""No accusation and no pass from what was not seen: the matrix, the recipe's proof, the nests' environment."""
import subprocess
from dataclasses import replace

import pytest
from detaudit import base, gpu, verify
from detaudit.conclusion import conclude
from detaudit.experiments.control import Control
from detaudit.experiments.matrix import matrix
from detaudit.experiments.tally import Tally
from detaudit.findings import Audit, Recipe, Rung
from detaudit.scan import Options, _Scan
from detaudit.workspace import Workspace

from tests.pure.handmade import FACTS, Bench

BASE = base.base_condition("tensorflow", "cpu", 1)


def cells(fresh_folder, **how):
    lab = Bench(fresh_folder, lambda trial: 0, **how)
    return lab.drive(matrix(BASE, base.known_pins(), base.known_sources(), ("dropout",), ("numpy-legacy",)))


def test_a_pair_that_cannot_be_compared_decides_no_cell(fresh_folder):
    def facts(trial):
        return {**FACTS, "cpus": trial.draw} if trial.condition.loose else FACTS

    assert [cell.decides for cell in cells(fresh_folder)] == [False]
    [cell] = cells(fresh_folder, facts=facts)
    assert cell.decides is None and "the environments differ" in cell.reason


HELD = Audit({}, {}, {}, Control((Tally(BASE, agreed=1),)))
RUNG = Rung("none", "nothing", (), (), holds=False, counts=(), reason="runs part on mlp")


@pytest.mark.parametrize("verified, code", [(True, 0), (False, 3), (None, 3)])
def test_a_recipe_that_is_not_verified_is_not_decided(verified, code):
    recipe = Recipe("none", (), (), verified, 2, "2 fresh processes part")
    assert conclude(replace(HELD, recipe=recipe)).exit_code == code


@pytest.mark.parametrize("holds, code", [(False, 0), (None, 3)])
def test_a_ladder_that_could_not_be_climbed_is_not_decided(holds, code):
    ladder = (RUNG, replace(RUNG, holds=holds, reason="unstarted: no interpreter"))
    assert conclude(replace(HELD, ladder=ladder)).exit_code == code


def test_no_nest_inherits_what_would_pin_a_race_from_outside():
    outside = {"TF_DETERMINISTIC_OPS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
    inherited = base.environment_for_nests(outside, base.controlled_variables(), "private")
    assert not outside.keys() & inherited.keys()


def scanning(tmp_path, inherited, **options) -> _Scan:
    work = _Scan(Options("python", **options), None, Workspace(tmp_path), lambda event: None, inherited,
                 gpu.Gpus(None, None, (), None, {}))
    work.runner = work._runner(fork=True)
    return work


def test_a_saved_audit_speaks_for_one_environment_and_one_detaudit(tmp_path, monkeypatch):
    then = scanning(tmp_path, {})._identity()
    assert scanning(tmp_path, {"EDITOR": "vi"})._identity() == then
    assert scanning(tmp_path, {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2"})._identity() != then
    monkeypatch.setattr("detaudit.scan.__version__", "99")
    assert scanning(tmp_path, {})._identity() != then


def test_a_resumed_audit_has_a_folder_of_its_own_though_the_process_has_the_same_number(tmp_path):
    first, second = (scanning(tmp_path, {}).runner.control for _ in range(2))
    assert first != second and first.parent == second.parent == tmp_path


@pytest.mark.parametrize("device, hidden", [("cpu", "-1"), ("auto", None), ("gpu", None)])
def test_a_recipe_for_the_cpu_is_verified_without_a_gpu(tmp_path, device, hidden):
    assert scanning(tmp_path, {}, device=device)._plain_environment().get("CUDA_VISIBLE_DEVICES") == hidden


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
            verify.verify(RUNG, "tensorflow", "python", {"PATH": "/usr/bin:/bin"}, tmp_path, 60.0)
        assert [one.poll() for one in started] == [-9, -9]
    finally:
        for one in started:
            one.kill()
