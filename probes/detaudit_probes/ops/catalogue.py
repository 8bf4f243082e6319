"""Every operation that ``detaudit ops`` replays, by family: one file each."""
from typing import Tuple

from detaudit_probes.ops import scatter
from detaudit_probes.ops.entry import Operation

FAMILIES = (scatter,)

OPERATIONS: Tuple[Operation, ...] = tuple(one for family in FAMILIES for one in family.OPERATIONS)
