"""The cost of a recipe: its step time compared with that of no recipe, measured alone on the
machine and in alternation.
"""

from collections.abc import Sequence
from statistics import median

from detaudit_probes.protocol import Settings

from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Experiment, Finished

ALTERNATIONS = 3
#: Steps that build and compile the graph, or warm caches; the median omits them.
WARM_UP = 5
EPOCHS = {"text": 30, "mlp": 20}


def cost(
    none: Condition, recipe: Condition, alternations: int = ALTERNATIONS
) -> Experiment[tuple[float, ...]]:
    """Return the ratios of median step times, recipe to none, one per alternation.

    Each trial is requested only when the previous one has ended, so that nothing else runs beside
    it.
    """
    epochs = Settings(epochs=EPOCHS.get(none.model, 20))
    ratios = []
    for number in range(alternations):
        pair = []
        for condition in (none, recipe):
            timed = condition.with_settings(epochs).with_orders(record=False)
            trial = Trial(timed, 2 * number)
            found = yield [trial]
            pair.append(_step_time(found[trial]))
        if pair[0] and pair[1]:
            ratios.append(pair[1] / pair[0])
    return tuple(ratios)


def _step_time(done: Finished) -> float | None:
    """Return the seconds of a median step, or None if the trial did not complete."""
    if done.completed_trace is None:
        return None
    seconds: Sequence[float] = done.completed_trace.measures.step_seconds[WARM_UP:]
    return median(seconds) if seconds else None
