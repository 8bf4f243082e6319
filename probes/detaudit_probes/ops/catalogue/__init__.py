"""Every operation that ``detaudit ops`` replays, by family: one file each."""

from typing import Tuple

from detaudit_probes.ops.catalogue import (
    activations,
    arithmetic,
    convolutions,
    gathering,
    images,
    linear_algebra,
    losses,
    matrices,
    normalization,
    optimizers,
    others,
    pooling,
    random_numbers,
    recurrent,
    reductions,
    scatters,
    segments,
    shaping,
    sparse,
    variables,
)
from detaudit_probes.ops.entry import Operation

FAMILIES = (
    matrices,
    convolutions,
    pooling,
    normalization,
    activations,
    arithmetic,
    reductions,
    losses,
    gathering,
    scatters,
    segments,
    variables,
    optimizers,
    shaping,
    images,
    linear_algebra,
    recurrent,
    sparse,
    random_numbers,
    others,
)

OPERATIONS: Tuple[Operation, ...] = tuple(one for family in FAMILIES for one in family.OPERATIONS)
