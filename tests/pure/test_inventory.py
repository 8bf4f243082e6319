"""What `detaudit machine` shows: drawn from the document alone, which may be somebody else's."""

import io
import json

import pytest
from detaudit.cli.describe_machine import render
from detaudit.machine import gpu, inventory
from rich.console import Console

from tests.pure.test_gpu import Nvml, error

FACTS = {
    "python": "3.11.7",
    "packages": {"keras": "3.15.1", "tensorflow": "2.21.0"},
    "cpus": 2,
    "flags": ["a", "b"],
}


def shown(document: dict, width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(render(document))
    return console.file.getvalue()


def test_everything_is_json_and_shows_the_same_after_a_round_trip(monkeypatch):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.setenv("TF_SERVICE_TOKEN", "hunter2")
    document = inventory.everything(FACTS)
    text = shown(document)
    assert shown(json.loads(json.dumps(document))) == text
    assert "tensorflow 2.21.0" in text and "TF_ENABLE_ONEDNN_OPTS  0" in text
    assert "TF_SERVICE_TOKEN" in text and "hunter2" not in text + json.dumps(document)


def test_the_machine_is_shown():
    machine = {
        "processor": {
            "brand": "Some CPU",
            "architecture": "x86_64",
            "family": 6,
            "stepping": 0,
            "flags": ["avx", "fma"],
        },
        "cores": {"available": 2, "logical": 8, "physical": 4, "quota": 1.5},
        "memory": {"total": 8 << 30, "available": 4 << 30, "limit": 2 << 30},
        "system": {
            "distribution": "Debian 12",
            "release": "6.1",
            "libc": "glibc 2.36",
            "container": "docker",
        },
        "temporary": {"free": 1 << 30, "total": 2 << 30, "type": "ext4"},
        "load": [0.5, 1.0, 2.0],
        "unknown": {"memory.x": "OSError: no"},
    }
    text = shown({"machine": machine})
    for part in (
        "Some CPU, x86_64",
        "family 6, stepping 0",
        "avx fma",
        "2 to use, 8 logical, 4 physical; quota 1.5",
        "8.0 GiB, 4.0 GiB free; limit 2.0 GiB",
        "Debian 12, 6.1, glibc 2.36",
        "docker",
        "1.0 GiB free of 2.0 GiB, ext4",
        "0.5 1.0 2.0",
        "OSError: no",
        "working folder    unknown",
    ):
        assert part in text, part


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"machine": None, "environment": None},
        {"machine": {"processor": None, "gpu": None, "load": None}},
    ],
)
def test_what_is_missing_is_reported_as_unknown(document):
    assert "unknown" in shown(document) and "none" in shown(document)


def test_cards_are_shown_with_their_state_and_what_changed():
    before = gpu.snapshot(Nvml())
    after = gpu.snapshot(
        Nvml(
            nvmlDeviceGetTotalEccErrors=lambda card, kind, counter: kind,
            nvmlDeviceGetMigMode=error("NOT_SUPPORTED"),
            nvmlDeviceGetCurrentClocksThrottleReasons=0x40,
        )
    )
    text = shown({"machine": {"gpu": gpu.report(before, after)}})
    for part in (
        "driver 550.54.15, CUDA up to 12.4",
        "NVIDIA H200",
        "2.0 GiB used of 141.0 GiB",
        "uncorrected volatile 1",
        "graphics 1000, sm 1001, memory 1002",
        "hardware thermal slowdown",
        "41 °C",
        "compute default, MIG unknown",
        "ECC errors, uncorrected volatile: 0 → 1",
        "card 0.mig",
        "NotSupported",
    ):
        assert part in text, part


def test_an_idle_card_with_nothing_lowered():
    text = shown(
        {
            "machine": {
                "gpu": gpu.document(gpu.snapshot(Nvml(nvmlDeviceGetCurrentClocksThrottleReasons=0)))
            }
        }
    )
    assert "lowered by     nothing" in text and "Changed" not in text


def test_why_there_is_no_card_is_reported():
    document = gpu.document(gpu.snapshot(Nvml(nvmlInit=error("DRIVER_NOT_LOADED"))))
    assert "Driver Not Loaded" in shown({"machine": {"gpu": document}})
    assert "NVML lists no card" in shown(
        {"machine": {"gpu": gpu.document(gpu.snapshot(Nvml(cards=0)))}}
    )


def test_text_of_others_is_only_text():
    hostile = "[bold red]x[/] \x1b[31m\x07 \u202e"
    text = shown(
        {
            "machine": {"processor": {"brand": hostile}, "unknown": {hostile: hostile}},
            "environment": {hostile: hostile, "variables": {hostile: hostile}},
        }
    )
    assert "[bold red]x[/]" in text and "\\x1b[31m" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
