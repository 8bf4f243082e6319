"""Facts about a machine, from hand-made files; unreadable ones are reported and affect no
others.
"""

import json
import platform
import sys
import types

import psutil
import pytest
from detaudit.machine import confinement
from detaudit.machine import system as machine

CPUINFO = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8481C
stepping\t: 0
microcode\t: 0xffffffff
flags\t\t: fpu sse4_1 avx avx2 fma avx512f avx512_vnni amx_tile avx_vnni hypervisor rdtscp

processor\t: 1
vendor_id\t: Other
model name\t: Another
flags\t\t: fpu
"""
ARM = """processor\t: 0
BogoMIPS\t: 50.00
Features\t: fp asimd sve bf16
CPU implementer\t: 0x41
"""


@pytest.fixture
def root(tmp_path):
    """A folder that stands for ``/``, filled by ``root.file(path, text)``."""

    def file(path: str, text: str) -> None:
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    return types.SimpleNamespace(path=tmp_path, file=file)


@pytest.fixture
def no_library(monkeypatch):
    """py-cpuinfo as it is on a processor that it does not know: it raises a plain Exception."""

    def get_cpu_info():
        raise Exception(
            "py-cpuinfo currently only works on X86 and some ARM/PPC/S390X/MIPS/RISCV CPUs."
        )

    monkeypatch.setitem(sys.modules, "cpuinfo", types.SimpleNamespace(get_cpu_info=get_cpu_info))


def test_the_first_processor_is_described(root, no_library):
    root.file("proc/cpuinfo", CPUINFO)
    found = machine.read(root.path, {}).processor
    assert (found.brand, found.vendor) == ("Intel(R) Xeon(R) Platinum 8481C", "GenuineIntel")
    assert (found.family, found.model, found.stepping, found.microcode) == (6, 143, 0, "0xffffffff")
    assert found.flags == (
        "amx_tile",
        "avx",
        "avx2",
        "avx512_vnni",
        "avx512f",
        "avx_vnni",
        "fma",
        "sse4_1",
    )
    assert found.architecture == platform.machine()


def test_the_library_is_asked_where_the_file_does_not_name_the_processor(root, monkeypatch):
    root.file("proc/cpuinfo", ARM)
    info = {
        "brand_raw": "Neoverse-N1",
        "vendor_id_raw": "ARM",
        "stepping": 0,
        "flags": ["asimd", "other"],
    }
    monkeypatch.setitem(sys.modules, "cpuinfo", types.SimpleNamespace(get_cpu_info=lambda: info))
    found = machine.read(root.path, {})
    assert (found.processor.brand, found.processor.vendor, found.processor.stepping) == (
        "Neoverse-N1",
        "ARM",
        0,
    )
    assert found.processor.flags == ("asimd", "bf16", "sve")  # the file's own word on flags stays
    assert not any(name.startswith("processor") for name in found.unknown)


def test_a_processor_that_nobody_knows_is_unknown_with_the_reason(root, no_library):
    found = machine.read(root.path, {})
    assert found.processor.brand is None and found.processor.flags is None
    assert "currently only works on" in found.unknown["processor.brand"]
    assert found.unknown["processor.flags"] == "LookupError: the system does not report it"
    assert found.memory.total and found.python.version  # the others are reported all the same


@pytest.mark.parametrize(
    ("part", "name"), [("memory", "total"), ("cores", "logical"), ("cores", "affinity")]
)
def test_a_fact_that_cannot_be_read_costs_no_other(part, name, root, monkeypatch):
    def fail(*_, **__):
        raise psutil.AccessDenied(1, "init")

    for function in ("virtual_memory", "cpu_count"):
        monkeypatch.setattr(psutil, function, fail)
    monkeypatch.setattr(psutil.Process, "cpu_affinity", fail)
    root.file("proc/cpuinfo", CPUINFO)
    found = machine.read(root.path, {})
    assert (
        getattr(getattr(found, part), name) is None
        and "AccessDenied" in found.unknown[f"{part}.{name}"]
    )
    assert found.processor.brand and found.cores.available is None


def test_where_there_is_no_load_average_it_is_unknown(root, monkeypatch):
    monkeypatch.delattr(machine.os, "getloadavg")
    found = machine.read(root.path, {})
    assert found.load is None and found.unknown["machine.load"].startswith("AttributeError")
    assert machine.document(found)["load"] is None


def test_this_machine_is_known(tmp_path):
    found = machine.document(machine.read())
    assert found["cores"]["logical"] >= found["cores"]["available"] >= 1
    assert found["memory"]["total"] >= found["memory"]["available"] > 0
    assert found["python"]["version"] == platform.python_version()
    assert found["temporary"]["total"] >= found["temporary"]["free"] >= 0
    assert json.loads(json.dumps(found)) == found


def test_no_name_of_the_host_or_the_user_is_read(monkeypatch):
    monkeypatch.setattr(platform, "node", lambda: "analytical-engine")
    monkeypatch.setenv("HOME", "/home/ada-lovelace")
    monkeypatch.setattr(
        machine.os, "getcwd", lambda: (_ for _ in ()).throw(ValueError("/home/ada-lovelace/x"))
    )
    text = json.dumps(machine.document(machine.read()))
    assert "analytical" not in text and "lovelace" not in text and "ValueError: ~/x" in text


def test_what_saved_trials_rest_on_survives_json_and_leaves_out_what_changes_by_itself():
    found = machine.identity()
    assert json.loads(json.dumps(found)) == found
    assert set(found) == {"processor", "cores", "system"} and "available" not in found["cores"]


# --- cores and memory as control groups leave them


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
        # the least of the group's own and of every group above it binds
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/cpu.max": "max 100000",
                "sys/fs/cgroup/a/cpu.max": "50000 100000",
                "sys/fs/cgroup/cpu.max": "200000 100000",
            },
            0.5,
        ),
        # a path of the host's that the container does not see
        ({"proc/self/cgroup": "0::/docker/abc\n", "sys/fs/cgroup/cpu.max": "200000 100000"}, 2.0),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
            },
            None,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/x\n1:cpuset:/\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "300000",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        # both hierarchies at once
        (
            {
                "proc/self/cgroup": "4:cpu:/\n0::/u\n",
                "sys/fs/cgroup/unified/u/cpu.max": "100000 100000",
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            1.0,
        ),
        # a quota of another controller's hierarchy is none of ours
        (
            {
                "proc/self/cgroup": "4:memory:/\n",
                "sys/fs/cgroup/memory/cpu.cfs_quota_us": "100000",
                "sys/fs/cgroup/memory/cpu.cfs_period_us": "100000",
            },
            None,
        ),
    ],
)
def test_the_quota_of_cores(root, files, quota):
    for path, text in files.items():
        root.file(path, text)
    assert confinement.cpu_quota(root.path) == quota


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max"}, None),
        (
            {
                "proc/self/cgroup": "0::/a\n",
                "sys/fs/cgroup/a/memory.max": "4096",
                "sys/fs/cgroup/memory.max": "8192",
            },
            4096,
        ),
        (
            {
                "proc/self/cgroup": "3:memory:/\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            },
            None,
        ),
        (
            {
                "proc/self/cgroup": "3:memory:/j\n",
                "sys/fs/cgroup/memory/j/memory.limit_in_bytes": "1073741824",
            },
            1 << 30,
        ),
    ],
)
def test_the_limit_of_memory(root, files, limit):
    for path, text in files.items():
        root.file(path, text)
    assert confinement.memory_limit(root.path) == limit


def test_available_cores_are_the_fewest_and_a_part_of_a_core_counts_whole(root, monkeypatch):
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda self: [0, 1, 2, 3])
    root.file("proc/self/cgroup", "0::/\n")
    for quota, available in (("250000", 3), ("max", 4), ("800000", 4), ("10000", 1)):
        root.file("sys/fs/cgroup/cpu.max", f"{quota} 100000")
        assert machine.read(root.path, {}).cores.available == available


def test_a_group_that_cannot_be_understood_is_unknown(root):
    root.file("proc/self/cgroup", "0::/\n")
    root.file("sys/fs/cgroup/cpu.max", "some words here")
    found = machine.read(root.path, {})
    assert found.cores.quota is None and "ValueError" in found.unknown["cores.quota"]


# --- hints of what it runs in


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({}, None),
        ({"proc/cpuinfo": CPUINFO}, "unnamed hypervisor"),
        ({"proc/cpuinfo": ARM}, None),
        ({"proc/cpuinfo": CPUINFO, "sys/class/dmi/id/sys_vendor": "QEMU\n"}, "QEMU/KVM"),
        ({"sys/class/dmi/id/product_name": "Google Compute Engine"}, "Google Compute Engine"),
        ({"sys/hypervisor/type": "xen"}, "Xen"),
        (
            {
                "sys/class/dmi/id/sys_vendor": "ACME of Ada Lovelace",
                "sys/class/dmi/id/product_name": "serial 123",
            },
            None,
        ),
    ],
)
def test_the_hypervisor_by_a_name_from_our_own_list(root, files, name):
    for path, text in files.items():
        root.file(path, text)
    assert confinement.hypervisor(root.path) == name


@pytest.mark.parametrize(
    ("environment", "files", "name"),
    [
        ({}, {}, None),
        ({}, {".dockerenv": ""}, "docker"),
        ({}, {"run/.containerenv": "", ".dockerenv": ""}, "podman"),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {".dockerenv": ""}, "kubernetes"),
        ({"APPTAINER_CONTAINER": "x"}, {}, "apptainer"),
        ({"SINGULARITY_CONTAINER": "x"}, {}, "apptainer"),
        ({}, {"proc/1/cgroup": "0::/system.slice/containerd.service"}, "containerd"),
        ({}, {"proc/1/cgroup": "0::/init.scope"}, None),
    ],
)
def test_the_container_by_the_marks_of_its_runtime(root, environment, files, name):
    for path, text in files.items():
        root.file(path, text)
    assert confinement.container(environment, root.path) == name
