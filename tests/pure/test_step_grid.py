"""In which steps two runs differ, layer by layer."""

from collections.abc import Callable
from pathlib import Path

from detaudit.core.step_grid import MOST_CHARACTERS, MOST_ROWS, StepGrid, step_grid

from tests.pure.handmade import Act, Once, Step, written

Folder = Callable[[], Path]


def step(number: int, batch: float = 0.0, phase: str = "fit 1", **weights: float) -> Act:
    updated = [("update", name.replace("__", "/"), value) for name, value in weights.items()]
    return Step(number, (("data", "x", batch), *updated), phase)


def grid(fresh_folder: Folder, left: list[Act], right: list[Act]) -> StepGrid | None:
    return step_grid(written(fresh_folder(), left), written(fresh_folder(), right))


def shown(found: StepGrid) -> dict[str, str]:
    return {row.name or row.stage: row.steps for row in found.rows}


def test_the_first_cell_that_differs_is_marked(fresh_folder):
    left = [step(n, a__kernel=0.0, a__bias=0.0, b__kernel=0.0) for n in range(4)]
    right = [step(n, a__kernel=0.0, a__bias=float(n > 2), b__kernel=float(n > 0)) for n in range(4)]
    found = grid(fresh_folder, left, right)
    assert shown(found) == {"data": "0000", "a": "0001", "b": "0111"}
    assert (found.first_row, found.first_step) == (2, 1)
    assert (found.steps, found.steps_per_cell, found.rows_left_out) == (4, 1, 0)


def test_equal_runs_have_no_first_cell(fresh_folder):
    acts = [step(n, a__kernel=1.0) for n in range(2)]
    found = grid(fresh_folder, acts, acts)
    assert shown(found) == {"data": "00", "a": "00"}
    assert found.first_row is None and found.first_step is None


def test_runs_without_a_common_step_have_no_grid(fresh_folder):
    assert grid(fresh_folder, [Once("init", "k", 1.0)], [Once("init", "k", 2.0)]) is None
    assert grid(fresh_folder, [step(0, a__k=1.0)], [Once("init", "k", 2.0)]) is None


def test_an_optimizers_state_is_one_row_and_unrecorded_steps_are_shown(fresh_folder):
    names = {"a__k": 0.0, "optimizer__m": 0.0, "optimizer__v": 0.0}
    acts = [step(0, **names), step(1, a__k=0.0), step(2, **names)]
    other = [step(0, **names), step(1, a__k=0.0), step(2, **{**names, "optimizer__v": 1.0})]
    assert shown(grid(fresh_folder, acts, other)) == {"data": "000", "a": "000", "optimizer": "0-1"}


def test_steps_of_two_fits_stand_in_their_order(fresh_folder):
    left = [step(0, a__k=0.0), step(0, a__k=0.0, phase="fit 2"), step(1, a__k=0.0)]
    right = [step(0, a__k=0.0), step(0, a__k=1.0, phase="fit 2"), step(1, a__k=0.0)]
    assert shown(grid(fresh_folder, left, right))["a"] == "010"


def test_many_steps_share_a_cell(fresh_folder):
    steps = 5 * MOST_CHARACTERS - 1
    left = [step(n, a__k=0.0) for n in range(steps)]
    right = [step(n, a__k=float(n == 7)) for n in range(steps)]
    found = grid(fresh_folder, left, right)
    assert found.steps_per_cell == 5 and found.first_step == 7
    assert shown(found)["a"] == "01" + "0" * (MOST_CHARACTERS - 2)


def test_of_many_layers_those_stay_that_differ_first(fresh_folder):
    layers = [f"layer{n:03}__k" for n in range(2 * MOST_ROWS)]
    late = dict.fromkeys(layers, 0.0)
    left = [step(n, **late) for n in range(2)]
    right = [step(0, **{**late, layers[-1]: 1.0}), step(1, **late)]
    found = grid(fresh_folder, left, right)
    assert len(found.rows) == MOST_ROWS and found.rows_left_out == MOST_ROWS + 1
    assert found.rows[-1].name == f"layer{2 * MOST_ROWS - 1:03}"
    assert (found.first_row, found.first_step) == (MOST_ROWS - 1, 0)
