# SPDX-License-Identifier: LGPL-2.1-or-later
"""charts: the data of a matplotlib figure, in the form that E2B's SDK has for charts.

A figure consists of lines, rectangles and wedges, so the type of a chart is inferred from the
contents of its axes. A mixture that matches no known type is "unknown". Elements that are not data
(error bars, filled bands, grid lines) are ignored.
"""

import re

from .axes import Axis
from .boxes import find_boxes
from .plain import to_json
from .results import LEFT_OUT

_POINTS_MAX = 100_000  # of all series; more would delay users who only want to look at the figure
_UNIT = re.compile(r"\s\((.*?)\)|\[(.*?)\]")
_OWN_LABEL = re.compile(r"_(?:child|line|container|collection|nolegend_)(\d*)$")


def describe_figure(figure):
    charts = [chart for axes in figure.get_axes() if (chart := _describe_axes(axes))]
    if not charts:
        return None
    if any(chart is LEFT_OUT for chart in charts) or _count_points(charts) > _POINTS_MAX:
        return LEFT_OUT
    if len(charts) == 1:
        return to_json(charts[0])
    return to_json({"type": "superchart", "title": _suptitle(figure), "elements": charts})


def _count_points(charts):
    return sum(len(one.get("points", ())) for chart in charts for one in chart["elements"])


def _suptitle(figure):
    title = getattr(figure, "_suptitle", None)
    return (title.get_text() if title is not None else "") or None


_BANDS = ("LineCollection", "PolyCollection", "FillBetweenPolyCollection")


class _Contents:
    """The contents of an Axes, by kind, without elements that are not data."""

    def __init__(self, axes):
        self.bars = [one for one in axes.containers if type(one).__name__ == "BarContainer"]
        caps = [cap for one in axes.containers for cap in _error_bars(one)]
        self.lines = [
            line
            for line in axes.lines
            if _is_in_data(line, axes) and not any(line is cap for cap in caps)
        ]
        self.scatters = [
            one
            for one in _kinds(axes.collections, "PathCollection")
            if one.get_offset_transform().contains_branch(axes.transData)
        ]
        self.patches = [
            patch
            for patch in axes.patches
            if _is_in_data(patch, axes) and type(patch).__name__ != "Shadow"
        ]
        others = len(axes.collections) - len(self.scatters) - len(_kinds(axes.collections, *_BANDS))
        self.is_strange = bool(others or axes.images or axes.name == "3d")
        self.is_empty = not (axes.lines or axes.collections or axes.patches or axes.images)


def _kinds(artists, *names):
    return [artist for artist in artists if type(artist).__name__ in names]


def _error_bars(container):
    """The lines of an ErrorbarContainer that are not data; a bar container may contain one."""
    container = getattr(container, "errorbar", None) or container
    if type(container).__name__ != "ErrorbarContainer":
        return []
    return container.lines[1]


def _is_in_data(artist, axes):
    """False for what axhline() and axvspan() draw, which spans the complete axes."""
    return all(artist.get_transform().contains_branch_seperately(axes.transData))


def _describe_axes(axes):
    if not axes.get_visible() or axes.get_label() == "<colorbar>":
        return None
    contents = _Contents(axes)
    if contents.is_empty:
        return None
    for kind, describe in _KINDS.items():
        if not contents.is_strange:
            chart = describe(axes, contents)
            if chart is LEFT_OUT:
                return chart
            if chart is not None:
                return {"type": kind, "title": _title(axes), **chart}
    return {"type": "unknown", "title": _title(axes), "elements": []}


def _title(axes):
    titles = (axes.get_title(place) for place in ("center", "left", "right"))
    return next(filter(None, titles), None)


def _unit(label):
    match = _UNIT.search(label or "")
    return (match[1] or match[2]) if match else None


def _labels(axes, is_turned=False):
    """In a horizontal chart, x is the axis that would be below it if it were vertical."""
    x, y = axes.get_xlabel() or None, axes.get_ylabel() or None
    if is_turned:
        x, y = y, x
    return {"x_label": x, "y_label": y, "x_unit": _unit(x), "y_unit": _unit(y)}


def _series_label(artist, kind, index):
    label = str(artist.get_label())
    own = _OWN_LABEL.match(label)
    if label and not own:
        return label
    return f"{kind} {own and own[1] or index}"


def _describe_points(axes, series):
    """series: (label, xs, ys). Series without points only add an entry to a legend."""
    if sum(len(xs) for _, xs, _ in series) > _POINTS_MAX:
        return LEFT_OUT
    x, y = Axis(axes.xaxis, axes), Axis(axes.yaxis, axes)
    filled = [one for one in series if len(one[1])] or series
    return {
        **_labels(axes),
        **x.describe("x"),
        **y.describe("y"),
        "elements": [
            {"label": label, "points": list(zip(x.values(xs), y.values(ys)))}
            for label, xs, ys in filled
        ],
    }


def _line_series(lines):
    return [
        (_series_label(line, "Line", i), line.get_xdata(), line.get_ydata())
        for i, line in enumerate(lines)
    ]


def _scatter_series(scatters):
    return [
        (_series_label(one, "Scatter", i), one.get_offsets()[:, 0], one.get_offsets()[:, 1])
        for i, one in enumerate(scatters)
    ]


def _line_chart(axes, contents):
    if contents.patches or contents.scatters or not contents.lines:
        return None
    return _describe_points(axes, _line_series(contents.lines))


def _scatter_chart(axes, contents):
    """A line through the points is an additional series."""
    if contents.patches or not contents.scatters:
        return None
    series = _scatter_series(contents.scatters) + _line_series(contents.lines)
    return _describe_points(axes, series)


def _pie_chart(axes, contents):
    wedges = _kinds(contents.patches, "Wedge")
    if not wedges or len(wedges) < len(contents.patches) or contents.lines or contents.scatters:
        return None
    elements = [
        {
            "label": "" if _OWN_LABEL.match(wedge.get_label()) else wedge.get_label(),
            "angle": round(abs(float(wedge.theta2) - float(wedge.theta1)), 4),
            "radius": float(wedge.r),
        }
        for wedge in wedges
    ]
    return {"elements": elements}


def _is_upright_or_flat(line):
    """Such lines are the error bars that seaborn draws on bars."""
    xs, ys = line.get_xdata(), line.get_ydata()
    return len(xs) == 2 and (xs[0] == xs[1] or ys[0] == ys[1])


def _bar_chart(axes, contents):
    rectangles = _kinds(contents.patches, "Rectangle")
    if not contents.bars or len(rectangles) < len(contents.patches) or contents.scatters:
        return None
    if not all(map(_is_upright_or_flat, contents.lines)):
        return None
    if len(rectangles) > _POINTS_MAX:
        return LEFT_OUT
    is_turned = all(one.orientation == "horizontal" for one in contents.bars)
    axis = Axis(axes.yaxis if is_turned else axes.xaxis, axes)
    elements = []
    for i, container in enumerate(contents.bars):
        group = _series_label(container, "Group", i)
        elements += [_bar(bar, group, axis, is_turned) for bar in container]
    return {**_labels(axes, is_turned), "elements": elements}


def _bar(bar, group, axis, is_turned):
    middle = bar.get_y() + bar.get_height() / 2 if is_turned else bar.get_x() + bar.get_width() / 2
    (value,) = axis.numbers([bar.get_width() if is_turned else bar.get_height()])
    return {"label": axis.label_at(middle), "group": group, "value": value}


def _box_chart(axes, contents):
    if contents.scatters or not contents.lines:
        return None
    if sum(len(line.get_xdata()) for line in contents.lines) > _POINTS_MAX:
        return None
    found = find_boxes(contents.lines, contents.patches)
    if found is None:
        return None
    boxes, is_turned = found
    axis = Axis(axes.yaxis if is_turned else axes.xaxis, axes)
    elements = [{"label": axis.label_at(box.middle), **box.describe()} for box in boxes]
    return {**_labels(axes, is_turned), "elements": elements}


_KINDS = {
    "box_and_whisker": _box_chart,
    "pie": _pie_chart,
    "bar": _bar_chart,
    "scatter": _scatter_chart,
    "line": _line_chart,
}
