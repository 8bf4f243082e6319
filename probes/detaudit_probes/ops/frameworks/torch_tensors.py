"""The arguments and results of a Torch operation: its tensors and their bits."""

from typing import Any, Dict, List, Optional, Tuple

GENERATOR = "generator"
#: Operations that overwrite their argument, whatever it contains.
_OVERWRITES = (
    "copy_",
    "fill_",
    "zero_",
    "normal_",
    "uniform_",
    "bernoulli_",
    "random_",
    "exponential_",
    "cauchy_",
    "geometric_",
    "log_normal_",
    "_foreach_copy_",
    "_foreach_zero_",
)


def is_overwritten(name: str, argument: Any) -> bool:
    """Is the argument's content never read? This is also so for ``out=``."""
    written = argument.alias_info is not None and argument.alias_info.is_write
    return written and (name in _OVERWRITES or argument.kwarg_only)


def given(function: Any, arguments: Any, named: Any) -> List[Tuple[Any, Any]]:
    """Return the operation's arguments: (argument of its schema, value)."""
    schema = function._schema.arguments
    return list(zip(schema, arguments)) + [
        (one, named[one.name]) for one in schema if one.name in named
    ]


def is_view(function: Any) -> bool:
    """Does its result share its memory with an argument, unchanged?"""
    return any(
        one.alias_info is not None and not one.alias_info.is_write
        for one in function._schema.returns
    )


def tensors(value: Any) -> List[Any]:
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    return (
        [each for one in value for each in tensors(one)] if isinstance(value, (list, tuple)) else []
    )


def is_real(tensor: Any) -> bool:
    """Does it have elements in a storage of its own kind? Others (meta, fake, sparse) are not
    observed.
    """
    import torch

    return (
        type(tensor) in (torch.Tensor, torch.nn.Parameter)
        and tensor.layout == torch.strided
        and tensor.device.type != "meta"
    )


def bits(tensor: Any) -> Optional[Any]:
    """Return the elements as an array that may be live memory; dtypes that NumPy lacks as integers
    of their size.
    """
    import torch

    value = tensor.detach().resolve_conj().resolve_neg().cpu()
    if value.dtype == torch.bfloat16:
        return value.view(torch.int16).numpy()
    try:
        return value.numpy()
    except TypeError:
        return (
            value.contiguous().view(torch.uint8).numpy() if value.dtype.is_floating_point else None
        )


def drawn_from(torch: Any, function: Any, given: Any, tensors: Any) -> List[Any]:
    """Return the generators whose state the operation changes: the given one, or the
    default one.
    """
    if torch.Tag.nondeterministic_seeded not in function.tags:
        return []
    mine = [value for _, value in given if isinstance(value, torch.Generator)]
    device = next((one.device for _, one in tensors), torch.device("cpu"))
    device = next(
        (torch.device(value) for argument, value in given if argument.name == "device" and value),
        device,
    )
    if not mine and device.type == "cuda":
        return [torch.cuda.default_generators[device.index or 0]]
    return mine or [torch.default_generator]


def described(tensor: Any) -> str:
    return "%s%s" % (str(tensor.dtype).replace("torch.", ""), list(tensor.shape))


def limits(tensor: Any) -> Optional[Tuple[int, int]]:
    """Return the smallest and the largest element of whole numbers."""
    value = (
        bits(tensor) if not tensor.dtype.is_floating_point and not tensor.dtype.is_complex else None
    )
    whole = value is not None and value.dtype.kind in "iu" and value.size
    return (int(value.min()), int(value.max())) if whole and value is not None else None


def attributes(given: Any) -> Dict[str, Any]:
    """Return the arguments that are not tensors, by name."""
    return {argument.name: _plain(value) for argument, value in given if not tensors(value)}


def call(given: Any) -> Tuple[Tuple[str, Any], ...]:
    """Return how ``torch.ops`` takes the operation: tensors by their places; in a list, some may be
    None.
    """
    found, place = [], 0  # type: List[Tuple[str, Any]], int
    for argument, value in given:
        if isinstance(value, (list, tuple)) and tensors(value):
            places = []  # type: List[Optional[int]]
            for one in value:
                places.append(place if one is not None else None)
                place += one is not None
            found.append((argument.name, places))
        elif tensors(value):
            found.append((argument.name, place))
            place += 1
        else:
            found.append(("attribute " + argument.name, _plain(value)))
    return tuple(found)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if type(value).__name__ == "Generator":
        return GENERATOR  # its state is an input
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
