"""Which adapter fits what is installed, and what is known on it."""

import pytest
from detaudit.cli import scan
from detaudit.cli.app import app
from detaudit.errors import EnvironmentUnusable
from detaudit.execution import interpreter
from detaudit.execution.host import Hello
from detaudit.execution.interpreter import adapter, choose, installed
from detaudit.registry import base, recipes
from detaudit_probes.protocol import NO_SETTINGS
from typer.testing import CliRunner


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ({"tensorflow": "2.21.0", "keras": "3.15.1"}, "tensorflow"),
        ({"tensorflow": "2.16.1"}, "tensorflow"),
        ({"tensorflow-cpu": "2.15.1", "keras": "2.15.0"}, "tf_keras"),
        ({"tensorflow": "2.7.0rc1", "keras": "2.7.0"}, "tf_keras"),
        ({"tensorflow": "2.6.5", "keras": "2.6.0"}, "tensorflow2"),
        ({"tensorflow": "2.3.4"}, "tensorflow2"),
        ({"tensorflow-gpu": "1.15.5", "keras": "2.3.1", "theano": "1.0.5"}, "tensorflow1"),
        ({}, "tensorflow"),
    ],
)
def test_the_adapter_for_what_is_installed(packages, expected):
    assert adapter("tensorflow", {"packages": packages}) == expected


@pytest.mark.parametrize(
    ("packages", "chosen", "expected"),
    [
        ({"tf-keras": "2.21.0"}, "1", "tf_keras"),
        ({"tf-keras": "2.21.0"}, "True", "tf_keras"),
        ({"tf-keras": "2.21.0"}, "0", "tensorflow"),
        ({"tf-keras": "2.21.0"}, None, "tensorflow"),
        ({}, "1", "tensorflow"),  # TensorFlow cannot use what is not installed
    ],
)
def test_keras_2_is_audited_beside_keras_3_where_tensorflow_is_told_to_take_it(
    packages, chosen, expected
):
    facts = {"packages": {"tensorflow": "2.21.0", "keras": "3.15.1", **packages}}
    assert (
        adapter("tensorflow", facts, {} if chosen is None else {"TF_USE_LEGACY_KERAS": chosen})
        == expected
    )


def test_another_backend_is_what_the_user_says():
    assert adapter("theano", {"packages": {"tensorflow": "1.15.5", "theano": "1.0.5"}}) == "theano"
    assert adapter("jax", {}) == "jax"


@pytest.mark.parametrize(
    ("asked", "packages", "named", "expected"),
    [
        (None, ("theano", "keras"), None, "theano"),
        (None, ("torch",), None, "torch"),
        (None, ("tensorflow", "torch"), None, "tensorflow"),
        (None, ("tensorflow", "torch"), "torch", "torch"),
        (None, ("tensorflow",), "cntk", "tensorflow"),
        ("jax", ("tensorflow", "torch"), "torch", "jax"),
        (None, (), None, "tensorflow"),
    ],
)
def test_a_backend_is_taken_without_being_asked_for(asked, packages, named, expected):
    """The only one that is installed, or the one that KERAS_BACKEND names."""
    facts = {"packages": dict.fromkeys(packages, "9.9")}
    assert choose(asked, facts, {"KERAS_BACKEND": named} if named else {}) == expected


def test_of_two_backends_beside_no_tensorflow_none_is_guessed():
    facts = {"packages": {"jax": "0.6", "torch": "2.9"}}
    with pytest.raises(EnvironmentUnusable, match=r"jax and torch: choose one with --backend jax"):
        choose(None, facts, {})


def test_keras_is_told_the_backend_by_its_own_name():
    names = {
        "tensorflow": "tensorflow",
        "tf_keras": "tensorflow",
        "tensorflow1": "tensorflow",
        "torch": "torch",
        "theano": "theano",
        "jax": "jax",
        "tensorflow2": "tensorflow",
    }
    assert {name: base.keras_backend(name) for name in names} == names


def test_a_pin_is_known_where_its_source_is_not_tried():
    """Before Keras 3 there is no global generator; ``set_random_seed`` came with 2.7."""
    assert "keras-seed" in base.known_pins("tf_keras") and "keras-seed" not in base.known_sources(
        "tf_keras"
    )
    assert "keras-seed" not in base.known_pins("tensorflow2")
    assert "keras-seed" in base.known_sources("tensorflow")


def test_the_ladder_of_tensorflow_1_orders_the_updates_before_it_takes_one_thread():
    known = base.known_pins("tensorflow1")
    rungs = recipes.rungs(known)
    assert [rung.id for rung in rungs] == [
        "none",
        "tutorial-2017",
        "hash-seed",
        "ordered-updates",
        "one-thread",
    ]
    assert rungs[1].pins == ("numpy-legacy", "tensorflow-seed")
    lines = "\n".join(recipes.lines(rungs[3], known, "tensorflow1", 7))
    assert "tf.set_random_seed(7)" in lines and "keras.utils" not in lines
    compile(lines, "recipe", "exec")
    assert "ordered-updates" not in {
        pin for rung in recipes.rungs(base.known_pins("tensorflow")) for pin in rung.pins
    }


@pytest.mark.parametrize("backend", ["theano", "tensorflow1", "tensorflow2", "tf_keras"])
def test_every_pin_of_an_era_has_its_lines_there(backend):
    """What is pasted must be there on that Keras: the base condition's pins, and those that a
    source tries.
    """
    for source in base.known_sources(backend).values():
        for name in getattr(source.experiment, "pins", ()) or (pin.id for pin in source.pins):
            pin = base.known_pins(backend)[name]
            assert (
                recipes.pin_lines(pin, backend)
                or pin.environment
                or pin.note
                or pin.settings != NO_SETTINGS
            ), (
                source.id,
                name,
            )


def test_all_backends_are_those_that_are_installed_each_with_its_own_report(monkeypatch, tmp_path):
    assert installed(
        {"packages": {"tensorflow-cpu": "2.15.1", "torch": "2.13.0", "jaxlib": "0.10.2"}}
    ) == ("tensorflow", "torch")
    assert installed({}) == ()
    assert scan.beside(tmp_path / "scan.json", "jax") == tmp_path / "scan-jax.json"


@pytest.mark.parametrize(("codes", "worst"), [((0, 3, 1), 1), ((0, 3), 3), ((0, 0), 0)])
def test_the_worst_of_several_scans_is_the_exit_code(monkeypatch, codes, worst):
    given = iter(codes)
    facts = {"packages": dict.fromkeys(("tensorflow", "jax", "torch")[: len(codes)], "9.9")}
    monkeypatch.setattr(interpreter, "ask", lambda python: Hello(facts, ()))
    scanned = []
    monkeypatch.setattr(
        scan, "scan_once", lambda options, *rest: scanned.append(options.backend) or next(given)
    )
    assert CliRunner().invoke(app, ["scan", "--backend", "all"]).exit_code == worst
    assert scanned == ["tensorflow", "jax", "torch"][: len(codes)]
