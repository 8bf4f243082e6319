"""The environment variables that affect reproducibility: allow-listed, shortened, without secrets.

A report is made to be attached to a public bug. A variable is recorded only if its name is on the
lists below; its value is shortened, and left out if it looks like a secret or names a machine.
"""

import platform
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from detaudit_probes.placebos import PLACEBOS

from detaudit.machine.secrets.forms import looks_secret
from detaudit.machine.secrets.names import says_secret

#: Recorded if they are set: seeds, threads, devices, kernels, locale (it orders names), allocators.
NAMES = frozenset(
    {
        "PYTHONHASHSEED",
        "PYTHONOPTIMIZE",
        "PYTHONMALLOC",
        "PYTHONUTF8",
        "CUDA_VISIBLE_DEVICES",
        "CUDA_DEVICE_ORDER",
        "CUDA_LAUNCH_BLOCKING",
        "CUDA_MODULE_LOADING",
        "CUDA_DEVICE_MAX_CONNECTIONS",
        "CUDA_FORCE_PTX_JIT",
        "CUDA_CACHE_DISABLE",
        "NVIDIA_TF32_OVERRIDE",
        "NVIDIA_VISIBLE_DEVICES",
        "HIP_VISIBLE_DEVICES",
        "ROCR_VISIBLE_DEVICES",
        "NCCL_ALGO",
        "NCCL_PROTO",
        "HOROVOD_FUSION_THRESHOLD",
        "KERAS_BACKEND",
        "KERAS_HOME",
        "THEANO_FLAGS",
        "THEANORC",
        "ATEN_CPU_CAPABILITY",
        "VECLIB_MAXIMUM_THREADS",
        "GOTO_NUM_THREADS",
        "LANG",
        "LANGUAGE",
        "LC_ALL",
        "LC_COLLATE",
        "LC_CTYPE",
        "LC_NUMERIC",
        "TZ",
        "GLIBC_TUNABLES",
        "LD_PRELOAD",
        "LD_BIND_NOW",
        "MALLOC_ARENA_MAX",
        "MALLOC_PERTURB_",
    }
)

#: Names that begin with one of these belong to a numerical library.
PREFIXES = (
    "TF_",
    "TF2_",
    "XLA_",
    "JAX_",
    "TORCH_",
    "TORCHINDUCTOR_",
    "PYTORCH_",
    "ONEDNN_",
    "DNNL_",
    "NPY_",
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "OPENBLAS_",
    "BLIS_",
    "NUMEXPR_",
    "CUBLAS_",
    "CUBLASLT_",
    "CUDNN_",
    "MIOPEN_",
)

# Terraform's variables also begin with TF_, passwords among them; TF_CONFIG lists a cluster's
# hosts.
_FOREIGN = (
    "TF_CONFIG",
    "TF_VAR_",
    "TF_TOKEN_",
    "TF_CLI_",
    "TF_HTTP_",
    "TF_CLOUD_",
    "TF_REATTACH_",
    "TF_WORKSPACE",
)
#: Words in a name whose value is not a secret, but names a machine or a person.
_PRIVATE_WORDS = frozenset(
    {
        "USER",
        "USERNAME",
        "EMAIL",
        "HOST",
        "HOSTNAME",
        "HOSTS",
        "ADDRESS",
        "ADDR",
        "URL",
        "URI",
        "ENDPOINT",
    }
)
_LONGEST = 2000
LEFT_OUT = "<left out: it may be private>"

_END = r"(?=$|[/\\\s:,;\"'])"
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_HOMES = re.compile(
    r"(?<![\w.~-])(?:/home|/Users|/var/home)/[^/\s:,;=\"']+|(?<![\w.~/-])/root(?=$|[/\s:,;\"'])"
)
_HOME_ELSEWHERE = re.compile(r"(/(?:home|Users))/[^/\s:,;=\"']+")
_TEMPORARY = re.compile(
    r"(?<![\w.~-])(?:/private)?(?:/var/folders/[^/\s]+/[^/\s]+/T|/var/tmp|/tmp)(?=$|[/\s:,;\"'])"
)


@dataclass(frozen=True)
class Variables:
    """``recorded`` maps names to shortened values; ``left_out`` are names whose values were not
    recorded.
    """

    recorded: Mapping[str, str]
    left_out: tuple[str, ...] = ()


def read(environment: Mapping[str, str], host: str = "") -> Variables:
    """Return the part of ``environment`` that may be in a report, sorted by name. ``host`` is this
    machine's name, which is hidden.
    """
    home = environment.get("HOME") or environment.get("USERPROFILE") or ""
    temporary = environment.get("TMPDIR") or tempfile.gettempdir()
    recorded, left_out = {}, []
    for name in sorted(environment):
        if not is_listed(name):
            continue
        value = environment[name]
        if _is_private(name) or looks_secret(value):
            left_out.append(name)
        else:
            recorded[name] = shorten(value, home, temporary, host)[:_LONGEST]
    return Variables(recorded, tuple(left_out))


def describe(environment: Mapping[str, str]) -> dict[str, str]:
    """Return :func:`read` as one mapping, in which a value that was left out is described as
    such.
    """
    found = read(environment, platform.node())
    return dict(sorted({**found.recorded, **dict.fromkeys(found.left_out, LEFT_OUT)}.items()))


def warnings(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return a sentence for every variable in ``environment`` that people rely on and that may do
    nothing.
    """
    return tuple(
        f"{name} is set in your environment and may do nothing: see the placebo {placebo.id} ({placebo.title})"
        for placebo in PLACEBOS
        for name in sorted(placebo.environment)
        if name in environment
    )


def is_listed(name: str) -> bool:
    """Whether a variable of this name affects reproducibility, according to the lists above."""
    return name in NAMES or (name.startswith(PREFIXES) and not name.startswith(_FOREIGN))


def _is_private(name: str) -> bool:
    named = bool(_PRIVATE_WORDS & set(name.split("_")))
    return named or says_secret(name) or name.endswith("_KEY")


def shorten(text: str, home: str = "", temporary: str = "", host: str = "") -> str:
    """Return ``text`` with home folders as ``~``, temporary ones as ``<tmp>`` and UUIDs as
    ``<uuid>``.

    Another user's home is shortened too; a folder elsewhere that is named after the user or the
    host (``/scratch/ada``) loses that name.
    """
    for folder, short in ((temporary, "<tmp>"), (home, "~")):
        folder = folder.rstrip("/\\")
        if "/" in folder or "\\" in folder:
            text = re.sub(re.escape(folder) + _END, lambda _, short=short: short, text)
    text = _HOMES.sub("~", _TEMPORARY.sub("<tmp>", text))
    text = _HOME_ELSEWHERE.sub(r"\1/<user>", text)
    for name, short in ((PurePosixPath(home.replace("\\", "/")).name, "<user>"), (host, "<host>")):
        if name:
            text = re.sub(r"(?<=[/\\])" + re.escape(name) + _END, short, text)
    return _UUID.sub("<uuid>", text)
