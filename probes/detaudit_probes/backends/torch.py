"""Torch with Keras 3."""

import os
from typing import Any, Dict, List, Tuple

from detaudit_probes.backends import keras3
from detaudit_probes.backends.keras3 import tensor
from detaudit_probes.declare import KERAS_3, Backend
from detaudit_probes.given import Unavailable
from detaudit_probes.protocol import Settings
from detaudit_probes.recording import on_device as algorithm

IMPORTS = ("numpy", "torch", "keras")
BACKEND = Backend(
    id="torch",
    title="Torch",
    keras_name="torch",
    keras=KERAS_3,
    distributions=("torch",),
    installs=("torch", "keras"),
    extra=True,
    settings=Settings(jit_compile=False),
)


def configure(trial: Any) -> None:
    """Set threads before the first operation. Keras places its tensors on a GPU if it finds one.

    Raises Unavailable if there is no such GPU.
    """
    import torch

    if trial.settings.intra_op_threads is not None:
        set_threads(trial.settings.intra_op_threads)
    if trial.settings.inter_op_threads is not None:
        torch.set_num_interop_threads(trial.settings.inter_op_threads)
    device = trial.request.device
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        _place("cpu")
    elif device.startswith("gpu"):
        number = int(device.partition(":")[2] or 0)
        if number >= gpus():
            raise Unavailable(
                "only %d GPU is visible to Torch" % gpus()
                if gpus()
                else "no GPU is visible to Torch"
            )
        _place("cuda:%d" % number)


def set_threads(count: int) -> None:
    import torch

    torch.set_num_threads(count)


def _place(device: str) -> None:
    """Set ``KERAS_TORCH_DEVICE``, from which Keras takes the default device when it is imported."""
    from keras.src.backend.torch import core

    core.DEFAULT_DEVICE = device


def gpus() -> int:
    import torch

    return torch.cuda.device_count()


def gpu_in_use() -> bool:
    from keras.src.backend.torch import core

    return core.get_device().startswith("cuda")


def freshen(value: int) -> None:
    """Torch seeds its generator when it is imported, so forks would share the seed."""
    seed(value)


def seed(value: int) -> None:
    import torch

    torch.manual_seed(value)


def make_deterministic() -> None:
    """On a GPU, cuBLAS needs one of two workspace settings in the environment; otherwise Torch
    raises.
    """
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)


def deterministic() -> bool:
    import torch

    return torch.are_deterministic_algorithms_enabled()


def intra_op_threads() -> int:
    import torch

    return torch.get_num_threads()


def count_draws() -> None:
    """Counts nothing: the generator's state shows whether it was used."""


def unseeded_draws() -> int:
    return 0


def generator_states() -> List[Tuple[str, Any]]:
    """Return the states of the CPU's default generator, of those of GPUs in use, and of Keras'."""
    import torch

    states = [torch.default_generator.get_state().numpy().tobytes()]
    if torch.cuda.is_initialized():
        states += [one.numpy().tobytes() for one in torch.cuda.get_rng_state_all()]
    return [("torch", repr(states)), keras3.generator_state(read)]


def dtype_name(value: Any) -> str:
    return str(getattr(value, "dtype", "")).replace("torch.", "")


def on_card(variable: Any) -> bool:
    import torch

    value = tensor(variable)
    return bool(getattr(value, "is_cuda", False)) and value.layout == torch.strided


def lanes(values: List[Any]) -> List[Tuple[int, int]]:
    """Compute :func:`detaudit_probes.recording.on_device.of_array` of each tensor on its device.
    Torch has no unsigned integers that could avoid the sign bits of a right shift, so they are
    masked out.
    """
    import torch

    with torch.no_grad():
        sums = [_lanes(value.detach().resolve_neg()) for value in values]
        places: Dict[Any, List[int]] = {}
        for place, one in enumerate(sums):
            places.setdefault(one.device, []).append(place)
        found = {
            place: (a & 0xFFFFFFFF, b & 0xFFFFFFFF)
            for some in places.values()
            for place, (a, b) in zip(some, torch.stack([sums[place] for place in some]).tolist())
        }
        return [found[place] for place in range(len(values))]


def _lanes(value: Any) -> Any:
    import torch

    width = value.element_size()
    if width < 4:
        words = value.reshape(-1).view({1: torch.uint8, 2: torch.int16}[width]).to(torch.int32)
        words &= (1 << 8 * width) - 1
    else:
        words = value.contiguous().reshape(-1).view(torch.int32)
    total = torch.zeros(2, dtype=torch.int64, device=value.device)
    for start in range(0, len(words), algorithm.BLOCK):
        part = words[start : start + algorithm.BLOCK]
        mixed = torch.arange(start, start + len(part), device=value.device).to(torch.int32)
        mixed.mul_(_signed(algorithm.POSITION)).add_(part)
        for multiplier, shift in zip((algorithm.FIRST, algorithm.SECOND), algorithm.SHIFTS):
            _fold(mixed, shift).mul_(_signed(multiplier))
        total[0] += _fold(mixed, algorithm.SHIFTS[2]).sum()
        total[1] += _fold(mixed.mul_(_signed(algorithm.THIRD)), algorithm.SHIFTS[3]).sum()
    return total


def _fold(words: Any, shift: int) -> Any:
    return words.bitwise_xor_((words >> shift).bitwise_and_((1 << 32 - shift) - 1))


def _signed(number: int) -> int:
    return number - (1 << 32 if number >> 31 else 0)


def read(variable: Any) -> Any:
    """Return a copy, because Torch returns live memory, which the next step overwrites."""
    import numpy

    return numpy.array(view(variable))


def view(variable: Any) -> Any:
    """Like :func:`read`, but of live memory: copying large weights takes ten times as long as
    digesting them. NumPy has no bfloat16, which is returned by its bits.
    """
    import numpy
    import torch

    value = tensor(variable)
    if not isinstance(value, torch.Tensor):
        return numpy.asarray(value)
    value = value.detach().cpu().resolve_conj().resolve_neg()
    if value.dtype == torch.bfloat16:
        bits = value.view(torch.int16).numpy()
        try:
            import ml_dtypes  # Keras needs it, plain Torch does not
        except ImportError:
            return bits
        return bits.view(ml_dtypes.bfloat16)
    return value.numpy()


def sync(model: Any) -> None:
    """Does nothing: the variables contain the state while ``fit`` runs."""


def record_step(model: Any, caught: List[keras3.Named]) -> None:
    """A compiled step returns only the batch: other results could change how it is fused."""
    if not model.jit_compile:
        keras3.record_step(model, caught, keras3.dense)


def optimizer_variables(model: Any) -> List[Any]:
    return keras3.optimizer_variables(model)


def facts() -> Dict[str, Any]:
    """Return the facts of the framework that both runs of a pair must share and that a report
    shows.
    """
    import keras
    import torch

    return {
        "backend": "torch",
        "keras_backend": keras.backend.backend(),
        "torch_git": torch.version.git_version,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if torch.version.cuda else None,
        "mkldnn": torch.backends.mkldnn.is_available(),
    }
