"""Version 1 of the report: the types of its document. They are published
(docs/reference/report.md).

A document has exactly the fields of its version. An unknown field is refused; a new field needs a
new version with a step in ``read.UPGRADES``. So nothing is lost silently when a report is read and
written again. Lengths are bounded, because a report may come from somebody else.

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

#: The maximum number of characters of a name, of a line to paste, and of a sentence or message.
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
#: JSON Schema integers are signed and have 64 bits; a larger distance in ULPs is reported as this
#: number.
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
    """A part of the document. It always has all of its fields and no others."""


class Tool(Part):
    """The program that wrote the report."""

    name: Name
    version: Name


class TrialTime(Part):
    """When one ``trial`` ran: it ``began`` so many seconds after the first trial of the audit, and
    took ``seconds``.
    """

    trial: Natural
    began: Positive
    seconds: Positive


class Header(Part):
    """The only part with times and loads: two audits with the same findings differ only here and in
    ``cost``.

    ``began`` is UTC, ISO 8601. ``seconds`` is wall time, ``trial_seconds`` the sum over all trials,
    ``peak_memory`` the largest memory of one trial's process, in bytes. ``timeline`` has every
    trial for which a process was started.
    """

    began: Name
    seconds: Positive
    trial_seconds: Positive
    peak_memory: Natural
    timeline: Annotated[tuple[TrialTime, ...], Meta(max_length=100_000)] = ()


class Divergence(Part):
    """The first pair of observations that differ. ``step`` is null for an observation that is made
    once.

    ``kind`` is ``bits``, ``missing`` (only one run has the observation) or ``shape`` (dtype or
    shape differ). ``differing_elements`` of ``total`` elements differ, the first at flat index
    ``first_index``, by at most ``ulps_max`` units in the last place and ``max_abs``; each is null
    if it is not known.
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
    """The number of matching and differing pairs of one condition on one model."""

    name: Name
    model: Name
    matching: Natural
    differing: Natural


class Fix(Part):
    """How to apply a pin: lines for the top of a script, and variables to set before it starts."""

    lines: Lines
    environment: Variables
    note: Text


class Settings(Part):
    """The settings of one model, grouped by their bits: settings in one group gave the same
    bits.
    """

    model: Name
    groups: Annotated[tuple[Names, ...], Meta(max_length=1000)]


class Replays(Part):
    """How often a call was replayed on the same inputs, and how many distinct results it gave."""

    replays: Natural
    distinct: Natural


class LocatedOperation(Part):
    """The operation whose replays differed although their inputs matched, with every operation
    recorded.
    """

    name: Name
    inputs: Names
    outputs: Names
    device: Name
    attributes: Facts
    replays: Replays


class LayerReplay(Part):
    """Consecutive operations of a replayed step that belong to one layer, loss or variable.

    Distinct inputs and outputs are counted over all replays.
    """

    stage: Name
    name: Name
    operations: Natural
    distinct_inputs: Natural
    distinct_outputs: Natural


class Pinpoint(Part):
    """The operation at which replays of a step differ; ``operation`` is null if only the layer was
    requested. ``kind`` is what was replayed.

    ``origin`` is one of: ``kernel`` (different results from equal state, in one process), ``state``
    (different results from equal inputs in another process), ``python`` (Python code, not an
    operation, passed different inputs), ``input`` (the inputs already differed between processes),
    ``other`` (from here on, different operations are executed), or empty. ``recorded``, ``eager``
    and ``compiled`` are replays of the whole step: with every operation recorded, without
    recording, and as compiled. ``recorded_matches_eager`` and ``eager_matches_compiled``: whether
    recording, and eager execution, leave the bits of the step unchanged. ``line`` is the line in
    the user's code. ``layers`` is the recorded step, layer by layer, in the order of execution.
    ``failed`` is the reason why the step could not be replayed. ``replay_matches_step``: if replays
    match each other, whether they also match the original step.
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
    """What the experiments showed about one source.

    ``trial_count`` and ``trial_numbers`` are the trials behind the verdict. ``pin`` is the id of
    the pin that was shown to work, ``other_pins`` those that worked as well, ``fix`` the lines of
    ``pin``. ``excluded_rate``: the matching pairs exclude at 95 % that more than this share of
    pairs differ.
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
    """The pairs of one model with everything pinned, and the reasons why pairs could not be
    compared.
    """

    model: Name
    matching: Natural
    differing: Natural
    problems: Texts
    unavailable: Text | None
    divergence: Divergence | None
    trial_count: Natural
    trial_numbers: Numbers


class Control(Part):
    """Pairs of runs with everything pinned. ``matches`` is null if some model is undecided."""

    matches: bool | None
    models: Annotated[tuple[Controlled, ...], Meta(max_length=1000)]


class Cell(Part):
    """Whether one generator decides one component; null if this could not be determined."""

    component: Name
    generator: Name
    decides: bool | None
    reason: Text
    trial_count: Natural
    trial_numbers: Numbers


class Rung(Part):
    """One recipe of the ladder, on every tiny model. ``works`` is null if it could not be decided.

    ``cost`` is the median step time with the recipe divided by that without, ``cost_range`` the
    smallest and the largest of these ratios; null if it was not measured.
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
    """The weakest recipe that works, as lines to paste. ``pinned_sources`` are the sources that its
    pins cover.

    ``verified`` is true only if exactly these lines were run, in a script that trains every tiny
    model with ``fit``, and every pair of ``runs`` fresh processes gave the same bits; false: a pair
    differs; null: not tried. ``counts`` are those pairs. ``excluded_rate``: the matching pairs
    exclude at 95 % that more than this share of pairs differ.
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
    """A setting that people rely on, compared with the ``real`` one. ``set_in_environment``:
    whether it is set in the user's environment.
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
    """One level of reach, nearest first; ``matches`` is null if it was not tried."""

    id: Name
    title: Text
    matches: bool | None
    reason: Text
    divergence: Divergence | None
    trial_count: Natural
    trial_numbers: Numbers


class Condition(Part):
    """Everything that was controlled about a run; a variable that is null was unset.

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
    """The fields of every report. ``reason`` is what decided ``exit_code``; the audit can be
    repeated with ``options``.

    ``fingerprint`` is the algorithm by which observations were compared. If ``over_budget`` or
    ``interrupted`` is true, the audit ended early.
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
        """The command that wrote the report. In JSON it is the field ``command``, which
        distinguishes the kinds of report.
        """
        return str(type(self).__struct_config__.tag)


class Report(Document, tag_field="command", tag="scan"):
    """The report of a scan. ``requested`` are the ids that the user named, ``untried_sources`` the
    ids of sources that only a deeper scan would try here, ``resume`` the file to continue with, if
    the scan was interrupted.
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
    """Runs of one condition: the numbers of ``matching`` and of ``differing`` disjoint pairs;
    ``excluded_rate`` as in a verdict.
    """

    runs: Natural
    matching: Natural
    differing: Natural
    excluded_rate: Share | None


class Site(Part):
    """A line of the user's code that drew from a source, ``draws`` times. If ``in_user_code`` is
    true, the line itself drew, not a library that it called. ``stack`` leads from the draw to the
    line. If ``draws`` is 0, the line is the call of a library's that the fix changes, and ``stack``
    is the name of the called function.
    """

    file: Name
    line: Natural
    function: Name
    draws: Natural
    in_user_code: bool
    stack: Texts


class Cause(Part):
    """A source that must be pinned for runs to match. ``necessary``: runs differ if only this pin
    is removed; null if this could not be tried. ``note`` is a remark on the seeds that the script
    sets itself.
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

    If ``redacted`` is true, something private was masked in ``diff``, so it does not apply as it
    stands. ``verified`` is true only if ``runs`` runs of the changed copy were bitwise identical.
    ``cost`` is the time of the changed script divided by that of the unchanged one, ``cost_range``
    the smallest and the largest of these ratios. ``excluded_rate`` as in a verdict.
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
    """The time of the script with ``pins`` divided by its time with the pins of ``base``.

    ``cost`` is the median over several rounds, ``cost_range`` the smallest and the largest ratio;
    null if a run did not complete.
    """

    pins: Names
    base: Names
    cost: Positive | None
    cost_range: tuple[Positive, Positive] | None


class Costs(Part):
    """The cost of the tried pins: ``each`` by itself, and ``combined``, in ``rounds`` rounds.

    ``noise`` compares the unchanged script with itself.

    ``faster_set`` is another set of pins with which runs match, compared with the previous set;
    null if none was found. ``faster_sets_tried`` lists where a faster set was searched for,
    ``fixes`` how its pins are applied.
    """

    rounds: Natural
    noise: Cost
    each: Annotated[tuple[Cost, ...], Meta(max_length=1000)]
    combined: Cost
    faster_set: Cost | None
    fixes: dict[Name, Fix]
    faster_sets_tried: Texts


class Search(Part):
    """The work of finding the causes: ``questions`` are those asked, in order;
    ``incompatible_pins`` made the script fail; the sources of ``unexercised_pins`` were used in no
    run.
    """

    trial_count: Natural
    seconds: Positive
    questions: Texts
    incompatible_pins: Names
    unexercised_pins: Names


class Varied(Part):
    """A setting of the machine that was changed in further runs, and what they showed."""

    source: Name
    title: Text
    reason: Text
    divergence: Divergence | None


class Output(Part):
    """Something that runs ``saved`` under a name, or ``printed``: is it the same in all runs?
    ``line`` is the first line that differs.

    The arrays that a script saved count for the verdict, together with its training. The other
    kinds are not judged: a ``metric`` that is a time or not the model's own, ``data`` that no step
    used, the final state of a ``generator``, a variable or file with a different ``name``, a
    ``time`` in what a script printed or saved, and a file with ``other`` differences, in text or in
    a format that is not known.
    """

    kind: Literal["saved", "printed", "metric", "data", "generator", "name", "time", "other"]
    name: Name
    matches: bool
    line: Natural | None


class Quantity(Part):
    """The last value of a loss or metric, as the script's author reads it, in two runs that
    differ.
    """

    name: Name
    first: Finite
    second: Finite


class Growth(Part):
    """How far two runs are apart after one step: ``differing_elements`` of ``total`` weight
    elements differ.
    """

    step: Natural
    differing_elements: Natural
    total: Natural
    ulps_max: Natural | None
    max_abs: Positive | None


class LayerSteps(Part):
    """One row of a step grid: a layer, whose weights a step updates, or another stage of a step,
    whose ``name`` is empty. In ``steps`` each character is a cell.
    """

    stage: Stage
    name: Name
    steps: Name


class StepGrid(Part):
    """In which steps two runs differ, layer by layer, in causal order.

    A cell stands for ``steps_per_cell`` consecutive steps: ``1`` if something of its row differs in
    one of them, ``0`` if all of it is equal, ``-`` if nothing of it was recorded. ``first_step``,
    counted from 0, is the first that differs, ``first_row`` the first row that differs in it; both
    are null if none does. ``rows_left_out`` further rows differ no earlier than any of these.
    """

    rows: Annotated[tuple[LayerSteps, ...], Meta(max_length=1000)]
    steps: Natural
    steps_per_cell: Natural
    first_row: Natural | None
    first_step: Natural | None
    rows_left_out: Natural


class Observer(Part):
    """Whether recording leaves the bits of a run unchanged; null if this was not determined."""

    bits_unchanged: bool | None
    reason: Text


class Isolation(Part):
    """How the user's folder was protected from the runs (``overlay``, ``copy`` or ``in-place``),
    and why no better way was possible.

    ``left_out`` are names below the folder that were hidden from the runs, ``elsewhere`` paths
    outside of it that they wrote to, ``not_restored`` names below it that are not as they were
    before the audit.
    """

    kind: Literal["", "overlay", "copy", "in-place"]
    reason: Text
    left_out: Names
    elsewhere: Names
    not_restored: Names


class RunReport(Document, tag_field="command", tag="run"):
    """The report of ``detaudit run``. ``reproducible`` is null if it was not decided.

    ``program`` is the script, without its arguments. ``origin``: whether the inputs of the first
    differing step already differed, or the step computed a different result from equal inputs.
    ``quantity`` is the difference in a loss or metric of the script's own. ``pinned`` are runs with
    everything pinned from outside, ``unrecorded`` runs without the recorder. ``fix`` is null if no
    change was shown to work (``no_fix_reason`` says why), ``cost`` if pins were not timed
    (``no_cost_reason``). ``unresolved_pins`` are pins that the search could not decide,
    ``changed_files`` names below the program's folder that its runs write. The result
    ``depends_on`` settings of the machine under which runs repeatedly ended on other bits, and is
    ``unaffected_by`` those under which they matched; ``unresolved_settings`` could not be tried or
    decided. ``steps`` is the number of steps that the report covers, if runs were ended early;
    null: whole runs. ``judged_by``: by its ``training`` and what it saves, or, if no training step
    was observed, by the models that it ``fits`` and its ``output``, or by its ``output`` alone,
    what it prints and saves; or by its ``end``, its weights at exit and its output, if several
    threads train at the same time. ``step_grid`` shows the first two runs that differ.
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
    judged_by: Literal["training", "fits", "output", "end"] = "training"
    step_grid: StepGrid | None = None


class Operation(Part):
    """One operation in one dtype. ``default`` are its replays with default settings,
    ``deterministic`` those under op determinism, ``one_thread`` those with one thread;
    ``confirmed`` are further replays if some differed.

    ``refusal_message`` is the error that it raised under op determinism. ``same_on_one_thread`` and
    ``same_without_onednn``: are the bits the same with one thread, and without oneDNN?
    ``same_in_a_batch``: is the first example the same in a batch and alone? Null if this was not
    tried. ``cost`` is the time under op determinism divided by the default time, ``cost_range`` the
    smallest and the largest of these ratios. ``executed`` are the operations that a call and its
    gradient run, ``library_message`` is the library's own statement about one of them,
    ``contradicts_documentation`` the observation that contradicts it. ``unseeded``: the processes
    in which a random operation was called without a seed argument, after the global seeds were set,
    and their distinct results.
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
    """A message of the installed library about operations that refuse to run under op determinism.
    ``refused_here`` refused here, ``ran_here`` ran here under op determinism all the same.
    """

    message: Text
    operations: Names
    refused_here: Names
    ran_here: Names


class OpsReport(Document, tag_field="command", tag="ops"):
    """The report of ``detaudit ops``. ``requested`` are the operations that the user named."""

    requested: Names
    operations: Annotated[tuple[Operation, ...], Meta(max_length=10_000)]
    refusals: Annotated[tuple[Refusal, ...], Meta(max_length=1000)]


class Interval(Part):
    """An interval that contains a value in 95 % of cases."""

    low: Finite
    high: Finite


class Metric(Part):
    """A number that each run ends with: its ``values`` in the order of the seeds, null where one is
    missing or not finite.

    The statistics are those of the other values, null if these are too few: the ``mean``, the
    standard deviation (``spread``), the ``least`` and ``greatest`` value, and intervals of the
    first two (``no_spread_interval`` is the reason if there is none). ``distinct`` counts different
    values. ``detectable`` is about the smallest difference of two means, each of so many runs, that
    a test at 5 % finds in 80 % of cases; ``needed`` is how many runs of each find the difference
    that the user asks about, null without one.
    """

    name: Name
    values: Annotated[tuple[Finite | None, ...], Meta(max_length=100_000)]
    distinct: Natural
    mean: Finite | None
    spread: Positive | None
    least: Finite | None
    greatest: Finite | None
    mean_interval: Interval | None
    spread_interval: Interval | None
    no_spread_interval: Text
    detectable: Positive | None
    needed: Natural | None


class SeedCall(Part):
    """A line of the user's code that seeds a generator with ``function``."""

    file: Name
    line: Natural
    function: Name


class Seeding(Part):
    """``how`` runs got their seeds: ``model`` (detaudit's own), the ``arguments`` or the
    ``variable`` that the user has ``given``, or ``calls``: to each integer with which the program
    seeds a generator, a number was added. If there are no ``calls``, nothing was changed.
    ``constants`` are lines of the script with a constant seed (``random_state=0``) that stayed as
    it is.
    """

    how: Name
    given: Text
    calls: Annotated[tuple[SeedCall, ...], Meta(max_length=1000)]
    constants: Annotated[tuple[SeedCall, ...], Meta(max_length=1000)]


class Difference(Part):
    """How much larger a number of the other program's runs is, on average over ``pairs`` of runs
    with equal seeds; ``interval`` is a 95 % interval of the mean, ``p_value`` that of a sign-flip
    test, ``detectable`` about the smallest difference that so many pairs show in 80 % of cases.
    """

    name: Name
    pairs: Natural
    mean: Finite | None
    interval: Interval | None
    p_value: Share | None
    detectable: Positive | None


class Against(Part):
    """Another program, run with the seeds of the first one; its fields as in the report."""

    program: Name
    seeding: Seeding
    ignored: bool
    seeds: Numbers
    identical: Natural
    metrics: Annotated[tuple[Metric, ...], Meta(max_length=1000)]
    differences: Annotated[tuple[Difference, ...], Meta(max_length=1000)]


class SourceRow(Part):
    """Runs of a program with the source ``free`` as the program leaves it and the others pinned;
    ``nothing`` (everything is pinned) and ``everything`` are the two ends. At most ``identical`` of
    the ``runs`` that completed, of those ``wanted``, ended on the same bits; ``divergence`` is the
    earliest place at which two of them differ. ``acts``: they differ more often than chance
    explains beside the runs with everything pinned. ``churn`` is the share of examples of which two
    runs of a classifier predict another class, on average; null if it predicts none.
    """

    free: Name
    wanted: Natural
    runs: Natural
    identical: Natural
    acts: bool
    divergence: Divergence | None
    metrics: Annotated[tuple[Metric, ...], Meta(max_length=1000)]
    churn: Share | None


class SpreadReport(Document, tag_field="command", tag="spread"):
    """The report of ``detaudit spread``. Of the runs that completed, with these ``seeds`` (if
    ``seeding`` is by calls, these are the numbers that were added to the program's own), at most
    ``identical`` ended on the same bits. ``program`` is empty for detaudit's own model.
    ``ignored``: the program does not use the seeds, for its weights are the same. ``repeats``:
    whether two runs with the first seed end alike; null if there are not two. ``power`` is the
    share of simulated cases in which as many runs as a row of ``by_source`` has find that one
    standard deviation is twice another. ``churn`` is that of all runs, as in a row of
    ``by_source``.
    """

    program: Name
    seeding: Seeding
    ignored: bool
    repeats: bool | None
    seeds: Numbers
    identical: Natural
    metrics: Annotated[tuple[Metric, ...], Meta(max_length=1000)]
    against: Against | None
    by_source: Annotated[tuple[SourceRow, ...], Meta(max_length=1000)]
    churn: Share | None
    power: Share | None


#: Any report; the field ``command`` says which.
AnyReport = Report | RunReport | OpsReport | SpreadReport


def schema() -> bytes:
    """Return the JSON Schema (draft 2020-12) of this version."""
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
