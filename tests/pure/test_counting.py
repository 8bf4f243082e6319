"""What counts allow one to say: the figures of the design, and Fisher's test against enumeration
and scipy.
"""

import itertools
import math
from fractions import Fraction

import pytest
from detaudit.core.counting import excluded_rate, fisher, matches_needed, pairs_needed
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(("pairs", "rate"), [(1, 0.95), (5, 0.45), (29, 0.10)])
def test_the_figures_that_are_printed(pairs, rate):
    assert round(excluded_rate(pairs), 2) == rate


@given(st.integers(1, 2000))
def test_at_the_excluded_rate_so_many_pairs_match_once_in_twenty(pairs):
    assert math.isclose((1 - excluded_rate(pairs)) ** pairs, 0.05)


@pytest.mark.parametrize("pairs", [0, -1])
def test_no_matching_pair_excludes_nothing(pairs):
    with pytest.raises(ValueError, match="without a matching pair"):
        excluded_rate(pairs)


@pytest.mark.parametrize(
    ("rate", "pairs"), [(0.01, 299), (0.02, 149), (0.1, 29), (0.951, 1), (1.0, 1)]
)
def test_pairs_that_see_a_rare_source(rate, pairs):
    assert pairs_needed(rate) == pairs


@given(st.floats(0.001, 1))
def test_so_many_pairs_are_enough_and_one_fewer_is_not(rate):
    pairs = pairs_needed(rate)
    assert (1 - rate) ** pairs <= 0.05
    assert pairs == 1 or (1 - rate) ** (pairs - 1) > 0.05


@pytest.mark.parametrize("rate", [0.0, -0.1])
def test_no_number_of_pairs_sees_what_never_differs(rate):
    with pytest.raises(ValueError, match="a rate of 0"):
        pairs_needed(rate)


def by_enumeration(
    differing_unpinned: int, unpinned: int, differing_pinned: int, pinned: int
) -> Fraction:
    """Of all ways in which this many pairs differ: the share with at least this many unpinned
    ones.
    """
    differing = differing_unpinned + differing_pinned
    ways = list(itertools.combinations(range(unpinned + pinned), differing))
    extreme = sum(sum(pair < unpinned for pair in way) >= differing_unpinned for way in ways)
    return Fraction(extreme, len(ways))


@st.composite
def tables(draw: st.DrawFn, most: int) -> tuple[int, int, int, int]:
    unpinned, pinned = draw(st.integers(0, most)), draw(st.integers(0, most))
    return draw(st.integers(0, unpinned)), unpinned, draw(st.integers(0, pinned)), pinned


@given(tables(6))
def test_fisher_is_the_share_of_all_ways(table):
    assert math.isclose(fisher(*table), by_enumeration(*table))


@given(tables(40))
def test_fisher_matches_scipy(table):
    stats = pytest.importorskip("scipy.stats")
    differing_unpinned, unpinned, differing_pinned, pinned = table
    theirs = stats.fisher_exact(
        [
            [differing_unpinned, unpinned - differing_unpinned],
            [differing_pinned, pinned - differing_pinned],
        ],
        alternative="greater",
    ).pvalue
    assert math.isclose(fisher(*table), theirs, rel_tol=1e-9)


@pytest.mark.parametrize(
    ("table", "p"), [((5, 5, 0, 5), 0.004), ((4, 5, 0, 5), 0.024), ((3, 5, 0, 5), 0.083)]
)
def test_the_figures_on_which_a_race_is_judged(table, p):
    assert round(fisher(*table), 3) == p


@pytest.mark.parametrize(
    ("differing", "pairs", "level", "matching"),
    [(2, 2, 0.05, 5), (4, 4, 0.01, 5), (3, 24, 0.05, 40), (1, 1, 0.05, None), (0, 5, 0.05, None)],
)
def test_so_many_matching_pairs_are_needed_and_one_difference_is_never_enough(
    differing, pairs, level, matching
):
    assert matches_needed(differing, pairs, level) == matching


@given(st.integers(2, 8), st.integers(0, 8), st.sampled_from([0.05, 0.01]))
def test_so_many_matching_pairs_are_enough_and_one_fewer_is_not(differing, matched, level):
    needed = matches_needed(differing, differing + matched, level)
    assert fisher(differing, differing + matched, 0, needed) < level
    assert needed == 1 or fisher(differing, differing + matched, 0, needed - 1) >= level
