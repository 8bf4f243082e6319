"""The proof of a recipe: the printed lines themselves, in a separate script, in pairs of fresh
processes.

Nothing of detaudit runs in these processes: a plain script with the lines at its top trains every
tiny model like a user, with ``fit``, and prints a SHA-256 of each model's losses and weights.
"""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detaudit_probes.backends import TF_KERAS

from detaudit.commands.scan.findings import Recipe, Rung
from detaudit.core.counting import excluded_rate
from detaudit.core.outcome import last_line
from detaudit.core.sentences import number
from detaudit.core.verdict import Count

TEMPLATE = Path(__file__).with_name("templates") / "recipe_training.py.txt"
AS_PRINTED = "as printed"


@dataclass(frozen=True)
class _Ended:
    """How one process ended; ``digests`` are those that it printed, by model."""

    status: int
    last_words: str
    digests: Mapping[str, str] = field(default_factory=dict)


def script(lines: Sequence[str], backend: str, models: Sequence[str]) -> str:
    """Return the recipe's lines, followed by a training of each of the ``models``."""
    text = TEMPLATE.read_text(encoding="utf-8").replace("(MODELS)", f"({', '.join(models)},)", 1)
    if backend in TF_KERAS:
        text = text.replace("import keras\n", "from tensorflow import keras\n", 1)
    return "\n".join(lines) + "\n" + text


def verify(
    rung: Rung,
    backend: str,
    models: Sequence[str],
    python: str,
    environment: Mapping[str, str],
    folder: Path,
    timeout: float,
    wanted: int,
    ended: Callable[[], None] = lambda: None,
) -> Recipe:
    """Run the rung's lines in up to ``wanted`` pairs of fresh processes, one pair at a time, until
    one differs.

    The recipe is verified if all match on all ``models``. ``environment`` is what the processes
    inherit; the rung's own variables are added. ``timeout`` is that of a pair. ``ended`` is called
    for every process that has ended.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"recipe-{rung.id}.py"
    path.write_text(script(rung.lines, backend, models), encoding="utf-8")
    variables = {**environment, **dict(rung.environment)}
    pairs: list[list[_Ended]] = []
    differing: list[str] = []
    while len(pairs) < wanted and not differing:
        pair = _run_pair(python, path, variables, timeout)
        for _ in pair:
            ended()
        failed = [
            ended for ended in pair if ended.status != 0 or ended.digests.keys() != set(models)
        ]
        if failed:
            reason = f"the script with these lines exited with status {failed[0].status}: {failed[0].last_words}"
            # It has shown nothing either way
            return _recipe(rung, None, len(pairs) + 1, models, (), reason)
        pairs.append(pair)
        left, right = pair
        differing = [model for model in models if left.digests[model] != right.digests[model]]
    count = number(len(pairs), "pair")
    on = number(len(models), "model")
    reason = f"with exactly these lines, {count} of fresh processes match on {on}"
    if differing:
        reason = f"with exactly these lines, pair {len(pairs)} of fresh processes differs on {', '.join(differing)}"
    return _recipe(rung, not differing, len(pairs), models, differing, reason)


def _recipe(
    rung: Rung,
    verified: bool | None,
    pairs: int,
    models: Sequence[str],
    differing: Sequence[str],
    reason: str,
) -> Recipe:
    """Return what ``pairs`` have shown; only the last one may differ."""
    counts = (
        []
        if verified is None
        else [
            Count(AS_PRINTED, model, pairs - (model in differing), int(model in differing))
            for model in models
        ]
    )
    excluded = excluded_rate(pairs) if verified else None
    return Recipe(
        rung.id, rung.lines, rung.environment, verified, 2 * pairs, reason, tuple(counts), excluded
    )


def _run_pair(
    python: str, path: Path, environment: Mapping[str, str], timeout: float
) -> list[_Ended]:
    """Run two processes side by side; their output goes to files, so that neither can block on a
    full pipe.
    """
    started = []
    deadline = time.monotonic() + timeout
    try:
        for side in range(2):
            out = path.with_name(f"recipe-{side}.out")
            with open(out, "wb") as file:
                process = subprocess.Popen(
                    [python, str(path)],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=dict(environment),
                    cwd=path.parent,
                    start_new_session=True,
                )
            started.append((process, out))
        return [_wait(process, out, deadline) for process, out in started]
    finally:  # interrupted while one is waited for: the others are ended too
        for process, _ in started:
            if process.poll() is None:
                process.kill()
                process.wait()


def _wait(process: subprocess.Popen, out: Path, deadline: float) -> _Ended:
    try:
        status = process.wait(timeout=max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    text = out.read_text(encoding="utf-8", errors="replace")
    words = [line.split() for line in text.splitlines() if line.startswith("digest ")]
    digests = {parts[1]: parts[2] for parts in words if len(parts) == 3}
    return _Ended(status, last_line(text)[:300] or "no output", digests)
