"""The injection study plants what it says it plants, and scores what it says it scores."""

import ast
import json

import pytest
from detaudit.registry import base
from detaudit_probes.sources import SCRIPT_PINS

from tests.bench import corpus, injected, injections, places
from tests.bench.places import PLACES
from tests.bench.plants import FAMILIES, SWAPS

ALL = injections.injections()

#: Pins that hold only what another source owns, so that there is nothing to plant for them alone.
NOTHING_OF_THEIR_OWN = {
    "one-library-thread": "it needs gensim: tests/corpus/any has two scripts",
    "one-thread": "the count of threads makes two machines differ, not two runs; the race in it is sparse-update's",
    "op-determinism": "it holds sparse-update, tfdata-order and tfdata-random-map",
    "cudnn-deterministic": "convolutions on a GPU: without one no script uses it",
    "xla-deterministic": "kernels of a GPU under JAX: tests/corpus/card is the script for a machine that has one",
}


def test_there_are_many_and_each_has_a_name_of_its_own():
    assert len(ALL) >= 200
    assert len({one.name for one in ALL}) == len(ALL)


def test_every_clean_script_has_a_place_and_there_are_no_others():
    clean = {case for case in corpus.cases(corpus.OF_KERAS) if not corpus.load(case)["causes"]}
    assert {place.script for place in PLACES} == clean
    assert len(PLACES) == len({place.script for place in PLACES})


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.script)
def test_every_text_of_a_place_stands_in_its_file_once(place):
    text = injections.original(place.script, place.file)
    draws = [text for some in place.draws.values() for text in some]
    for anchor in (place.after, place.fit, *draws):
        assert not anchor or text.count(anchor) == 1, anchor
    assert set(place.draws) <= set(places.ONE_BY_ONE)
    assert set(place.without) <= {family.name for family in FAMILIES}
    assert "#!" not in text


@pytest.mark.parametrize("swap", SWAPS, ids=lambda swap: f"{swap.script}:{swap.name}")
def test_what_a_swap_takes_out_stands_in_the_file_once(swap):
    text = injections.original(swap.script, swap.file)
    for before, _ in swap.texts:
        assert text.count(before) == 1, before


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_an_injected_script_is_python_and_its_right_lines_are_those_that_draw(one):
    ast.parse(one.text)
    before = injections.original(one.script, one.file).splitlines()
    lines = one.text.splitlines()
    assert one.text.splitlines() != before and "#!" not in one.text and "$" not in one.text
    assert one.lines and all(lines[number - 1].strip() for number in one.lines)
    unpinned = (
        one.name.endswith(":forgotten")
        or one.source == "sparse-update"
        or "without-op-det" in one.name
    )
    if not unpinned:  # the script's own lines draw, because their pin was removed
        assert any(lines[number - 1] not in before for number in one.lines)


def test_a_line_counted_as_right_holds_what_was_planted():
    by_name = {one.name: one for one in ALL}
    one = by_name["clean/ordered_pools:process-pool:swap-pool-unordered"]
    assert "imap_unordered(simulate" in one.text.splitlines()[one.lines[-1] - 1]
    forgotten = next(one for one in ALL if one.name.endswith("tensorflow-seed:forgotten"))
    assert "tf.random.set_seed" not in forgotten.text and "random.seed(" in forgotten.text
    for one in ALL:
        if one.family == "clock":
            assert any(
                word in one.text.splitlines()[one.lines[0] - 1]
                for word in ("time", "getpid", "now")
            )


def test_every_pin_that_is_tried_has_something_planted_for_it():
    of_pin = {
        source.script.pin: source.id
        for source in base.script_sources("tensorflow").values()
        if source.script
    }
    planted = {one.source for one in ALL}
    assert {pin for pin in SCRIPT_PINS if pin in of_pin and of_pin[pin] not in planted} == set(
        NOTHING_OF_THEIR_OWN
    )
    assert {
        "wall-clock",
        "input-changed",
    } <= planted  # pinned by another source's pin, and by a copy of the folder


def test_every_family_is_used_and_every_variant_of_it():
    used = {one.name.partition(":")[2] for one in ALL}
    assert {
        f"{family.name}:{variant.name}" for family in FAMILIES for variant in family.variants
    } <= used


def test_shards_and_samples_are_parts_of_the_study():
    shards = [injections.choose(ALL, ["*"], f"{part}/3", None, 0) for part in (1, 2, 3)]
    assert sorted(one.name for some in shards for one in some) == sorted(one.name for one in ALL)
    few = injections.choose(ALL, ["*:clock:*", "frozen/*"], "1/1", 5, 7)
    assert len(few) == 5 and all(
        ":clock:" in one.name or one.name.startswith("frozen/") for one in few
    )
    assert few == injections.choose(ALL, ["*:clock:*", "frozen/*"], "1/1", 5, 7)


def result(source: str, **other: object) -> dict:
    return {
        "injection": f"clean/x:{source}:y",
        "source": source,
        "planted": [source],
        "found": [source],
        "rests": [],
        "right": True,
        "lines": {source: True},
        "fixed": True,
        "trials": 40,
        "seconds": 150.0,
        "differing": 2,
        "sited": [source],
        "verdict": "not-reproducible",
        "reason": "",
        "product": "0",
        **other,
    }


def test_the_table_counts_what_was_found_invented_and_missed():
    done = [
        result("clock"),
        result("clock", lines={"clock": False}, fixed=False, sited=[]),
        result("clock", found=["os-entropy"], right=False, lines={}, fixed=False, reason="a | b"),
        result(
            "directory-order",
            planted=[],
            found=[],
            rests=["directory-order"],
            lines={},
            fixed=False,
        ),
    ]
    said = injected.table(done, ALL)
    rows = {line.split(" | ")[0].strip("| "): line for line in said.splitlines()}
    of = {
        source: sum(one.source == source for one in ALL) for source in ("clock", "directory-order")
    }
    assert f"| 3 of {of['clock']} | 2 of 3 | 1 | 1 of 2 | 1 of 2 | 40 | 150 |" in rows["clock"]
    assert f"| 1 of {of['directory-order']} | 1 of 1 | 0 | - | - |" in rows["directory-order"]
    assert rows["hash-seed"].startswith("| hash-seed | 0 of ")
    assert "precision: 2 of 3" in said and "recall: 3 of 4" in said
    assert "right for 1 of the 2 causes found; for 1 no line was reported" in said
    assert "| clean/x:clock:y | os-entropy | not-reproducible | a / b |" in said


def test_the_results_that_are_kept_are_of_injections_that_are_there():
    if not injections.RESULTS.exists():
        pytest.skip("the study has not begun")
    done = [
        json.loads(line) for line in injections.RESULTS.read_text(encoding="utf-8").splitlines()
    ]
    assert {one["injection"] for one in done} <= {one.name for one in ALL}
    assert len({one["injection"] for one in done}) == len(done)
    assert (
        "/home" not in (text := injections.RESULTS.read_text(encoding="utf-8"))
        and "/tmp" not in text
    )
    assert injected.table(done, ALL).splitlines()[0] in (
        corpus.CORPUS.parents[1] / "docs/explanation/injections.md"
    ).read_text(encoding="utf-8")
