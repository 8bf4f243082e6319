"""How far apart two tensors are, in units in the last place, from their bits alone.

The bits of an IEEE 754 number, sign and magnitude, are mapped to integers in the order of the
numbers; the distance is the difference of those integers, so neighbours are 1 apart and -0.0 and
0.0 are 1 apart too (their bits differ). This applies to every binary float format, including those
that NumPy lacks: float64, float32, float16, bfloat16 and the float8 formats.
"""

import math
from dataclasses import dataclass

import numpy as np

WIDTHS = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e4m3": 1,
    "float8_e5m2": 1,
    "float8_e4m3fnuz": 1,
    "float8_e5m2fnuz": 1,
    "float8_e4m3b11fnuz": 1,
}
# Formats without -0.0 and infinity: the bits that would be -0.0 are their only NaN.
_NO_MINUS_ZERO = ("float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e4m3b11fnuz")
_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


@dataclass(frozen=True)
class Distance:
    """Between two tensors of one dtype and shape. ``ulps_max`` is None if the dtype is not a float
    or a NaN is involved; ``first_index`` is the flat index (C order) of the first element that
    differs. ``max_abs`` is the greatest absolute difference, None if a difference is not finite or
    the dtype is not one of float64, float32, float16 and bfloat16.
    """

    ulps_max: int | None
    differing_elements: int
    total: int
    first_index: int
    max_abs: float | None


def distance(left: bytes, right: bytes, dtype: str) -> Distance:
    """Return the distance between the elements of two equally long byte strings (little-endian, C
    order).

    Raises ValueError if the lengths differ or nothing differs.
    """
    if len(left) != len(right):
        raise ValueError(f"{len(left)} and {len(right)} bytes: not the same shape")
    width = WIDTHS.get(dtype) or _item_size(dtype)
    a = np.frombuffer(left, dtype=_UNSIGNED[width]) if width in _UNSIGNED else _rows(left, width)
    b = np.frombuffer(right, dtype=_UNSIGNED[width]) if width in _UNSIGNED else _rows(right, width)
    differ = a != b if a.ndim == 1 else (a != b).any(axis=1)
    if not differ.any():
        raise ValueError("the tensors are equal")
    first, elements = int(np.argmax(differ)), int(differ.sum())
    ulps = _ulps(a[differ], b[differ], dtype) if dtype in WIDTHS else None
    return Distance(ulps, elements, len(a), first, _max_abs(left, right, dtype, differ))


def _item_size(dtype: str) -> int:
    try:
        return np.dtype(dtype).itemsize
    except TypeError:
        return 1


def _rows(data: bytes, width: int) -> np.ndarray:
    return np.frombuffer(data, dtype=np.uint8).reshape(-1, width)


def _ulps(a: np.ndarray, b: np.ndarray, dtype: str) -> int | None:
    if (_is_nan(a, dtype) | _is_nan(b, dtype)).any():
        return None
    left, right = _ordered(a, dtype), _ordered(b, dtype)
    gaps = np.where(left > right, left - right, right - left)
    return int(gaps.max())


def _ordered(bits: np.ndarray, dtype: str) -> np.ndarray:
    """Return unsigned integers in the order of the floats: negative numbers flipped, positive ones
    raised.

    -0.0 comes directly below 0.0; if a format has none, its negative numbers close the gap.
    """
    sign = bits.dtype.type(1 << (8 * bits.dtype.itemsize - 1))
    return np.where(bits & sign, ~bits + bits.dtype.type(dtype in _NO_MINUS_ZERO), bits | sign)


def _is_nan(bits: np.ndarray, dtype: str) -> np.ndarray:
    width = bits.dtype.itemsize
    magnitude = bits & bits.dtype.type((1 << (8 * width - 1)) - 1)
    infinity = {
        "float64": 0x7FF << 52,
        "float32": 0xFF << 23,
        "float16": 0x1F << 10,
        "bfloat16": 0xFF << 7,
        "float8_e5m2": 0x7C,
        "float8_e4m3": 0x78,
        "float8_e4m3fn": 0x7E,
    }.get(dtype)
    if infinity is None:
        return bits == bits.dtype.type(1 << (8 * width - 1))
    return magnitude > bits.dtype.type(infinity)


def _max_abs(left: bytes, right: bytes, dtype: str, differ: np.ndarray) -> float | None:
    if dtype not in ("float64", "float32", "float16", "bfloat16"):
        return None
    # NaN and infinity are among the values searched for
    with np.errstate(invalid="ignore", over="ignore"):
        gap = float(np.abs(_float64(left, dtype) - _float64(right, dtype))[differ].max())
    return gap if math.isfinite(gap) else None


def _float64(data: bytes, dtype: str) -> np.ndarray:
    if dtype == "bfloat16":
        return (
            (np.frombuffer(data, dtype="<u2").astype(np.uint32) << 16)
            .view(np.float32)
            .astype(np.float64)
        )
    return np.frombuffer(data, dtype=dtype).astype(np.float64)
