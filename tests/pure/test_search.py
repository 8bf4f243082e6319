"""The search for a smallest set of pins, against brute force over every subset."""

from itertools import combinations
from math import log2

import pytest
from detaudit.commands.run.search import smallest
from detaudit.core.experiment import side_by_side
from hypothesis import given
from hypothesis import strategies as st

PINS = tuple("abcdefgh")


def run(search):
    """Drive a search whose questions need no trial."""
    try:
        next(search)
    except StopIteration as end:
        return end.value
    raise AssertionError("it asked for a trial")


def oracle(sufficient, asked):
    """Runs match if the pins include one of the sufficient sets."""

    def matches(pins):
        asked.append(pins)
        return any(one <= set(pins) for one in sufficient)
        yield  # a generator, as every question

    return matches


sets = st.sets(st.sampled_from(PINS), min_size=1, max_size=4).map(frozenset)


@given(st.lists(sets, min_size=1, max_size=3))
def test_what_is_found_is_sufficient_and_every_pin_of_it_is_needed(sufficient):
    asked = []
    found = set(run(smallest(oracle(sufficient, asked), PINS)))
    assert any(one <= found for one in sufficient)
    assert not any(one <= found - {pin} for one in sufficient for pin in found)


@given(sets)
def test_the_one_smallest_set_is_found_in_few_questions(wanted):
    asked = []
    assert set(run(smallest(oracle([wanted], asked), PINS))) == wanted
    k, n = len(wanted), len(PINS)
    assert len(asked) <= 2 * k * (1 + log2(n / k))
    smaller = [set(some) for size in range(k) for some in combinations(PINS, size)]
    assert not any(wanted <= some for some in smaller)


def test_of_two_that_would_do_the_earlier_is_reported():
    assert run(smallest(oracle([frozenset("c"), frozenset("g")], []), PINS)) == ("c",)
    assert run(smallest(oracle([frozenset("ab"), frozenset("h")], []), PINS)) == ("a", "b")


def test_two_that_are_needed_together_are_both_found_in_the_order_of_the_pins():
    assert run(smallest(oracle([frozenset("hb")], []), PINS)) == ("b", "h")


@pytest.mark.parametrize("pin", PINS)
def test_a_single_pin_needs_no_question_where_there_is_no_other(pin):
    asked = []
    assert run(smallest(oracle([frozenset(pin)], asked), (pin,))) == (pin,)
    assert asked == []


def test_experiments_side_by_side_ask_together_and_each_gets_what_it_asked_for():
    def counting(*names):
        heard = []
        for name in names:
            heard.append((yield [name, "shared"]))
        return heard

    both = side_by_side(counting("a", "b"), counting("c"), counting())
    turns = [next(both)]
    with pytest.raises(StopIteration) as ended:
        while True:
            turns.append(both.send({name: name.upper() for name in turns[-1]}))
    assert turns == [["a", "shared", "c"], ["b", "shared"]]
    assert ended.value.value == [
        [{"a": "A", "shared": "SHARED"}, {"b": "B", "shared": "SHARED"}],
        [{"c": "C", "shared": "SHARED"}],
        [],
    ]
