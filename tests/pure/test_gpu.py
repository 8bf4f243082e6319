"""GPUs through NVML, with a stand-in that raises and returns what the real binding does; there is
none needed here.
"""

import json
import types

import pytest
from detaudit.machine import gpu

pynvml = pytest.importorskip("pynvml")
GIB = 1 << 30


class Nvml:
    """The binding: module-level functions that raise subclasses of its own NVMLError.

    ``answers`` maps a function's name to what it returns (or raises) for every card; ``cards`` are
    dictionaries that win over it for one card.
    """

    NVMLError = pynvml.NVMLError

    def __init__(self, cards: int = 1, **answers):
        self.shut = 0
        self.answers = {
            "nvmlInit": None,
            "nvmlDeviceGetCount": cards,
            "nvmlSystemGetDriverVersion": "550.54.15",
            "nvmlSystemGetCudaDriverVersion": 12040,
            "nvmlDeviceGetHandleByIndex": lambda index: f"handle {index}",
            "nvmlDeviceGetName": "NVIDIA H200",
            "nvmlDeviceGetCudaComputeCapability": (9, 0),
            "nvmlDeviceGetMemoryInfo": types.SimpleNamespace(
                total=141 * GIB, used=2 * GIB, free=139 * GIB
            ),
            "nvmlDeviceGetEccMode": [1, 1],
            "nvmlDeviceGetTotalEccErrors": lambda card, error, counter: 0,
            "nvmlDeviceGetClockInfo": lambda card, kind: 1000 + kind,
            "nvmlDeviceGetTemperature": 41,
            "nvmlDeviceGetCurrentClocksThrottleReasons": 0x1,
            "nvmlDeviceGetMigMode": [0, 0],
            "nvmlDeviceGetViolationStatus": types.SimpleNamespace(referenceTime=1, violationTime=0),
            "nvmlDeviceGetComputeMode": 0,
            "nvmlDeviceGetComputeRunningProcesses": [],
            **answers,
        }

    def __getattr__(self, name):
        if name == "nvmlShutdown":
            self.shut += 1
            return lambda: None
        if name not in self.answers:
            raise AttributeError(f"module 'pynvml' has no attribute {name!r}")
        answer = self.answers[name]

        def function(*arguments):
            given = answer(*arguments) if callable(answer) else answer
            if isinstance(given, Exception):
                raise given
            return given

        return function


def error(code: str) -> Exception:
    return pynvml.NVMLError(getattr(pynvml, f"NVML_ERROR_{code}"))


def one_card(**answers) -> gpu.Card:
    (card,) = gpu.snapshot(Nvml(**answers)).cards
    return card


def process(memory: int | None):
    return types.SimpleNamespace(pid=4711, usedGpuMemory=memory)


def test_a_card_in_good_order():
    nvml = Nvml()
    found = gpu.snapshot(nvml)
    assert (found.driver, found.cuda, found.problem, found.unknown) == (
        "550.54.15",
        "12.4",
        None,
        {},
    )
    (card,) = found.cards
    assert (card.name, card.capability) == ("NVIDIA H200", "9.0")
    assert (card.memory_total, card.memory_used) == (141 * GIB, 2 * GIB)
    assert (card.ecc, card.ecc_pending, card.mig, card.compute_mode) == (
        True,
        True,
        False,
        "default",
    )
    assert card.ecc_errors == {
        "corrected volatile": 0,
        "corrected aggregate": 0,
        "uncorrected volatile": 0,
        "uncorrected aggregate": 0,
    }
    assert card.clocks == {"graphics": 1000, "sm": 1001, "memory": 1002} and card.temperature == 41
    assert (card.throttle, card.processes, card.processes_memory, card.unknown) == (
        ("idle",),
        0,
        0,
        {},
    )
    assert card.held_back == {"power": 0, "thermal": 0, "board limit": 0, "reliability": 0}
    assert gpu.count(found) == 1 and gpu.present(found) and nvml.shut == 1


def test_every_counter_is_asked_for_by_its_own_kind():
    asked = {
        (pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, pynvml.NVML_VOLATILE_ECC): 1,
        (pynvml.NVML_MEMORY_ERROR_TYPE_CORRECTED, pynvml.NVML_AGGREGATE_ECC): 2,
        (pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_VOLATILE_ECC): 3,
        (pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, pynvml.NVML_AGGREGATE_ECC): 4,
    }
    card = one_card(nvmlDeviceGetTotalEccErrors=lambda card, kind, counter: asked[kind, counter])
    assert card.ecc_errors == {
        "corrected volatile": 1,
        "corrected aggregate": 2,
        "uncorrected volatile": 3,
        "uncorrected aggregate": 4,
    }
    clocks = {pynvml.NVML_CLOCK_GRAPHICS: 1, pynvml.NVML_CLOCK_SM: 2, pynvml.NVML_CLOCK_MEM: 3}
    card = one_card(nvmlDeviceGetClockInfo=lambda card, kind: clocks[kind])
    assert card.clocks == {"graphics": 1, "sm": 2, "memory": 3}
    causes = {
        pynvml.NVML_PERF_POLICY_POWER: 1,
        pynvml.NVML_PERF_POLICY_THERMAL: 2,
        pynvml.NVML_PERF_POLICY_BOARD_LIMIT: 3,
        pynvml.NVML_PERF_POLICY_RELIABILITY: 4,
    }
    card = one_card(
        nvmlDeviceGetViolationStatus=lambda card, kind: types.SimpleNamespace(
            violationTime=causes[kind]
        )
    )
    assert card.held_back == {"power": 1, "thermal": 2, "board limit": 3, "reliability": 4}


def test_every_function_that_is_asked_is_one_of_the_real_binding():
    names = {name for name in Nvml().answers} | {
        "nvmlShutdown",
        "nvmlDeviceGetCurrentClocksEventReasons",
    }
    assert {name for name in names if not callable(getattr(pynvml, name, None))} == set()


def test_the_reasons_are_those_of_the_real_binding():
    words = {
        "GpuIdle": "idle",
        "ApplicationsClocksSetting": "application clocks",
        "SwPowerCap": "software power cap",
        "HwSlowdown": "hardware slowdown",
        "SyncBoost": "sync boost",
        "SwThermalSlowdown": "software thermal slowdown",
        "HwThermalSlowdown": "hardware thermal slowdown",
        "HwPowerBrakeSlowdown": "hardware power brake",
        "DisplayClockSetting": "display clocks",
    }
    assert {
        getattr(pynvml, f"nvmlClocksThrottleReason{name}"): word for name, word in words.items()
    } == gpu.REASONS


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        (0, ()),
        (0x44, ("software power cap", "hardware thermal slowdown")),
        (0x201, ("idle", "reason 0x200")),
    ],
)
def test_reasons_are_decoded_bit_by_bit(bits, words):
    assert gpu.decoded(bits) == words


@pytest.mark.parametrize(
    "missing", [AttributeError("no such function"), error("FUNCTION_NOT_FOUND")]
)
def test_the_reasons_are_read_under_their_newer_name_as_well(missing):
    card = one_card(
        nvmlDeviceGetCurrentClocksThrottleReasons=missing,
        nvmlDeviceGetCurrentClocksEventReasons=0x8,
    )
    assert card.throttle == ("hardware slowdown",)


# --- NVML that is absent or broken is a fact


@pytest.mark.parametrize(
    "failure",
    [
        error("LIBRARY_NOT_FOUND"),
        error("DRIVER_NOT_LOADED"),
        error("LIB_RM_VERSION_MISMATCH"),
        error("NO_PERMISSION"),
        error("UNKNOWN"),
        OSError(2, "No such file or directory"),
        AttributeError("nvmlInit"),
        ValueError("odd"),
    ],
    ids=lambda one: str(one),
)
def test_what_cannot_be_asked_at_all_is_a_problem_with_its_reason(failure):
    found = gpu.snapshot(Nvml(nvmlInit=failure))
    assert found.cards == () and type(failure).__name__ in found.problem
    assert not gpu.present(found)
    json.dumps(gpu.document(found))


def test_the_binding_of_this_machine_is_asked_by_default():
    """Whatever is here: with a driver cards or none, without one a problem; never an exception."""
    found = gpu.snapshot()
    assert (found.problem is None) or ("NVML" in found.problem)
    json.dumps(gpu.document(found))


def every_error() -> list[Exception]:
    codes = sorted(
        {
            value
            for name, value in vars(pynvml).items()
            if name.startswith("NVML_ERROR_") and value != 0
        }
    )
    return [pynvml.NVMLError(code) for code in codes]


@pytest.mark.parametrize("function", sorted(set(Nvml().answers) - {"nvmlInit"}))
def test_no_error_of_any_kind_in_any_function_costs_more_than_its_own_fact(function):
    whole = gpu.document(gpu.snapshot(Nvml()))
    for failure in [*every_error(), AttributeError("absent in this binding"), OSError("lost")]:
        nvml = Nvml(**{function: failure})
        found = gpu.document(gpu.snapshot(nvml))
        assert nvml.shut == 1 and found["problem"] is None
        reasons = {**found["unknown"], **(found["cards"][0]["unknown"] if found["cards"] else {})}
        expected = (
            type(failure).__name__,
            "LookupError",
            "EventReasons",
        )  # the last: asked under its newer name
        assert reasons and all(any(one in text for one in expected) for text in reasons.values())
        if function not in ("nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex"):
            known = {
                name: value for name, value in found["cards"][0].items() if value not in (None, {})
            }
            others = whole["cards"][0].items()
            assert sum(known.get(name) == value for name, value in others) >= len(others) - 4


def test_unknown_reasons_stay_unknown_in_the_document():
    unknown = gpu.snapshot(Nvml(nvmlDeviceGetCurrentClocksThrottleReasons=error("NOT_SUPPORTED")))
    assert gpu.document(unknown)["cards"][0]["throttle"] is None
    assert gpu.document(gpu.snapshot(Nvml()))["cards"][0]["throttle"] == ["idle"]


def test_one_lost_card_costs_no_other():
    def handle(index):
        return error("GPU_IS_LOST") if index == 1 else f"handle {index}"

    found = gpu.snapshot(Nvml(cards=3, nvmlDeviceGetHandleByIndex=handle))
    assert [card.name for card in found.cards] == ["NVIDIA H200", None, "NVIDIA H200"]
    assert "GpuIsLost" in found.cards[1].unknown["card 1.handle"] and gpu.count(found) == 2


def test_a_card_without_ecc_or_mig():
    card = one_card(
        nvmlDeviceGetEccMode=error("NOT_SUPPORTED"),
        nvmlDeviceGetTotalEccErrors=error("NOT_SUPPORTED"),
        nvmlDeviceGetMigMode=error("NOT_SUPPORTED"),
    )
    assert (card.ecc, card.ecc_pending, card.ecc_errors, card.mig) == (None, None, {}, None)
    assert "NotSupported" in card.unknown["card 0.mig"] and card.name == "NVIDIA H200"


@pytest.mark.parametrize(
    ("mode", "name"),
    [
        ("DEFAULT", "default"),
        ("EXCLUSIVE_THREAD", "exclusive thread"),
        ("PROHIBITED", "prohibited"),
        ("EXCLUSIVE_PROCESS", "exclusive process"),
    ],
)
def test_compute_modes_by_name(mode, name):
    assert (
        one_card(nvmlDeviceGetComputeMode=getattr(pynvml, f"NVML_COMPUTEMODE_{mode}")).compute_mode
        == name
    )


@pytest.mark.parametrize(
    ("number", "name"), [(12040, "12.4"), (13000, "13.0"), (11080, "11.8"), (9020, "9.2")]
)
def test_the_version_of_cuda(number, name):
    assert gpu.snapshot(Nvml(nvmlSystemGetCudaDriverVersion=number)).cuda == name


def test_what_is_now_and_what_is_pending():
    card = one_card(nvmlDeviceGetEccMode=[1, 0], nvmlDeviceGetMigMode=[0, 1])
    assert (card.ecc, card.ecc_pending, card.mig) == (True, False, False)


def test_the_temperature_is_that_of_the_chip():
    card = one_card(
        nvmlDeviceGetTemperature=lambda card, sensor: (
            40 if sensor == pynvml.NVML_TEMPERATURE_GPU else 90
        )
    )
    assert card.temperature == 40


def test_where_cards_cannot_be_counted_there_are_none():
    found = gpu.snapshot(Nvml(nvmlDeviceGetCount=error("UNKNOWN")))
    assert found.cards == () and "nvml.count" in found.unknown and found.driver == "550.54.15"


def test_an_old_binding_gives_bytes():
    found = gpu.snapshot(Nvml(nvmlDeviceGetName=b"Tesla K80", nvmlSystemGetDriverVersion=b"418.87"))
    assert (found.cards[0].name, found.driver) == ("Tesla K80", "418.87")


def test_other_processes_are_counted_and_never_named():
    card = one_card(nvmlDeviceGetComputeRunningProcesses=[process(GIB), process(2 * GIB)])
    assert (card.processes, card.processes_memory) == (2, 3 * GIB)
    assert "4711" not in json.dumps(
        gpu.document(gpu.snapshot(Nvml(nvmlDeviceGetComputeRunningProcesses=[process(1)])))
    )
    card = one_card(nvmlDeviceGetComputeRunningProcesses=[process(GIB), process(None)])
    assert (card.processes, card.processes_memory) == (2, None)
    assert "does not report" in card.unknown["card 0.processes_memory"]


# --- what changed


def changed(before: Nvml, after: Nvml) -> list[tuple]:
    found = gpu.changes(gpu.snapshot(before), gpu.snapshot(after))
    return [(one.index, one.what, one.before, one.after, one.alarming) for one in found]


def test_nothing_changed():
    assert changed(Nvml(), Nvml()) == []
    absent = Nvml(nvmlInit=error("LIBRARY_NOT_FOUND"))
    assert changed(absent, absent) == []


def test_counters_that_rose_are_reported_and_those_that_fell_are_not():
    before = Nvml(nvmlDeviceGetTotalEccErrors=lambda card, kind, counter: 5)
    after = Nvml(
        nvmlDeviceGetTotalEccErrors=lambda card, kind, counter: {(1, 0): 7, (0, 1): 0}.get(
            (kind, counter), 5
        )
    )
    assert changed(before, after) == [(0, "ECC errors, uncorrected volatile", "5", "7", True)]


def test_throttling_that_began_is_reported_and_idling_is_not():
    hot = Nvml(nvmlDeviceGetCurrentClocksThrottleReasons=0x41)
    assert changed(Nvml(nvmlDeviceGetCurrentClocksThrottleReasons=0x0), hot) == [
        (0, "throttled", "not", "hardware thermal slowdown", False)
    ]
    assert changed(hot, hot) == [] and changed(hot, Nvml()) == []
    assert changed(Nvml(nvmlDeviceGetCurrentClocksThrottleReasons=0x0), Nvml()) == []


def test_throttling_between_the_snapshots_is_reported_by_its_time():
    def lowered(nanoseconds):
        return Nvml(
            nvmlDeviceGetViolationStatus=lambda card, kind: types.SimpleNamespace(
                violationTime=nanoseconds if kind == 1 else 9
            )
        )

    assert changed(lowered(1_000_000), lowered(251_000_000)) == [
        (0, "clocks lowered (thermal)", "0 ms", "250 ms", False)
    ]


@pytest.mark.parametrize(
    ("answers", "change"),
    [
        ({"nvmlDeviceGetMigMode": [1, 1]}, (0, "MIG", "off", "on", True)),
        ({"nvmlDeviceGetEccMode": [0, 0]}, (0, "ECC", "on", "off", True)),
        (
            {"nvmlDeviceGetComputeMode": 3},
            (0, "compute mode", "default", "exclusive process", True),
        ),
        ({"nvmlSystemGetDriverVersion": "560.1"}, (None, "driver", "550.54.15", "560.1", True)),
        (
            {"nvmlDeviceGetComputeRunningProcesses": [process(1)]},
            (0, "other processes", "0", "1", False),
        ),
    ],
)
def test_a_state_that_changed(answers, change):
    assert changed(Nvml(), Nvml(**answers)) == [change]


@pytest.mark.parametrize(
    "function",
    [
        "nvmlDeviceGetMigMode",
        "nvmlDeviceGetEccMode",
        "nvmlDeviceGetComputeMode",
        "nvmlSystemGetDriverVersion",
        "nvmlDeviceGetComputeRunningProcesses",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetTotalEccErrors",
    ],
)
def test_a_fact_that_became_known_or_unknown_is_no_change(function):
    unknown = Nvml(**{function: error("UNKNOWN")})
    assert changed(Nvml(), unknown) == [] and changed(unknown, Nvml()) == []


def test_a_card_that_was_lost_is_reported():
    lost = Nvml(nvmlDeviceGetHandleByIndex=error("GPU_IS_LOST"))
    assert changed(Nvml(), lost) == [
        (0, "the card", "there", "NVMLError_GpuIsLost: GPU is lost", True)
    ]
    assert changed(lost, lost) == [] and changed(lost, Nvml()) == []
    nameless = Nvml(nvmlDeviceGetName=error("GPU_IS_LOST"))
    assert changed(Nvml(), nameless) == [
        (0, "the card", "there", "NVMLError_GpuIsLost: GPU is lost", True)
    ]
    assert changed(Nvml(cards=2), Nvml(cards=1)) == [(1, "the card", "there", "absent", True)]
    assert changed(Nvml(cards=1), Nvml(cards=2)) == [(1, "the card", "absent", "there", True)]


def test_a_driver_that_broke_is_reported_once():
    broken = Nvml(nvmlInit=error("DRIVER_NOT_LOADED"))
    ((index, what, before, after, alarming),) = changed(Nvml(), broken)
    assert (index, what, before, alarming) == (
        None,
        "NVML",
        "answers",
        True,
    ) and "DriverNotLoaded" in after
    ((index, what, before, after, alarming),) = changed(broken, Nvml())
    assert (index, what, after, alarming) == (
        None,
        "NVML",
        "answers",
        True,
    ) and "DriverNotLoaded" in before


def test_the_report_holds_both_snapshots_and_the_changes():
    before = gpu.snapshot(Nvml())
    after = gpu.snapshot(Nvml(nvmlDeviceGetTotalEccErrors=lambda card, kind, counter: kind))
    report = gpu.report(before, after)
    assert report["before"][0]["ecc_errors"]["uncorrected volatile"] == 0
    assert report["cards"][0]["ecc_errors"]["uncorrected volatile"] == 1
    assert [one["what"] for one in report["changes"]] == [
        "ECC errors, uncorrected aggregate",
        "ECC errors, uncorrected volatile",
    ]
    assert json.loads(json.dumps(report)) == report


@pytest.mark.parametrize(
    ("nvml", "said"),
    [
        (Nvml(), "No GPU is visible to JAX, although the driver lists NVIDIA"),
        (Nvml(cards=0), "No GPU is visible to JAX, and the NVIDIA driver lists none."),
        (
            Nvml(nvmlInit=error("LIBRARY_NOT_FOUND")),
            "No GPU is visible to JAX, and the NVIDIA driver cannot be queried (",
        ),
    ],
)
def test_a_gpu_that_was_asked_for_and_is_not_there_is_explained(nvml, said):
    sentence = gpu.missing("no GPU is visible to JAX", gpu.snapshot(nvml))
    assert sentence.startswith(said) and sentence.endswith(
        "Give --device cpu, or see `detaudit machine`."
    )
