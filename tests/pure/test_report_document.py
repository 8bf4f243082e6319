"""From an audit to the document: nothing private, nothing that cannot be read again, and the
schema.
"""

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from detaudit.core import counting
from detaudit.core.divergence import Divergence
from detaudit.core.outcome import FAILED, Outcome
from detaudit.core.ulp import Distance
from detaudit.report import read, write
from detaudit.report.build import scan as build
from detaudit.report.pages import wording
from detaudit.report.pages.scan import answer
from detaudit.report.privacy import Private
from detaudit.report.schema import v1

from tests.pure import example_audits, golden

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "report.schema.json"


def document(audit, private=example_audits.PRIVATE) -> v1.Report:
    return build.document(audit, declared=example_audits.declared(), private=private)


def through_a_file(found: v1.Report) -> v1.Report:
    return read.decode(write.to_json(found).encode(), "report.json")


def test_schema_in_the_docs_is_that_of_the_types():
    assert SCHEMA.read_bytes() == v1.schema(), (
        "python -m detaudit.report.schema.v1 > docs/reference/report.schema.json"
    )


@pytest.mark.parametrize("name", example_audits.AUDITS)
def test_documents_obey_the_schema(name):
    schema = json.loads(SCHEMA.read_bytes())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(golden.rendered(f"report-{name}.json")), schema)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("outcome",), "fine"),
        (("exit_code",), -1),
        (("verdicts", 0, "verdict"), "safe"),
        (("added",), 1),
        (("verdicts", 0, "divergence", "stage"), "somewhere"),
    ],
)
def test_schema_and_reader_refuse_the_same(place, value):
    found = json.loads(golden.rendered("report-single.json"))
    inside = found
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, json.loads(SCHEMA.read_bytes()))
    with pytest.raises(read.ReportUnreadable):
        read.decode(json.dumps(found).encode(), "report.json")


def test_names_that_stay():
    found = json.loads(golden.rendered("report-full.json"))
    assert {
        "format",
        "version",
        "tool",
        "command",
        "machine",
        "environment",
        "trials",
        "verdicts",
        "outcome",
        "exit_code",
    } <= found.keys()
    assert all(one["outcome"] for one in found["trials"])
    by_id = {one["source"]: one for one in found["verdicts"]}
    first = by_id["python-random"]
    assert (first["verdict"], first["trial_count"], first["pin"]) == (
        "needs-pin",
        4,
        "python-random",
    )
    assert {"stage", "step", "name", "ulps_max", "differing_elements"} <= by_id["python-random"][
        "divergence"
    ].keys()
    assert by_id["numpy-legacy"]["divergence"] is None
    assert by_id["intra-op-threads"]["settings"][0] == {
        "model": "cnn",
        "groups": [["1 thread"], ["2 threads"], ["4 threads", "8 threads"]],
    }


def test_nothing_private_is_in_the_document():
    audit = example_audits.full()
    failed = replace(
        audit.trials[0],
        outcome=Outcome(
            FAILED,
            "OSError: /home/ada/data/x.npy, /home/bob/y, /var/tmp/ada/z on analytical-engine.corp.example",
        ),
    )
    text = write.to_json(document(replace(audit, trials=(failed, *audit.trials[1:]))))
    assert "~/data/x.npy, ~/y, <tmp>/z on <host>" in text
    for private in ("ada", "bob", "analytical", "hunter2", "AWS_SECRET_ACCESS_KEY", "hostname"):
        assert private not in text, private


def test_host_with_a_domain_is_hidden_whole():
    assert (
        Private(host="ada-pc.corp.example").text("ran on ada-pc.corp.example, ada-pc")
        == "ran on <host>, <host>"
    )
    assert Private(host="gpu").text("no gpu here") == "no gpu here", (
        "one of our own words is no secret"
    )


def test_only_listed_variables_are_recorded():
    found = Private(listed={"OURS"}).facts(
        {
            "variables": {
                "OURS": "1",
                "PYTHONHASHSEED": "0",
                "GITHUB_TOKEN": "ghp_x",
                "left_out": ["TF_X_TOKEN"],
            }
        }
    )
    assert found == {"variables": {"OURS": "1", "PYTHONHASHSEED": "0", "left_out": ["TF_X_TOKEN"]}}


def test_what_the_document_cannot_hold_is_made_to_fit():
    audit = example_audits.single()
    far = Divergence("update", 3, "k" * 1000, "bits", Distance(2**64 - 1, 4, 8, 0, float("inf")))
    verdicts = (
        replace(audit.verdicts[0], reason="\udc80" + "x" * 100_000, divergence=far),
        audit.verdicts[1],
    )
    odd = replace(
        audit,
        verdicts=verdicts,
        machine={"load": float("nan"), "huge": 2**80, "set": {"b", "a"}, 3: (1, 2)},
        notes={"deep": [[[[[[[[[[[[[[["down"]]]]]]]]]]]]]]]},
    )
    found = document(odd)
    assert through_a_file(found) == found
    assert len(found.verdicts[0].reason) == v1.TEXT and found.verdicts[0].reason.startswith("?x")
    assert (found.verdicts[0].divergence.ulps_max, found.verdicts[0].divergence.max_abs) == (
        v1.LARGEST,
        None,
    )
    assert found.machine == {"load": None, "huge": str(2**80), "set": ["a", "b"], "3": [1, 2]}


def test_pins_are_lines_with_the_seed_of_the_audit():
    audit = example_audits.full()
    found = document(replace(audit, options={**audit.options, "seed": 42}))
    fixes = {one.source: one.fix for one in found.verdicts}
    assert fixes["python-random"].lines == (
        "import random",
        "random.seed(42)  # before the model is built",
    )
    assert fixes["hash-seed"].environment == {"PYTHONHASHSEED": "0"} and fixes["onednn"] is None


def test_recipe_is_titled_whole_and_says_what_it_pins():
    recipe = document(example_audits.full()).recipe
    assert recipe.title == "keras.utils.set_random_seed + op determinism"
    assert {"sparse-update", "python-random"} <= set(
        recipe.pinned_sources
    ) and "hash-seed" not in recipe.pinned_sources


def test_time_stands_in_the_header_alone():
    audit = example_audits.full()
    slower = replace(
        audit,
        began="2026-03-02T00:00:00+00:00",
        seconds=400.0,
        trials=tuple(
            replace(one, outcome=replace(one.outcome, seconds=9.0, max_rss=1))
            for one in audit.trials
        ),
    )
    one, two = (json.loads(write.to_json(document(which))) for which in (audit, slower))
    assert one.pop("header") != two.pop("header") and one == two


@pytest.mark.parametrize(
    ("name", "verdict", "outcome", "code"),
    [
        ("full", "YES, ONCE PINNED", "inconclusive", 3),
        ("broken", "NO", "broken", 1),
        ("single", "NO", "broken", 1),
        ("cut", "NOT FINISHED", "inconclusive", 130),
    ],
)
def test_answer_outcome_and_exit_code(name, verdict, outcome, code):
    found = golden.report(name)
    assert (answer(found).verdict, found.outcome, found.exit_code) == (verdict, outcome, code)


def _recipe(**changes):
    audit = example_audits.full()
    return document(replace(audit, recipe=replace(audit.recipe, **changes)))


@pytest.mark.parametrize(
    ("found", "verdict", "sentence"),
    [
        (
            lambda: _recipe(verified=False, reason="2 fresh processes part"),
            "NOT AS PRINTED",
            "2 fresh processes part",
        ),
        (lambda: _recipe(rung="none", lines=()), "YES", "with nothing pinned"),
        (
            lambda: document(replace(example_audits.full(), control=None)),
            "NOT DECIDED",
            "the control was not run",
        ),
        (
            lambda: document(
                replace(example_audits.full(), recipe=None, ladder=example_audits.full().ladder[:3])
            ),
            "PARTLY",
            "no known recipe works",
        ),
        (
            lambda: document(replace(example_audits.full(), recipe=None, ladder=())),
            "YES, ONCE PINNED",
            "did not search for a recipe",
        ),
    ],
)
def test_answer_says_no_more_than_was_observed(found, verdict, sentence):
    said = answer(found())
    assert said.verdict == verdict and sentence in said.sentence


def test_match_is_reported_with_its_count_and_what_that_excludes():
    found = {one.source: one for one in golden.report("full").verdicts}
    assert (
        wording.describe_verdict(found["load"])
        == "no difference in 5 pairs (a rate above 45% is excluded)"
    )
    unborne = v1.Verdict(
        **{
            **{name: getattr(found["load"], name) for name in v1.Verdict.__struct_fields__},
            "excluded_rate": counting.excluded_rate(29),
        }
    )
    assert wording.describe_verdict(unborne) == unborne.reason, (
        "no count in the document bears this rate out"
    )


def test_settings_are_reported_by_which_match():
    found = {one.source: one for one in golden.report("full").verdicts}
    assert wording.describe_verdict(found["intra-op-threads"]) == (
        "cnn: 1 thread \u2260 2 threads \u2260 4 threads = 8 threads; all match on mlp"
    )
    assert (
        wording.describe_verdict(found["instruction-set"])
        == "cnn, attention: no limit \u2260 oneDNN at most AVX2 \u2260 oneDNN at most SSE4.1"
    )
