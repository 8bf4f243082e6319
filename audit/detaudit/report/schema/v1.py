"""Version 1 of the report, as types of its own: what stands here is published
(docs/reference/report.md).

A document is exactly what its version says. A field that is not listed here is refused, and a new
one is a new version with a step in ``read.UPGRADES``; so nothing is lost without a word when a
report is read and written again. Lengths are bounded, for a report is somebody else's file.

``python -m detaudit.report.schema.v1`` prints the JSON Schema that ships as
docs/reference/report.schema.json.
"""

import sys
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

FORMAT = "detaudit.report"

# Version history, oldest first. A step from n to n + 1 is read.UPGRADES[n - 1].
#   1  the first
VERSION = 1

#: The most characters of a name, of one line to paste, and of a sentence or a message.
NAME, LINE, TEXT = 300, 500, 4000
LARGEST_DIFF = 200_000

Name = Annotated[str, Meta(max_length=NAME)]
Line = Annotated[str, Meta(max_length=LINE)]
Text = Annotated[str, Meta(max_length=TEXT)]
Names = Annotated[tuple[Name, ...], Meta(max_length=1000)]
Lines = Annotated[tuple[Line, ...], Meta(max_length=100)]
Texts = Annotated[tuple[Text, ...], Meta(max_length=1000)]
Variable = Annotated[str, Meta(max_length=NAME, pattern="^[A-Za-z_][A-Za-z0-9_]*$")]
Variables = Annotated[dict[Variable, Text], Meta(max_length=200)]
Facts = Annotated[dict[str, Any], Meta(max_length=1000)]
#: JSON Schema has integers of 64 bits with a sign; a distance in ULPs beyond that is told as the
#: largest.
LARGEST = 2**63 - 1
Natural = Annotated[int, Meta(ge=0, le=LARGEST)]
Version = Annotated[int, Meta(ge=1, le=LARGEST)]
Numbers = Annotated[tuple[Natural, ...], Meta(max_length=100_000, description="Numbers of trials.")]
Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(ge=0, le=1e300)]
Finite = Annotated[float, Meta(ge=-1e300, le=1e300)]
Kind = Literal["reproducible", "needs-pin", "varies", "broken", "skipped", "error"]
Stage = Literal["rng", "data", "init", "forward", "loss", "gradient", "update", "metric", "output"]


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the document: every field is always there, and none but these."""


class Tool(Part):
    """What wrote the report."""

    name: Name
    version: Name


class Header(Part):
    """The only place for times and loads: two audits that found the same differ here alone, and in
    ``cost``.

    ``began`` is UTC, ISO 8601. ``seconds`` is wall time, ``trial_seconds`` the sum over all trials,
    and ``peak_memory`` the most that one trial's process held, in bytes.
    """

    began: Name
    seconds: Positive
    trial_seconds: Positive
    peak_memory: Natural


class Divergence(Part):
    """The first pair of observations that differ. ``step`` is null for what happens once.

    ``kind`` is ``bits``, ``missing`` (only one run has the observation) or ``shape`` (dtype or
    shape differ). ``differing_elements`` of ``total`` differ, the first at flat index
    ``first_index``, by at most ``ulps_max`` units in the last place and ``max_abs``; each is null
    where it is not known.
    """

    stage: Stage
    step: Natural | None
    name: Name
    kind: Literal["bits", "missing", "shape"]
    ulps_max: Natural | None
    differing_elements: Natural | None
    total: Natural | None
    first_index: Natural | None
    max_abs: Positive | None


class Count(Part):
    """What the pairs of one condition showed on one model."""

    name: Name
    model: Name
    matching: Natural
    differing: Natural


class Fix(Part):
    """The pin as one applies it: lines for the top of a script, and variables to set before it
    starts.
    """

    lines: Lines
    environment: Variables
    note: Text


class Settings(Part):
    """One model's settings: those in one group gave the same bits."""

    model: Name
    groups: Annotated[tuple[Names, ...], Meta(max_length=1000)]


class Replays(Part):
    """So many calls on the same inputs, and how many distinct results they gave."""

    replays: Natural
    distinct: Natural


class LocatedOperation(Part):
    """The operation at which replays parted with equal inputs, every operation watched."""

    name: Name
    inputs: Names
    outputs: Names
    device: Name
    attributes: Facts
    replays: Replays


class LayerReplay(Part):
    """Consecutive operations of a replayed step that work for one layer, loss or variable.

    Distinct inputs and outputs are counted over all replays.
    """

    stage: Name
    name: Name
    operations: Natural
    distinct_inputs: Natural
    distinct_outputs: Natural


class Pinpoint(Part):
    """The operation at which a replayed step parts; ``operation`` is null where only the layer was
    asked for. ``kind`` is what was replayed.

    ``origin``: ``kernel`` (from equal state, in one process), ``state`` (equal inputs, other
    results in another process), ``python`` (Python code, and no operation, gave it other inputs),
    ``input`` (what it was given differed between processes already), ``other`` (other operations
    are executed from there on), or nothing. ``recorded``, ``eager`` and ``compiled`` are replays of
    the step as a whole: with every operation watched, without, and as it was compiled;
    ``recorded_matches_eager`` and ``eager_matches_compiled``: whether watching, and eager
    execution, give bits that the step has without. ``line`` is the user's. ``layers`` is the
    watched step, layer by layer, in the order of execution. ``failed`` says why the step could not
    be replayed; ``replay_matches_step`` whether replays that repeat themselves end where the step
    did.
    """

    kind: Name
    operations: Natural
    origin: Literal["kernel", "state", "python", "input", "other", ""]
    operation: LocatedOperation | None
    stage: Name
    layer: Name
    line: Name
    recorded: Replays | None
    eager: Replays | None
    compiled: Replays | None
    recorded_matches_eager: bool | None
    eager_matches_compiled: bool | None
    layers: Annotated[tuple[LayerReplay, ...], Meta(max_length=2000)]
    failed: Text = ""
    replay_matches_step: bool | None = None


class Verdict(Part):
    """What the experiment showed about one source.

    ``trial_count`` is how many trials it rests on, ``trial_numbers`` which. ``pin`` is the id of
    the pin that was seen to hold, ``other_pins`` those that held as well, ``fix`` the lines of
    ``pin``. ``excluded_rate`` is the rate of parting above which the agreeing pairs exclude it at
    95 %.
    """

    source: Name
    family: Name
    title: Text
    verdict: Kind
    reason: Text
    trial_count: Natural
    trial_numbers: Numbers
    pin: Name | None
    other_pins: Names
    fix: Fix | None
    divergence: Divergence | None
    pinpoint: Pinpoint | None
    settings: Annotated[tuple[Settings, ...], Meta(max_length=1000)]
    counts: Annotated[tuple[Count, ...], Meta(max_length=10_000)]
    excluded_rate: Share | None


class Controlled(Part):
    """One model, everything pinned: its pairs, and what kept pairs from being compared."""

    model: Name
    matching: Natural
    differing: Natural
    problems: Texts
    unavailable: Text | None
    divergence: Divergence | None
    trial_count: Natural
    trial_numbers: Numbers


class Control(Part):
    """Everything pinned against everything pinned. ``matches`` is null where some model is
    undecided.
    """

    matches: bool | None
    models: Annotated[tuple[Controlled, ...], Meta(max_length=1000)]


class Cell(Part):
    """Whether one generator decides one component; null where it could not be seen."""

    component: Name
    generator: Name
    decides: bool | None
    reason: Text
    trial_count: Natural
    trial_numbers: Numbers


class Rung(Part):
    """One recipe of the ladder, on every tiny model. ``works`` is null where it could not be
    decided.

    ``cost`` is the ratio of the median step time to that of no recipe, ``cost_range`` its least and
    greatest value; null where it was not measured.
    """

    id: Name
    title: Text
    lines: Lines
    environment: Variables
    works: bool | None
    counts: Annotated[tuple[Count, ...], Meta(max_length=10_000)]
    reason: Text
    cost: Positive | None
    cost_range: tuple[Positive, Positive] | None
    changes: Texts
    trial_count: Natural
    trial_numbers: Numbers


class Recipe(Part):
    """The weakest rung that holds, as lines to paste. ``pinned_sources`` are those of its pins.

    ``verified`` is true only after exactly these lines, in a script of their own that trains every
    tiny model with ``fit``, gave the same bits in every pair of ``runs`` fresh processes; false: a
    pair differs; null: not tried. ``counts`` are those pairs, ``excluded_rate`` is the rate of
    differing pairs above which they exclude it at 95 %.
    """

    rung: Name
    title: Text
    lines: Lines
    environment: Variables
    pinned_sources: Names
    verified: bool | None
    runs: Natural
    reason: Text
    counts: Annotated[tuple[Count, ...], Meta(max_length=1000)] = ()
    excluded_rate: Share | None = None


class Placebo(Part):
    """A setting that people rely on, against the ``real`` one. ``set_in_environment``: the user's
    environment has it.
    """

    id: Name
    title: Text
    real: Text
    does_nothing: bool | None
    reason: Text
    set_in_environment: bool
    trial_count: Natural
    trial_numbers: Numbers


class Level(Part):
    """One level of reach, nearest first; ``matches`` is null where it was not tried."""

    id: Name
    title: Text
    matches: bool | None
    reason: Text
    divergence: Divergence | None
    trial_count: Natural
    trial_numbers: Numbers


class Condition(Part):
    """Everything that was controlled about a run; a variable that is null was taken away.

    ``{draw}`` in a variable stands for a number that differs from trial to trial.
    """

    backend: Name
    device: Name
    model: Name
    seed: Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
    pins: Names
    unpinned: Names
    options: Facts
    environment: Annotated[dict[Variable, Text | None], Meta(max_length=1000)]
    feed: Name | None
    procedure: Name | None


class Trial(Part):
    """One run. ``condition`` is an index into the report's ``conditions``.

    ``outcome`` is ``completed``, ``unavailable``, ``failed``, ``crashed``, ``timed-out`` or
    ``unstarted``. ``digests`` are SHA-256 of canonical bytes, comparable with other
    audits.
    """

    number: Natural
    condition: Natural
    draw: Natural
    outcome: Name
    reason: Text
    steps: Natural
    observations: Natural
    digests: Annotated[dict[Name, Name], Meta(max_length=1000)]


class Document(Part):
    """What every report has. ``reason`` says what decided ``exit_code``; ``options`` replay the
    audit.

    ``fingerprint`` is the algorithm by which observations were compared. ``over_budget`` and
    ``interrupted`` say that the audit ended early.
    """

    format: Literal["detaudit.report"]
    version: Literal[1]
    tool: Tool
    options: Facts
    strict: bool
    header: Header
    machine: Facts
    environment: Facts
    fingerprint: Name | None
    outcome: Literal["ok", "broken", "not-reproducible", "inconclusive"]
    exit_code: Annotated[int, Meta(ge=0, le=255)]
    reason: Text
    verdicts: Annotated[tuple[Verdict, ...], Meta(max_length=1000)]
    conditions: Annotated[tuple[Condition, ...], Meta(max_length=100_000)]
    trials: Annotated[tuple[Trial, ...], Meta(max_length=100_000)]
    warnings: Texts
    over_budget: bool
    interrupted: bool
    notes: Facts

    def __post_init__(self) -> None:
        for one in self.trials:
            if one.condition >= len(self.conditions):
                raise ValueError(
                    f"trial {one.number} names condition {one.condition} of {len(self.conditions)}"
                )

    @property
    def command(self) -> str:
        """Which command wrote it; in JSON the field ``command``, by which the kinds of report are
        told apart.
        """
        return str(type(self).__struct_config__.tag)


class Report(Document, tag_field="command", tag="scan"):
    """The report of a scan. ``requested`` are ids that the user named, ``untried_sources`` those of
    sources that a deeper scan would try here, ``resume`` what to go on with.
    """

    requested: Names
    control: Control | None
    matrix: Annotated[tuple[Cell, ...], Meta(max_length=1000)]
    ladder: Annotated[tuple[Rung, ...], Meta(max_length=100)]
    recipe: Recipe | None
    placebos: Annotated[tuple[Placebo, ...], Meta(max_length=1000)]
    reach: Annotated[tuple[Level, ...], Meta(max_length=100)]
    resume: Text | None
    untried_sources: Names = ()


class Repeats(Part):
    """Runs of one condition: disjoint pairs that ``matching`` and ``differing``; ``excluded_rate``
    as in a verdict.
    """

    runs: Natural
    matching: Natural
    differing: Natural
    excluded_rate: Share | None


class Site(Part):
    """A line of the user's that drew from a source, ``draws`` times. ``in_user_code``: that line
    itself, not a library called from it. ``stack`` leads from the draw to the line.
    """

    file: Name
    line: Natural
    function: Name
    draws: Natural
    in_user_code: bool
    stack: Texts


class Cause(Part):
    """A source that must be pinned for runs to agree. ``necessary``: with its pin alone left out
    they were seen to part; null where that could not be tried. ``note`` is what is to be said of
    the script's own seeds.
    """

    source: Name
    title: Text
    pin: Name
    necessary: bool | None
    sites: Annotated[tuple[Site, ...], Meta(max_length=1000)]
    advice: Text
    note: Text


class Change(Part):
    """The fix: a unified ``diff`` against the user's files, and variables to set before the program
    starts.

    ``redacted``: something private was masked in ``diff``, so it does not apply as it stands.
    ``verified`` is true only after ``runs`` runs of the changed copy agreed to the last bit.
    ``cost`` is the ratio of times, changed to unchanged, ``cost_range`` the least and the greatest.
    ``excluded_rate`` as in a verdict.
    """

    diff: Annotated[str, Meta(max_length=LARGEST_DIFF)]
    environment: Variables
    verified: bool | None
    runs: Natural
    reason: Text
    cost: Positive | None
    cost_range: tuple[Positive, Positive] | None
    excluded_rate: Share | None = None
    redacted: bool = False


class Cost(Part):
    """How long the script takes with ``pins`` held, as a ratio to how long it takes with those of
    ``base``.

    The median of some rounds, ``cost_range`` the least and the greatest; null where a run did not
    complete.
    """

    pins: Names
    base: Names
    cost: Positive | None
    cost_range: tuple[Positive, Positive] | None


class Costs(Part):
    """What the pins that were tried cost, each ``each``, and those that were ``combined``,
    in ``rounds`` rounds.

    ``noise`` is the script as it is against itself.

    ``faster_set`` is another set that holds the runs, against the one before; null where none was
    seen. ``faster_sets_tried`` says where one was looked for, ``fixes`` how its pins are applied.
    """

    rounds: Natural
    noise: Cost
    each: Annotated[tuple[Cost, ...], Meta(max_length=1000)]
    combined: Cost
    faster_set: Cost | None
    fixes: dict[Name, Fix]
    faster_sets_tried: Texts


class Search(Part):
    """What it took to find the causes: ``questions`` are those asked, in order,
    ``incompatible_pins`` those that stopped the script, ``unexercised_pins`` those whose source no
    run has met.
    """

    trial_count: Natural
    seconds: Positive
    questions: Texts
    incompatible_pins: Names
    unexercised_pins: Names


class Varied(Part):
    """A setting of the machine that was changed for further runs, and what they showed."""

    source: Name
    title: Text
    reason: Text
    divergence: Divergence | None


class Output(Part):
    """What runs ``saved`` under a name, or ``printed``: the same in all of them? ``line`` is the
    first that differs.

    The arrays that a script has saved decide the verdict with its training. The other kinds stand
    beside it: a ``metric`` that is not the model's own or is a time, ``data`` that no step used,
    the state of a ``generator`` at the end, and a variable or file that has another ``name``.
    """

    kind: Literal["saved", "printed", "metric", "data", "generator", "name"]
    name: Name
    matches: bool
    line: Natural | None


class Quantity(Part):
    """A loss or a metric as the script's author reads it, where two runs differ: its last value in
    each of them.
    """

    name: Name
    first: Finite
    second: Finite


class Growth(Part):
    """How far two runs are apart after one step: ``differing_elements`` of ``total`` weights
    differ.
    """

    step: Natural
    differing_elements: Natural
    total: Natural
    ulps_max: Natural | None
    max_abs: Positive | None


class Observer(Part):
    """Whether watching changes what is watched; null where it was not seen."""

    bits_unchanged: bool | None
    reason: Text


class Isolation(Part):
    """What kept runs from the user's folder (``overlay``, ``copy`` or ``in-place``), and why no
    better one was had.

    ``left_out`` are names below the folder that runs did not see, ``elsewhere`` paths outside of it
    that they wrote to, ``not_restored`` names below it that are not what they were before the
    audit.
    """

    kind: Literal["", "overlay", "copy", "in-place"]
    reason: Text
    left_out: Names
    elsewhere: Names
    not_restored: Names


class RunReport(Document, tag_field="command", tag="run"):
    """The report of ``detaudit run``. ``reproducible`` is null where it was not decided.

    ``program`` is the script, without its arguments. ``origin`` says whether the first divergence
    came in with what went into the step, or was born there. ``quantity`` says the difference in the
    author's own unit. ``pinned`` are the runs with everything pinned from outside, ``unrecorded``
    those without a recorder. ``fix`` is null where no change was seen to hold, with the reason in
    ``no_fix_reason``, ``cost`` where pins were not timed (``no_cost_reason``: why).
    ``unresolved_pins`` are pins that a search left undecided, ``changed_files`` names below the
    program's folder that its runs write. The result ``depends_on`` settings of the machine under
    which runs repeatedly ended on other bits, and is ``unaffected_by`` those under which they
    matched; ``unresolved_settings`` are those that could not be tried or resolved. ``steps`` are
    those of which the report speaks, if runs were ended early; null: of whole runs.
    """

    program: Name
    reproducible: bool | None
    repeats: Repeats
    unrecorded: Repeats | None
    pinned: Repeats | None
    first_divergence: Divergence | None
    quantity: Quantity | None
    origin: Text
    growth: Annotated[tuple[Growth, ...], Meta(max_length=1000)]
    pinpoint: Pinpoint | None
    causes: Annotated[tuple[Cause, ...], Meta(max_length=100)]
    fix: Change | None
    no_fix_reason: Text
    cost: Costs | None
    no_cost_reason: Text
    search: Search
    depends_on: Annotated[tuple[Varied, ...], Meta(max_length=100)]
    unaffected_by: Annotated[tuple[Varied, ...], Meta(max_length=100)]
    unresolved_settings: Annotated[tuple[Varied, ...], Meta(max_length=100)]
    outputs: Annotated[tuple[Output, ...], Meta(max_length=1000)]
    observer: Observer
    unresolved_pins: Names
    changed_files: Names
    isolation: Isolation
    traceback: Text
    steps: Natural | None = None


class Operation(Part):
    """One operation in one dtype. ``default`` are its replays as it is, ``deterministic`` those
    under op determinism, ``one_thread`` those with one; ``confirmed`` further ones of what parted.

    ``refusal_message`` is what it raised under op determinism. ``same_on_one_thread`` and
    ``same_without_onednn``: the same bits with one thread, and without oneDNN? ``same_in_a_batch``:
    is the first example of a batch the same alone? Null where that was not seen. ``cost`` is the
    ratio of times, op determinism to none, ``cost_range`` the least and the greatest. ``executed``
    are the operations that a call and its gradient run, ``library_message`` what the library says
    of one of them, ``contradicts_documentation`` what was seen otherwise. ``unseeded``: processes
    in which a random operation was called without a seed argument, the global seeds set, and their
    distinct results.
    """

    name: Name
    dtype: Name
    verdict: Kind
    reason: Text
    default: Replays | None
    deterministic: Replays | None
    one_thread: Replays | None
    confirmed: Replays | None
    refusal_message: Text
    same_on_one_thread: bool | None
    same_without_onednn: bool | None
    same_in_a_batch: bool | None
    cost: Positive | None
    cost_range: tuple[Positive, Positive] | None
    executed: Names
    differing_operation: LocatedOperation | None
    divergence: Divergence | None
    library_message: Text
    contradicts_documentation: Text
    unseeded: Replays | None = None


class Refusal(Part):
    """A message of the installed library on operations that refuse to run under op determinism.
    ``refused_here`` are those that refused here, ``ran_here`` those that were called here under op
    determinism and did not.
    """

    message: Text
    operations: Names
    refused_here: Names
    ran_here: Names


class OpsReport(Document, tag_field="command", tag="ops"):
    """The report of ``detaudit ops``. ``requested`` are operations that the user named."""

    requested: Names
    operations: Annotated[tuple[Operation, ...], Meta(max_length=10_000)]
    refusals: Annotated[tuple[Refusal, ...], Meta(max_length=1000)]


#: Any report, told apart by its field ``command``.
AnyReport = Report | RunReport | OpsReport


def schema() -> bytes:
    """The JSON Schema (draft 2020-12) of this version."""
    found = msgspec.json.schema(AnyReport)
    # A docstring's indentation depends on the Python that compiled it
    for part in found["$defs"].values():
        part["description"] = " ".join(part["description"].split())
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "detaudit report, version 1",
    }
    return (
        msgspec.json.format(msgspec.json.encode({**head, **found}, order="sorted"), indent=2)
        + b"\n"
    )


if __name__ == "__main__":
    sys.stdout.buffer.write(schema())
