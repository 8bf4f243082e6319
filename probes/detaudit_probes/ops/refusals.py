"""What the installed library says about itself: the messages with which operations refuse to run
under op determinism.

They are read from the library's own strings, so the list is that of the installed version. A
message names operations in words that are not always their registered names; ``SAID`` translates
them.
"""

import glob
import mmap
import os
import re
from typing import Any, List, Set, Tuple

from detaudit_probes.protocol import Refused

# One message of TensorFlow 2.21 is misspelled
_WORD = re.compile(rb"[Dd]eterminis[mt]|[Dd]etermins")
_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")
#: A string with one of these phrases is a refusal; other strings with the word are names or
#: settings.
_REFUSES = re.compile(
    r"implementation of .* not (currently )?available|not yet supported|"
    r"do not yet have a deterministic|is not deterministic\.|cannot be called when determinism|"
    r"[Nn]o deterministic"
)
LONGEST = 1000

#: Phrases of a message, and the operations that they mean.
SAID = (
    (
        "fused batch-norm backprop",
        ("FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3"),
    ),
    ("DepthwiseConvBackpropFilter", ("DepthwiseConv2dNativeBackpropFilter",)),
    ("SparseTensorDenseMatmulOp", ("SparseTensorDenseMatMul",)),
    ("CropAndResizeBackpropBoxes", ("CropAndResizeGradBoxes",)),
    ("CropAndResizeBackpropImage", ("CropAndResizeGradImage",)),
    (
        "unsorted segment reduction",
        ("UnsortedSegmentSum", "UnsortedSegmentProd", "UnsortedSegmentMax", "UnsortedSegmentMin"),
    ),
    (
        "of sorted segment reduction",
        ("SegmentSum", "SegmentMean", "SegmentProd", "SegmentMax", "SegmentMin"),
    ),
    ("MaxPool gradient ops", ("MaxPoolGrad", "MaxPoolGradGrad")),
    (
        "Scatter ops with ref inputs",
        (
            "ScatterAdd",
            "ScatterSub",
            "ScatterMul",
            "ScatterDiv",
            "ScatterMin",
            "ScatterMax",
            "ScatterUpdate",
        ),
    ),
    ("SVD", ("Svd",)),
)


def found(tf: Any) -> Tuple[Refused, ...]:
    """Return the messages of the installed library with the operations that each means, sorted."""
    registered = {name for name in dir(tf.raw_ops) if not name.startswith("_")}
    messages = set()  # type: Set[str]
    for path in libraries(tf):
        messages |= _messages(path)
    return tuple(Refused(one, _meant(one, registered)) for one in sorted(messages))


def libraries(tf: Any) -> List[str]:
    """Return the shared libraries that contain TensorFlow's kernels."""
    folder = os.path.dirname(tf.__file__)
    names = [
        os.path.join(folder, "libtensorflow_cc.so*"),
        os.path.join(folder, "libtensorflow_cc*.dylib"),
        os.path.join(folder, "python", "_pywrap_tensorflow_internal.*"),
    ]
    return sorted({path for name in names for path in glob.glob(name) if os.path.getsize(path)})


def _messages(path: str) -> Set[str]:
    kept = set()  # type: Set[str]
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for match in _WORD.finditer(content):
            around = content[max(0, match.start() - LONGEST) : match.start() + LONGEST]
            middle = min(match.start(), LONGEST)
            before = _UNPRINTABLE.split(around[:middle])[-1]
            after = _UNPRINTABLE.split(around[middle:])[0]
            text = (before + after).decode("ascii")
            # A whole name, not the end of another
            if text[:1].isupper() and len(text) < LONGEST and _REFUSES.search(text):
                kept.add(text)
    return kept


def _meant(message: str, registered: Set[str]) -> Tuple[str, ...]:
    said = {name for words, names in SAID if words in message for name in names}
    named = {word for word in re.findall(r"[A-Za-z0-9]{4,}", message) if word in registered}
    return tuple(sorted(said | named))
