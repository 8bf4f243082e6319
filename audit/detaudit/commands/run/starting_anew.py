"""A fix for a program whose second run reads what its first one left: the argument of a library
that starts anew.
"""

from collections.abc import Iterator

from detaudit.commands.run import fix
from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import Cause, Fix
from detaudit.commands.run.repeat import Comparing, ask
from detaudit.core.condition import Trial
from detaudit.core.counting import excluded_rate
from detaudit.core.divergence import Match
from detaudit.core.experiment import Experiment
from detaudit.registry import base


def find_fix(case: Case, cause: Cause, pairs: int, compare: Comparing) -> Experiment[Fix | None]:
    """Return the first change with which ``pairs`` of runs in fresh folders match, and as many runs
    that each start with the files that the first of them left match that one; None if there is
    none.
    """
    before: dict[str, str | None] = {}
    for number, way in enumerate(_ways(cause)):
        files = fix.applied(case, (way,), before)
        if files is None:
            continue
        version = case.program.add_version(f"anew {number}", files)
        fresh = case.unpinned.with_orders(version=version, kept=True)
        answer = yield from ask(fresh, pairs)
        if answer.matches is not True:
            continue
        again = [Trial(fresh.with_orders(kept=False, left=True), one) for one in range(pairs)]
        found = yield again
        if all(isinstance(compare(answer.runs[0], found[one]), Match) for one in again):
            runs, excluded = answer.repeats.runs, excluded_rate(pairs)
            return Fix(
                fix.diff(before, files),
                (),
                True,
                runs + pairs,
                f"{runs} runs of the changed script are bitwise identical (a rate above {excluded:.0%} is excluded), "
                f"and so are {pairs} that start with the files of an earlier run",
                excluded_rate=excluded,
                texts=fix.changed_texts(case, before, files),
            )
    return None


def _ways(cause: Cause) -> Iterator[fix.Way]:
    yield from fix.library_ways(cause)
    for edit in base.script_sources()[cause.source].edits:
        yield fix.Way(edit, sites=cause.sites)
