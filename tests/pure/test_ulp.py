"""ULP distances: against numpy.nextafter, math.ulp and the sorted values of every small format."""

import math

import numpy as np
import pytest
from detaudit.core.ulp import WIDTHS, Distance, distance
from hypothesis import assume, example, given
from hypothesis import strategies as st

pytestmark = pytest.mark.filterwarnings(
    "error"
)  # a warning of NumPy's would reach the user's terminal

NATIVE = {"float64": np.float64, "float32": np.float32, "float16": np.float16}
LIMIT = {"float64": 2**64, "float32": 2**32, "float16": 2**16}


def bits(values, dtype) -> bytes:
    return np.asarray(values, dtype=dtype).tobytes()


def between(left, right, dtype) -> Distance:
    return distance(bits(left, dtype), bits(right, dtype), np.dtype(dtype).name)


def above(value: np.floating) -> np.floating:
    with np.errstate(over="ignore"):
        return np.nextafter(value, type(value)(math.inf))


def finite(dtype: str) -> st.SearchStrategy:
    return st.floats(width=8 * WIDTHS[dtype], allow_nan=False, allow_infinity=False).map(
        NATIVE[dtype]
    )


@pytest.mark.parametrize("dtype", NATIVE)
@given(st.data())
def test_neighbours_of_one_sign_are_one_apart(dtype, data):
    value = data.draw(finite(dtype))
    neighbour = above(value)
    assume(np.signbit(value) == np.signbit(neighbour))
    assert between([value], [neighbour], dtype).ulps_max == 1


@pytest.mark.parametrize("dtype", NATIVE)
@given(st.data(), st.integers(1, 40))
def test_so_many_steps_of_nextafter_are_so_many_ulps(dtype, data, steps):
    value = other = abs(data.draw(finite(dtype)))
    for _ in range(steps):
        other = above(other)
    assume(np.isfinite(other))
    assert between([value], [other], dtype).ulps_max == steps
    assert between([-value], [-other], dtype).ulps_max == steps


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0), st.integers(1, 1000))
def test_within_one_binade_the_distance_counts_math_ulp(value, count):
    other = value + count * math.ulp(value)
    assume(
        math.isfinite(other)
        and math.frexp(other)[1] == math.frexp(value)[1]
        and value >= 2.0**-1022
    )
    assert between([value], [other], "float64").ulps_max == count


@pytest.mark.parametrize("dtype", NATIVE)
@given(st.data())
def test_the_distance_is_symmetric(dtype, data):
    left, right = data.draw(finite(dtype)), data.draw(finite(dtype))
    assume(bits(left, dtype) != bits(right, dtype))
    assert between([left], [right], dtype) == between([right], [left], dtype)


@pytest.mark.parametrize("dtype", NATIVE)
@given(st.data())
def test_distances_along_the_number_line_add_up(dtype, data):
    low, middle, high = sorted(
        data.draw(st.lists(finite(dtype), min_size=3, max_size=3, unique_by=float))
    )
    parts = between([low], [middle], dtype).ulps_max, between([middle], [high], dtype).ulps_max
    assert between([low], [high], dtype).ulps_max == sum(parts)


@pytest.mark.parametrize("dtype", NATIVE)
def test_minus_zero_lies_directly_below_zero(dtype):
    assert between([-0.0], [0.0], dtype).ulps_max == 1
    smallest = above(NATIVE[dtype](0))
    assert between([-smallest], [-0.0], dtype).ulps_max == 1
    assert between([-smallest], [smallest], dtype).ulps_max == 3


@pytest.mark.parametrize("dtype", NATIVE)
def test_the_whole_line_is_measured_exactly(dtype):
    top = np.finfo(dtype).max
    found = between([-math.inf], [math.inf], dtype).ulps_max
    assert found == between([-top], [top], dtype).ulps_max + 2
    exponents = {"float64": 11, "float32": 8, "float16": 5}[dtype]
    mantissa = 8 * WIDTHS[dtype] - 1 - exponents
    assert found == 2 * ((2**exponents - 1) << mantissa) + 1


SMALL = (
    "float8_e4m3fn",
    "float8_e4m3",
    "float8_e5m2",
    "float8_e4m3fnuz",
    "float8_e5m2fnuz",
    "float8_e4m3b11fnuz",
)


@pytest.mark.parametrize("dtype", SMALL)
def test_the_values_of_a_float8_format_are_as_far_apart_as_when_sorted(dtype):
    """The ranks of all values, with -0.0 below 0.0 where the format has both, are the reference."""
    ml_dtypes = pytest.importorskip("ml_dtypes")
    codes = np.arange(256, dtype=np.uint8)
    values = codes.view(getattr(ml_dtypes, dtype)).astype(np.float64)
    numbers = codes[~np.isnan(values)]
    order = np.lexsort((~np.signbit(values[numbers]), values[numbers]))
    ranks = {int(numbers[place]): rank for rank, place in enumerate(order)}
    assert len(ranks) > 240
    (lowest, *others), middle = ranks, 0x21
    for code in others:
        assert distance(bytes([code]), bytes([lowest]), dtype).ulps_max == ranks[code], code
        if code != middle:
            assert distance(bytes([middle]), bytes([code]), dtype).ulps_max == abs(
                ranks[code] - ranks[middle]
            ), code
    for a in set(range(256)) - set(ranks):
        assert distance(bytes([a]), b"\x01", dtype).ulps_max is None, a


@given(st.integers(0, 2**16 - 1), st.integers(0, 2**16 - 1))
@example(0x7F80, 0x7F7F)  # infinity and the greatest number
@example(0x7F81, 0x0000)  # a NaN
def test_bfloat16_is_measured_like_the_upper_half_of_float32(left, right):
    assume(left != right)
    found = distance(left.to_bytes(2, "little"), right.to_bytes(2, "little"), "bfloat16")
    x, y = (np.array([code << 16], dtype=np.uint32).view(np.float32)[0] for code in (left, right))
    if np.isnan(x) or np.isnan(y):
        assert found.ulps_max is None and found.max_abs is None
        return
    wide = between([x], [y], "float32").ulps_max
    signs = int(np.signbit(x) != np.signbit(y))
    assert found.ulps_max == (wide - signs) // 2**16 + signs
    with np.errstate(invalid="ignore"):
        gap = abs(float(x) - float(y))
    assert found.max_abs == (gap if math.isfinite(gap) else None)


@pytest.mark.parametrize(
    ("dtype", "quiet", "other"),
    [
        ("float64", 0x7FF8000000000000, 0x7FF8000000000001),
        ("float32", 0x7FC00000, 0xFFC00000),
        ("float16", 0x7E00, 0x7E01),
        ("bfloat16", 0x7FC0, 0x7FC1),
        ("float8_e5m2", 0x7D, 0x7F),
    ],
)
def test_other_nan_payloads_differ_without_a_distance_in_ulps(dtype, quiet, other):
    width = WIDTHS[dtype]
    found = distance(quiet.to_bytes(width, "little"), other.to_bytes(width, "little"), dtype)
    assert (found.ulps_max, found.differing_elements, found.max_abs) == (None, 1, None)


@given(
    st.lists(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)), min_size=1, max_size=20
    )
)
def test_elements_and_first_index_are_those_of_the_bits(pairs):
    left, right = (np.array(side, dtype=np.uint32) for side in zip(*pairs, strict=True))
    differing = [index for index, (a, b) in enumerate(pairs) if a != b]
    assume(differing)
    found = distance(left.tobytes(), right.tobytes(), "float32")
    assert (found.differing_elements, found.first_index, found.total) == (
        len(differing),
        differing[0],
        len(pairs),
    )


def test_the_greatest_distance_is_reported_not_the_first():
    one = np.float64(1)
    found = between([one, one, one], [one, above(one), above(above(one))], "float64")
    assert (found.ulps_max, found.differing_elements, found.first_index) == (2, 2, 1)


def test_one_nan_among_numbers_leaves_no_distance():
    found = between([1.0, math.nan, 2.0], [1.5, 1.0, 2.5], "float32")
    assert (found.ulps_max, found.max_abs, found.differing_elements) == (None, None, 3)


def test_a_nan_that_is_equal_on_both_sides_hides_nothing():
    found = between([math.nan, 1.0], [math.nan, 1.5], "float32")
    assert (found.differing_elements, found.max_abs) == (1, 0.5) and found.ulps_max == 2**22


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([0.0, 1.0], [math.nan, 3.0]),
        ([0.0, 1.0], [math.inf, 3.0]),
        ([1e308, 1.0], [-1e308, 2.0]),
    ],
)
def test_there_is_no_absolute_difference_where_one_is_not_a_finite_number(left, right):
    assert between(left, right, "float64").max_abs is None


@pytest.mark.parametrize(
    ("dtype", "of"),
    [
        ("int32", 2),
        ("bool", 2),
        ("uint8", 2),
        ("int64", 2),
        ("complex64", 2),
        ("complex128", 2),
        ("datetime64[ns]", 2),
    ],
)
def test_what_is_no_float_is_counted_without_a_distance(dtype, of):
    left = np.zeros(2, dtype=dtype)
    right = left.copy()
    right.view(np.uint8)[-1] = 1
    found = distance(left.tobytes(), right.tobytes(), dtype)
    assert found == Distance(None, 1, of, 1, None)


def test_a_dtype_that_is_not_known_is_counted_in_bytes():
    assert distance(b"abcd", b"abxd", "float4_unheard_of") == Distance(None, 1, 4, 2, None)


def test_equal_tensors_and_other_lengths_are_refused():
    with pytest.raises(ValueError, match="equal"):
        between([1.0], [1.0], "float32")
    with pytest.raises(ValueError, match="not the same shape"):
        distance(b"1234", b"12345678", "float32")
    with pytest.raises(ValueError, match="equal"):
        distance(b"", b"", "float32")
