"""The figures of a page as SVG, drawn with Matplotlib.

The same figure gives the same bytes: no dates, ids from the figure's own salt, and no setting of
the user's. Colors are those of the page's style, so that they follow a dark screen; only the cells
of a heat map are an image, and have colors of their own that are readable on both.
"""

import heapq
import io
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import TYPE_CHECKING

from detaudit.report.escape import clipped
from detaudit.report.pages import page as pages

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 7.2  # inches, at 72 points each
ROW, HEAD = 0.22, 0.75  # inches of a row, and of the axis below
TALLEST = 12  # inches
LONGEST_NAME = 40
GOLDEN = 0.618034  # multiples of it, without their whole part, are evenly spread
SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"

#: A color that is written into the SVG, and the color of the page's style that replaces it.
INK, FAINT, FILL, DIFFERS = "#010101", "#020202", "#030303", "#040404"
_STYLES = {
    INK: "var(--ink)",
    FAINT: "var(--rule)",
    FILL: "var(--fill)",
    DIFFERS: "var(--differs)",
}
ET.register_namespace("", SVG)
ET.register_namespace("xlink", XLINK)
_SUPERSCRIPTS = str.maketrans(
    "0123456789-", "\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079\u207b"
)
#: Of the cells of a heat map: all equal, something differs, not recorded (transparent). The first
#: two differ in lightness too, for readers who see no difference in color.
_CELLS = {False: (158, 197, 232, 255), True: (179, 60, 0, 255), None: (0, 0, 0, 0)}


def draw(figure: pages.Figure, salt: str) -> str:
    """Return the figure as an SVG element for a page of HTML. ``salt`` is unique in the page."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a font here: the reader's browser has its own
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_settings(salt))
        canvas = Figure(figsize=(WIDTH, _height(figure)), layout="constrained")
        FigureCanvasSVG(canvas)
        axes = canvas.subplots()
        _plot(figure, axes)
        written = io.StringIO()
        canvas.savefig(
            written, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    return _element(written.getvalue(), figure, salt)


def _settings(salt: str) -> dict[str, object]:
    inked = ("axes.edgecolor", "axes.labelcolor", "text.color", "xtick.color", "ytick.color")
    return {
        "svg.hashsalt": salt,
        "svg.fonttype": "none",  # text stays text, which a reader can search
        "font.family": "sans-serif",
        "font.size": 9,
        "text.parse_math": False,  # a name may contain a dollar
        "axes.spines.top": False,
        "axes.spines.right": False,
        **dict.fromkeys(inked, INK),
    }


def _height(figure: pages.Figure) -> float:
    match figure:
        case pages.Heatmap():
            return HEAD + ROW * max(3, len(figure.names))
        case pages.Bars():
            return HEAD + ROW * max(3, len(figure.bars))
        case pages.Dots():
            return HEAD + 1.5 * ROW * max(2, len(figure.samples))
        case pages.Timeline():
            return min(TALLEST, HEAD + ROW * max(2, 1 + max(lanes(figure.spans), default=0)))
    return 2.8


def _plot(figure: pages.Figure, axes: "Axes") -> None:
    match figure:
        case pages.Curve():
            _curve(figure, axes)
        case pages.Heatmap():
            _heatmap(figure, axes)
        case pages.Bars():
            _bars(figure, axes)
        case pages.Dots():
            _dots(figure, axes)
        case pages.Timeline():
            _timeline(figure, axes)
        case _:
            raise TypeError(f"no drawing of a {type(figure).__name__}")


def _curve(figure: pages.Curve, axes: "Axes") -> None:
    steps, distances = zip(*figure.points, strict=True)
    axes.plot(steps, distances, color=FILL, marker="o", markersize=2.5)
    axes.set_yscale("log")
    # Matplotlib's own labels are formulas, which are switched off
    axes.yaxis.set_major_formatter(lambda value, _: _power(value))
    axes.yaxis.set_minor_formatter(lambda value, _: "")
    _whole_numbers(axes)
    axes.set_xlabel(_name(figure.x_label))
    axes.set_ylabel(_name(figure.y_label))
    axes.grid(True, color=FAINT, linewidth=0.5)
    axes.margins(x=0.02)


def _heatmap(figure: pages.Heatmap, axes: "Axes") -> None:
    import numpy as np

    width = max(map(len, figure.cells), default=0)
    image = np.zeros((len(figure.cells), max(1, width), 4), dtype=np.uint8)
    for row, cells in enumerate(figure.cells):
        for column, cell in enumerate(cells):
            image[row, column] = _CELLS[cell]
    last = image.shape[1] * figure.per_column
    axes.imshow(
        image,
        aspect="auto",
        interpolation="none",
        extent=(-0.5, last - 0.5, len(figure.cells) - 0.5, -0.5),
    )
    axes.set_yticks(range(len(figure.names)), [_name(name) for name in figure.names])
    axes.tick_params(axis="y", length=0)
    _whole_numbers(axes)
    axes.set_xlabel(_name(figure.x_label))
    if figure.first is not None:
        row, column = figure.first
        left = column * figure.per_column - 0.5
        _mark(axes, left, row - 0.5, figure.per_column)


def _mark(axes: "Axes", left: float, top: float, width: float) -> None:
    """Mark a cell, with a frame that is visible on every color, and with a word above."""
    from matplotlib.patches import Rectangle

    for color, line_width in (("#ffffff", 4.0), ("#000000", 1.6)):
        axes.add_patch(
            Rectangle(
                (left, top),
                width,
                1,
                fill=False,
                edgecolor=color,
                linewidth=line_width,
                clip_on=False,
            )
        )
    middle = left + width / 2
    axes.annotate(
        "first difference",
        (middle, top),
        xytext=(middle, 1.03),
        textcoords=("data", "axes fraction"),
        arrowprops={"arrowstyle": "-", "color": "#000000", "linewidth": 1},
        annotation_clip=False,
        ha="center",
    )


def _whole_numbers(axes: "Axes") -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _power(value: float) -> str:
    """Return a power of ten as ``10\u2079``, any other number as it is."""
    exponent = f"{value:.0e}".partition("e")[2]
    if value != float(f"1e{exponent}"):
        return f"{value:g}"
    return f"10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def _bars(figure: pages.Bars, axes: "Axes") -> None:
    places = range(len(figure.bars))
    values = [bar.value for bar in figure.bars]
    below = [max(0.0, bar.value - bar.least) for bar in figure.bars]
    above = [max(0.0, bar.greatest - bar.value) for bar in figure.bars]
    axes.barh(places, values, height=0.6, color=FILL)
    axes.errorbar(
        values, places, xerr=[below, above], fmt="none", ecolor=INK, capsize=2, linewidth=1
    )
    axes.axvline(figure.reference, color=INK, linewidth=1, linestyle=":")
    axes.set_yticks(places, [_name(bar.name) for bar in figure.bars])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(_name(figure.x_label))


def _dots(figure: pages.Dots, axes: "Axes") -> None:
    for place, sample in enumerate(figure.samples):
        # Beside one another: equal values would hide each other
        heights = [
            place + 0.5 * (GOLDEN * number % 1 - 0.5) for number in range(len(sample.values))
        ]
        axes.plot(sample.values, heights, "o", color=FILL, markersize=3, alpha=0.7)
        mean = sum(sample.values) / len(sample.values)
        axes.plot([mean, mean], [place - 0.35, place + 0.35], color=INK, linewidth=1.5)
    axes.set_yticks(range(len(figure.samples)), [_name(one.name) for one in figure.samples])
    axes.set_ylim(len(figure.samples) - 0.4, -0.6)
    axes.set_xlabel(_name(figure.x_label))
    axes.grid(True, axis="x", color=FAINT, linewidth=0.5)


def _timeline(figure: pages.Timeline, axes: "Axes") -> None:
    rows: dict[tuple[int, bool], list[tuple[float, float]]] = {}
    for lane, span in zip(lanes(figure.spans), figure.spans, strict=True):
        rows.setdefault((lane, span.succeeded), []).append((span.begin, span.end - span.begin))
    for (lane, succeeded), extents in rows.items():
        style = {"facecolor": FILL} if succeeded else {"facecolor": DIFFERS, "hatch": "/////"}
        axes.broken_barh(extents, (lane - 0.35, 0.7), edgecolor=INK, linewidth=0.3, **style)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.margins(x=0.01)


def lanes(spans: Sequence[pages.Span]) -> list[int]:
    """Return a lane for each span, so that no two in one lane overlap; spans in order of begin."""
    ends: list[tuple[float, int]] = []  # a heap of the lanes, by the time from which each is free
    taken = []
    for span in spans:
        if ends and ends[0][0] <= span.begin:
            _, lane = heapq.heapreplace(ends, (span.end, ends[0][1]))
        else:
            lane = len(ends)
            heapq.heappush(ends, (span.end, lane))
        taken.append(lane)
    return taken


def _name(name: str) -> str:
    return clipped(name, LONGEST_NAME)


def _element(written: str, figure: pages.Figure, salt: str) -> str:
    """Return Matplotlib's SVG without its head and with the page's colors, titled and described."""
    root = ET.fromstring(written)
    used = set(re.findall(r"#([\w-]+)", written))
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        for name, value in element.attrib.items():
            if name in ("style", "fill", "stroke"):
                element.set(name, _styled(value))
    for metadata in root.findall(f"{{{SVG}}}metadata"):
        root.remove(metadata)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    title, description = f"{salt}-title", f"{salt}-description"
    for place, (tag, identity, value) in enumerate(
        (("title", title, figure.title), ("desc", description, figure.description))
    ):
        element = ET.Element(f"{{{SVG}}}{tag}", {"id": identity})
        element.text = clipped(value, 1000)
        root.insert(place, element)
    root.set("role", "img")
    root.set("aria-labelledby", f"{title} {description}")
    return ET.tostring(root, encoding="unicode")


def _styled(style: str) -> str:
    for color, name in _STYLES.items():
        style = style.replace(color, name)
    return style
