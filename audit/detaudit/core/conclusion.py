"""What an audit comes to: its outcome in a word, the exit code, and why
(docs/reference/exit-codes.md).
"""

from dataclasses import dataclass

OK, UNFIT, INCONCLUSIVE = "ok", "broken", "inconclusive"


@dataclass(frozen=True)
class Conclusion:
    outcome: str
    exit_code: int
    reason: str
