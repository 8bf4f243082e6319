"""What `sources`, `explain`, `machine` and `report` print: whole, in a pipe and at 80 columns."""

import pytest
from detaudit.cli import describe_source, messages
from detaudit.cli.explain import explain_command
from detaudit.errors import UsageError
from detaudit.registry import base
from detaudit.registry.recipes import pin_lines
from rich.console import Console

SOURCES = base.script_sources()


def printed(source, backend: str, width: int) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(describe_source.about(source, backend, 1), crop=False)
    return captured.get()


@pytest.mark.parametrize("name", SOURCES)
def test_lines_to_paste_and_addresses_are_whole_at_any_width(name):
    source = SOURCES[name]
    for backend in source.backends:
        for width in (30, 80, 120):
            lines = printed(source, backend, width).splitlines()
            for link in source.links:
                assert f"  {link.url}" in lines
            for pin in describe_source._pins(source):
                for line in pin_lines(pin, backend):
                    code = line.format(seed=1).partition("  # ")[0]
                    assert any(one.partition("  # ")[0] == code for one in lines), code


@pytest.mark.parametrize("name", SOURCES)
def test_what_you_see_and_the_lines_to_paste_come_first(name):
    source = SOURCES[name]
    text = printed(source, source.backends[0], 2000)
    places = [
        text.index(source.breaks),
        text.index("\nWhat it is\n"),
        text.index("\nWhat is tried"),
    ]
    if describe_source._pins(source):
        places.insert(1, text.index("\nPin: "))
    assert places == sorted(places)


def test_a_source_is_explained_on_its_own_backends_alone():
    with pytest.raises(UsageError, match=r"on theano\. Give --backend tensorflow"):
        explain_command("sparse-update", "theano")
    with pytest.raises(UsageError, match="xla is not a source on torch"):
        explain_command("xla", "torch")


@pytest.mark.parametrize("pin", sorted(base.known_pins().keys() - SOURCES.keys()))
def test_a_pin_leads_to_the_source_that_it_pins(pin):
    with pytest.raises(UsageError, match=f"{pin} is a pin, not a source") as refused:
        explain_command(pin)
    source = str(refused.value).rpartition(" ")[2]
    assert source in SOURCES and pin in {one.id for one in describe_source._pins(SOURCES[source])}


def test_nothing_can_be_tried_on_a_backend_that_is_not_installed():
    clock = {"clock": SOURCES["clock"]}
    for packages, backend, lacks in (
        ({}, "jax", "no jax here"),
        ({"jax": "0.9"}, "jax", None),
        ({}, None, None),
    ):
        facts = {"packages": packages, "cpus": 2}
        (source,) = describe_source.listing_document(clock, facts, 0, backend)
        assert source["lacks"] == lacks


def test_nothing_is_cut_on_a_terminal_that_is_narrower_than_a_line(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    messages.print_whole(describe_source.about(SOURCES["sparse-update"], "tensorflow", 1))
    assert "tf.config.experimental.enable_op_determinism()" in capsys.readouterr().out.splitlines()
