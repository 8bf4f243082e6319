"""What crosses the wall is typed: a misspelt, unknown or wrongly typed field is an error on both
sides, and nothing else reads settings, orders or measures by name.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from detaudit.core import trace as traces
from detaudit.core.condition import Condition
from detaudit_probes import codec, protocol, sources
from detaudit_probes.protocol import (
    Ends,
    Files,
    Measures,
    OperationsReplayed,
    Orders,
    Raised,
    Refused,
    Request,
    Settings,
    StepReplayed,
    own_setting,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.pure.handmade import REQUEST, written

ROOT = Path(__file__).parents[2]
SETTINGS = own_setting("resume", "saved and resumed").over(
    Settings(intra_op_threads=4, jit_compile="auto", momentum=0.9, busy=False)
)
ORDERS = Orders(record=False, stop_seconds=5.0, without=("cache.npz",), root="/work")
MEASURES = Measures(
    steps=3,
    step_seconds=(0.5, 0.25, 1.0),
    moved=False,
    results=(("train", "loss", 0.5),),
    files=Files(read=("data.csv",)),
    pinpoint=StepReplayed("fit", 9, operation={"operation": "Add"}, recorded=Ends(3, 1)),
    operations=OperationsReplayed(
        raised={"Add float16": Raised("NotFoundError", "no kernel", True)},
        executed={"Add float32": ("AddV2",)},
        seconds={"Add float32": (0.1, 0.2)},
        differing={"Add float32": None},
    ),
    refusals=(Refused("is not deterministic.", ("Add",)),),
)


def through_json(value):
    return codec.decode(type(value), json.loads(json.dumps(codec.encode(value))))


@pytest.mark.parametrize(
    "value", [REQUEST._replace(settings=SETTINGS, orders=ORDERS), SETTINGS, ORDERS, MEASURES]
)
def test_what_is_written_is_read_back(value):
    assert through_json(value) == value


def test_what_has_its_default_is_not_written():
    assert codec.encode(Measures(steps=3)) == {"steps": 3}
    assert "settings" not in codec.encode(REQUEST) and "orders" not in codec.encode(REQUEST)


@pytest.mark.parametrize(
    ("kind", "document", "said"),
    [
        (Settings, {"epochz": 3}, "unknown fields: ['epochz']"),
        (Settings, {"epochs": "3"}, "Settings.epochs is '3'"),
        (Settings, {"epochs": True}, "Settings.epochs is True"),
        (Settings, {"own": [["resume"]]}, "Settings.own"),
        (Orders, {"wach": False}, "unknown fields: ['wach']"),
        (Orders, {"record": 0}, "Orders.record is 0"),
        (Measures, {"files": {"reed": []}}, "Measures.files: unknown fields: ['reed']"),
        (Measures, {"results": [["train", "loss"]]}, "Measures.results"),
        (Measures, {"pinpoint": {"kind": "fit"}}, "missing fields: ['operations']"),
        (Measures, [], "Measures is []"),
        (Request, {"trial": 1}, "missing fields: ['backend'"),
        (Request, {**codec.encode(REQUEST), "options": {}}, "unknown fields: ['options']"),
    ],
)
def test_a_document_that_holds_what_it_may_not_is_refused(kind, document, said):
    with pytest.raises(codec.ProtocolError) as refused:
        codec.decode(kind, document)
    assert said in str(refused.value)


def test_what_is_misspelt_cannot_be_made(fresh_folder):
    condition = Condition("tensorflow", "cpu", "mlp", 1)
    with pytest.raises(TypeError):
        Settings(epochz=3)
    with pytest.raises(TypeError):
        Orders(wach=False)
    with pytest.raises(ValueError, match="wach"):
        condition.with_orders(wach=False)
    with pytest.raises(codec.ProtocolError):
        own_setting("epochs", 3)


def test_a_trace_with_measures_that_are_none_is_refused(fresh_folder):
    trace = written(fresh_folder(), [], measures=Measures(steps=3))
    assert traces.read(trace.folder).measures == Measures(steps=3)
    misspelt = replace(trace, document={**trace.document, "measures": {"stepz": 3}})
    with pytest.raises(codec.ProtocolError, match="stepz"):
        _ = misspelt.measures


def test_settings_of_sources_that_are_not_known_are_refused():
    protocol.check_own_settings(SETTINGS, {"resume"})
    with pytest.raises(codec.ProtocolError, match="resume"):
        protocol.check_own_settings(SETTINGS, {"dropout"})


def test_a_source_gives_no_other_source_a_setting_of_its_own():
    declared = sources.declared(sources.SCRIPT_MODULES)
    for name, (source, _) in declared.items():
        experiments = [source.experiment, *source.per_backend.values()]
        holders = [*experiments, *source.pins]
        holders += [one for some in experiments for one in getattr(some, "settings", ())]
        for holder in holders:
            settings = getattr(holder, "settings", None)
            if isinstance(settings, Settings):
                assert {one for one, _ in settings.own} <= {name}


def test_documents_have_settings_and_orders_as_one_mapping():
    flat = protocol.as_mapping(SETTINGS, ORDERS)
    assert list(flat) == sorted(flat) and flat["resume"] == "saved and resumed"


SOME = st.builds(
    Settings,
    intra_op_threads=st.none() | st.integers(1, 4),
    busy=st.none() | st.booleans(),
    own=st.dictionaries(st.sampled_from(["resume", "xla"]), st.booleans()).map(
        lambda own: tuple(sorted(own.items()))
    ),
)


@given(SOME, SOME)
def test_settings_win_over_others_and_are_taken_away_again(one, other):
    both = one.over(other)
    assert one.over(both) == both == both.over(other)
    left = both.without(one)
    assert one.over(left) == both
    assert not set(codec.given(left)) & set(codec.given(one)) - {"own"}
    assert not dict(left.own).keys() & dict(one.own).keys()


def test_nobody_reads_settings_orders_or_measures_by_a_name_in_quotes():
    """Whoever did would not notice a misspelt one. (``options`` of a report are a document's.)"""
    lookup = re.compile(
        r"\b(?:settings|orders|measures|(?:request|condition|trial)\.options)"
        r"(?:\)?\.get\(|\)?\[)\s*[\"']"
    )
    calls = re.compile(r"\bwith_options\(\s*\{|\.option\(\s*[\"']|note\(\s*[\"']measures")
    for path in [*ROOT.glob("audit/**/*.py"), *ROOT.glob("probes/**/*.py")]:
        text = path.read_text(encoding="utf-8")
        if path.name != "protocol.py":
            assert not lookup.search(text), path
        assert not calls.search(text), path
