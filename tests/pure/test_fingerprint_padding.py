"""The bytes between two numbers of a long double are nobody's: they are not part of its bits."""

import numpy
import pytest
from detaudit_probes.recording.fingerprint import canonical


@pytest.mark.parametrize("dtype", [numpy.longdouble, numpy.clongdouble])
def test_padding_is_not_fingerprinted_and_the_last_bit_is(dtype):
    values = numpy.array([1, 1 / numpy.longdouble(3)], dtype=dtype)
    padded = values.copy()
    raw = padded.view("uint8")
    width = numpy.dtype(numpy.longdouble).itemsize
    if width == 16 and numpy.finfo(numpy.longdouble).nmant == 63:  # x87: ten bytes of sixteen
        raw.reshape(-1, width)[:, 10:] ^= 0xFF
    assert canonical(values) == canonical(padded)
    other = values + numpy.finfo(numpy.longdouble).eps
    assert canonical(values) != canonical(other)
