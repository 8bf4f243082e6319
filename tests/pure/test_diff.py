"""Comparing traces: against a reference that lays both out flat, and by the rules of what counts as
a difference.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from detaudit.core import divergence, trace
from detaudit.core.divergence import Divergence, Incomparable, Match
from detaudit_probes.recording.fingerprint import canonical
from hypothesis import given
from hypothesis import strategies as st

from tests.pure.handmade import Act, Once, Step, begin, written

Folder = Callable[[], Path]
Flat = list[tuple[tuple, tuple[bytes, bytes]]]


def compared(
    folder: Folder, left: list[Act], right: list[Act], ignore: tuple[str, ...] = (), **how
) -> divergence.Comparison:
    return divergence.compare(
        written(folder(), left, **how), written(folder(), right, **how), ignore
    )


def both_ways(folder: Folder, left: list[Act], right: list[Act]) -> divergence.Comparison:
    """The comparison, which does not depend on which side is called left."""
    found, mirrored = compared(folder, left, right), compared(folder, right, left)
    if isinstance(found, Divergence) and isinstance(mirrored, Divergence):
        assert found == mirrored
    else:
        assert found == mirrored
    return found


# --- the reference: every observation of a trace in one list, in the order in which it was made


def flat(acts: list[Act]) -> Flat:
    found: Flat = []
    for act in acts:
        if isinstance(act, Once):
            found.append((("once", act.stage, act.name, None), canonical(act.value)))
        else:
            found += [
                ((act.phase, stage, name, act.number), canonical(value))
                for stage, name, value in act.observed
            ]
    return found


def reference(left: Flat, right: Flat) -> Match | Divergence:
    """The first place at which the lists differ. Of two other observations there, the one that is
    extra is named.
    """
    for index in range(max(len(left), len(right))):
        a, b = left[index:], right[index:]
        if a and b and a[0] == b[0]:
            continue
        if a and b and a[0][0] == b[0][0]:
            (_, stage, name, step), (header, _) = a[0]
            return Divergence(stage, step, name, "bits" if header == b[0][1][0] else "shape")
        later_left, later_right = {label for label, _ in a}, {label for label, _ in b}
        extra_right = not a or (b and a[0][0] in later_right and b[0][0] not in later_left)
        _, stage, name, step = (b if extra_right else a)[0][0]
        return Divergence(stage, step, name, "missing")
    return Match(len(left))


NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.sampled_from(
    [0.0, -0.0, 1.0, np.float32(1.0), float("nan"), [1.0, 2.0], [2.0, 1.0], "text", 7]
)
OBSERVED = st.lists(
    st.tuples(st.sampled_from(["loss", "update"]), NAMES, VALUES),
    min_size=1,
    max_size=4,
    unique_by=lambda one: one[:2],
).map(tuple)
ACTS = st.lists(
    st.one_of(
        st.builds(Once, st.sampled_from(["init", "data"]), NAMES, VALUES),
        st.builds(Step, st.integers(0, 3), OBSERVED, st.sampled_from(["fit 1", "fit 2"])),
    ),
    min_size=1,
    max_size=8,
)


@given(ACTS, ACTS)
def test_any_two_traces_differ_where_the_reference_says(fresh_folder, left, right):
    found = compared(fresh_folder, left, right)
    expected = reference(flat(left), flat(right))
    assert (replace(found, distance=None) if isinstance(found, Divergence) else found) == expected


@st.composite
def edited(draw: st.DrawFn) -> tuple[list[Act], list[Act]]:
    """A trace, and the same with one act taken away, doubled, moved or changed."""
    acts = draw(ACTS)
    index = draw(st.integers(0, len(acts) - 1))
    other = list(acts)
    edit = draw(st.sampled_from(["drop", "insert", "swap", "change", "none"]))
    if edit == "drop":
        del other[index]
    elif edit == "insert":
        other.insert(index, draw(ACTS)[0])
    elif edit == "swap":
        other[index], other[-1] = other[-1], other[index]
    elif edit == "change":
        other[index] = draw(ACTS)[0]
    return acts, other


@given(edited(), st.booleans())
def test_one_edit_is_found_at_its_place(fresh_folder, pair, mirrored):
    left, right = reversed(pair) if mirrored else pair
    found = compared(fresh_folder, left, right)
    if not left and not right:
        assert found == Incomparable("nothing was observed")
        return
    expected = reference(flat(left), flat(right))
    assert (replace(found, distance=None) if isinstance(found, Divergence) else found) == expected


@given(edited(), st.data())
def test_traces_that_differ_so_far_differ_in_the_end(fresh_folder, pair, data):
    so_far = []
    for acts in pair:
        folder = fresh_folder()
        begin(folder, acts[: data.draw(st.integers(0, len(acts)))])
        so_far.append(trace.read(folder))
    if divergence.differ_so_far(*so_far):
        assert isinstance(compared(fresh_folder, *pair), Divergence)


@given(st.data())
def test_one_flipped_bit_is_found_at_exactly_its_cell(fresh_folder, data):
    steps = data.draw(st.integers(1, 5))
    names = data.draw(st.lists(NAMES, min_size=1, max_size=3, unique=True))
    acts: list[Act] = [Once("init", name, np.arange(3, dtype=np.float32)) for name in names]
    for number in range(steps):
        for phase in ("fit 1", "fit 2"):
            acts.append(
                Step(
                    number,
                    tuple(("update", name, np.full(4, number, np.float32)) for name in names),
                    phase,
                )
            )
    index = data.draw(st.integers(0, len(acts) - 1))
    changed, expected_name = _flip(acts[index], data)
    found = compared(fresh_folder, acts, [*acts[:index], changed, *acts[index + 1 :]])
    assert isinstance(found, Divergence)
    assert (found.stage, found.step, found.name, found.kind) == (
        "init" if isinstance(changed, Once) else "update",
        None if isinstance(changed, Once) else changed.number,
        expected_name,
        "bits",
    )
    assert found.distance is not None and found.distance.differing_elements == 1


def _flip(act: Act, data: st.DataObject) -> tuple[Act, str]:
    column = 0 if isinstance(act, Once) else data.draw(st.integers(0, len(act.observed) - 1))
    stage, name, value = (
        (act.stage, act.name, act.value) if isinstance(act, Once) else act.observed[column]
    )
    bits = value.copy().view(np.uint32)
    bits[data.draw(st.integers(0, bits.size - 1))] ^= np.uint32(1 << data.draw(st.integers(0, 31)))
    if isinstance(act, Once):
        return replace(act, value=bits.view(np.float32)), name
    observed = (
        *act.observed[:column],
        (stage, name, bits.view(np.float32)),
        *act.observed[column + 1 :],
    )
    return replace(act, observed=observed), name


# --- what counts as a difference


def one_value(folder: Folder, left: object, right: object) -> divergence.Comparison:
    return both_ways(folder, [Once("init", "w", left)], [Once("init", "w", right)])


def test_equal_traces_match_on_every_observation(fresh_folder):
    acts = [Once("init", "w", 1.0), Step(0, (("loss", "loss", 2.0), ("update", "w", 3.0)))]
    assert both_ways(fresh_folder, acts, acts) == Match(3)


def test_minus_zero_is_not_zero(fresh_folder):
    found = one_value(fresh_folder, [0.0, 1.0], [-0.0, 1.0])
    assert isinstance(found, Divergence) and found.kind == "bits"
    assert (
        found.distance.ulps_max,
        found.distance.first_index,
        found.distance.differing_elements,
    ) == (1, 0, 1)


def test_a_nan_matches_itself_and_not_with_another_payload(fresh_folder):
    quiet, other = (
        np.array([bits], dtype=np.uint32).view(np.float32) for bits in (0x7FC00000, 0x7FC00001)
    )
    assert one_value(fresh_folder, quiet, quiet.copy()) == Match(1)
    found = one_value(fresh_folder, quiet, other)
    assert (
        isinstance(found, Divergence)
        and found.distance.ulps_max is None
        and found.distance.differing_elements == 1
    )


def test_a_permuted_tensor_differs(fresh_folder):
    assert (
        one_value(fresh_folder, [[1.0, 2.0], [3.0, 4.0]], [[1.0, 3.0], [2.0, 4.0]]).kind == "bits"
    )


@pytest.mark.parametrize(
    "right",
    [
        np.zeros((2, 3), np.float64),
        np.zeros((3, 2), np.float32),
        np.zeros(6, np.float32),
        np.zeros((2, 3), np.int32),
    ],
)
def test_another_dtype_or_shape_is_a_divergence_without_a_distance(fresh_folder, right):
    found = one_value(fresh_folder, np.zeros((2, 3), np.float32), right)
    assert (found.kind, found.distance) == ("shape", None)


def test_texts_differ_without_a_distance(fresh_folder):
    found = one_value(fresh_folder, ["ab", ""], ["a", "b"])
    assert (found.kind, found.distance) == ("bits", None)


def test_where_no_bytes_were_kept_there_is_a_place_but_no_distance(fresh_folder):
    left, right = [Once("init", "w", 1.0)], [Once("init", "w", 2.0)]
    assert compared(fresh_folder, left, right, kept=False) == Divergence("init", None, "w", "bits")


LOSS = ("loss", "loss", 1.0)
WEIGHT = ("update", "w", 2.0)


@pytest.mark.parametrize(
    ("left", "right", "place"),
    [
        # a column too many, too few, or of another name: at the first row
        ([Step(0, (LOSS, WEIGHT))], [Step(0, (LOSS,))], ("update", 0, "w")),
        ([Step(0, (LOSS, WEIGHT))], [Step(0, (WEIGHT,))], ("loss", 0, "loss")),
        # an observation too many in the middle of what happens once, not its innocent neighbour
        (
            [Once("init", "a", 1), Once("init", "c", 3)],
            [Once("init", "a", 1), Once("init", "b", 2), Once("init", "c", 3)],
            ("init", None, "b"),
        ),
        # one side ends early
        ([Step(0, (LOSS,)), Step(1, (LOSS,))], [Step(0, (LOSS,))], ("loss", 1, "loss")),
        ([Once("init", "a", 1)], [Once("init", "a", 1), Step(0, (LOSS,))], ("loss", 0, "loss")),
        # a step that was left out in the middle, with equal values around it
        (
            [Step(0, (LOSS,)), Step(1, (LOSS,)), Step(2, (LOSS,))],
            [Step(0, (LOSS,)), Step(2, (LOSS,))],
            ("loss", 1, "loss"),
        ),
        # a phase that one side only has
        ([Step(0, (LOSS,)), Step(0, (LOSS,), "fit 2")], [Step(0, (LOSS,))], ("loss", 0, "loss")),
    ],
)
def test_what_only_one_side_has_is_missing_on_the_other(fresh_folder, left, right, place):
    found = both_ways(fresh_folder, left, right)
    assert (found.stage, found.step, found.name, found.kind) == (*place, "missing")


def test_a_renamed_observation_is_a_divergence(fresh_folder):
    found = compared(
        fresh_folder, [Step(0, (LOSS, WEIGHT))], [Step(0, (LOSS, ("update", "v", 2.0)))]
    )
    assert (found.name, found.kind) == ("w", "missing")


def test_bits_that_differ_before_a_renamed_observation_come_first(fresh_folder):
    left = [Step(0, (("loss", "loss", 1.0), ("update", "w", 2.0)))]
    right = [Step(0, (("loss", "loss", 1.5), ("update", "v", 2.0)))]
    assert both_ways(fresh_folder, left, right).name == "loss"


def test_a_step_with_another_number_is_a_divergence(fresh_folder):
    found = compared(
        fresh_folder, [Step(0, (LOSS,)), Step(1, (LOSS,))], [Step(0, (LOSS,)), Step(5, (LOSS,))]
    )
    assert (found.step, found.kind) == (1, "missing")


def test_the_same_observations_in_another_order_differ_at_the_first(fresh_folder):
    first, second = Once("data", "order", 1), Step(0, (LOSS,))
    found = compared(fresh_folder, [first, second], [second, first])
    assert (found.stage, found.name, found.kind) == ("data", "order", "missing")


def test_the_causal_order_goes_across_tables(fresh_folder):
    acts = [
        Once("init", "w", 1),
        Step(0, (LOSS,)),
        Once("update", "w", 1),
        Step(0, (WEIGHT,), "fit 2"),
    ]
    other = [acts[0], acts[1], Once("update", "w", 2), Step(0, (("update", "w", 9.0),), "fit 2")]
    assert both_ways(fresh_folder, acts, other).stage == "update"
    assert both_ways(fresh_folder, acts, other).step is None
    assert (
        both_ways(fresh_folder, acts, [acts[0], Step(0, (("loss", "loss", 9.0),)), *other[2:]]).step
        == 0
    )


# --- no vacuous pass


def test_two_traces_that_recorded_nothing_do_not_match(fresh_folder):
    assert compared(fresh_folder, [], []) == Incomparable("nothing was observed")


def test_nothing_left_after_what_is_ignored_is_nothing_observed(fresh_folder):
    acts = [Once("rng", "random at the start", 1)]
    assert compared(fresh_folder, acts, acts, ("rng",)) == Incomparable("nothing was observed")


def test_one_that_recorded_nothing_differs_from_one_that_did(fresh_folder):
    assert both_ways(fresh_folder, [], [Once("init", "w", 1)]).kind == "missing"


def test_other_facts_cannot_be_compared(fresh_folder):
    acts = [Once("init", "w", 1)]
    left = written(fresh_folder(), acts, facts={"python": "3.11.7", "cpus": 2, "here": 1})
    right = written(fresh_folder(), acts, facts={"python": "3.11.7", "cpus": 4})
    found = divergence.compare(left, right)
    assert isinstance(found, Incomparable) and "cpus" in found.reason and "here" in found.reason
    assert "python" not in found.reason


def test_other_algorithms_cannot_be_compared(fresh_folder):
    acts = [Once("init", "w", 1)]
    left, right = (
        written(fresh_folder(), acts, algorithm=name) for name in ("blake2b_64", "xxh3_64")
    )
    assert divergence.compare(left, right) == Incomparable(
        "the traces were fingerprinted by different algorithms"
    )


def test_ignored_stages_do_not_count_and_the_rest_does(fresh_folder):
    left = [
        Once("rng", "random", 1),
        Once("init", "w", 1),
        Once("rng", "random later", 2),
        Step(0, (LOSS,)),
    ]
    right = [Once("rng", "random", 9), Once("init", "w", 1), Step(0, (LOSS,))]
    assert compared(fresh_folder, left, right, ("rng",)) == Match(2)
    assert compared(fresh_folder, left, right).stage == "rng"
    right[1] = Once("init", "w", 2)
    found = compared(fresh_folder, left, right, ("rng",))
    assert found.stage == "init" and found.distance.differing_elements == 1


def test_a_step_table_is_never_compared_in_part(fresh_folder):
    acts = [Step(0, (LOSS, ("rng", "random", 1)))]
    with pytest.raises(ValueError, match="compared whole"):
        compared(fresh_folder, acts, acts, ("rng",))


def test_a_fingerprint_that_differs_from_its_own_bytes_is_a_divergence_without_a_distance(
    fresh_folder,
):
    """A machine that miscalculates may do so in the fingerprint: the audit must say so, not fall
    over it.
    """
    folder, acts = fresh_folder(), [Once("init", "w", 1.0)]
    begin(folder, acts).finish({"kind": "completed"})
    rows = bytearray((folder / "0.rows").read_bytes())
    rows[16] ^= 1
    (folder / "0.rows").write_bytes(bytes(rows))
    found = divergence.compare(trace.read(folder), written(fresh_folder(), acts))
    assert found == Divergence("init", None, "w", "bits")
