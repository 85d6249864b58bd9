# SPDX-License-Identifier: LGPL-2.1-or-later
"""axes: an axis of a chart: its scale, its ticks, and values in the form of its labels.

matplotlib converts dates and names to numbers when something is drawn. A line also keeps the
original values; points of a scatter, bars and boxes have only the numbers.
"""

import bisect
import sys

from .plain import to_plain, to_plain_list


class Axis:
    def __init__(self, axis, axes):
        self._axis = axis
        self._freq = getattr(axes, "freq", None)  # where pandas draws a time series, as periods
        get_converter = getattr(axis, "get_converter", lambda: axis.converter)
        kinds = {kind.__name__ for kind in type(get_converter()).__mro__}
        self._is_date = any("Date" in name or "Period" in name for name in kinds)
        units = getattr(axis.units, "_mapping", {}) if "StrCategoryConverter" in kinds else {}
        self._names = {number: name for name, number in units.items()}
        self._fixed = None

    def describe(self, letter):
        labels = [label.get_text() for label in self._axis.get_ticklabels()]
        ticks = self._axis.get_ticklocs()
        return {
            f"{letter}_ticks": [self._iso(tick, zone="+00:00") for tick in ticks]
            if self._is_date
            else self.numbers(ticks),
            f"{letter}_tick_labels": labels,
            f"{letter}_scale": self._scale(ticks, labels),
        }

    def _scale(self, ticks, labels):
        if self._is_date:
            return "datetime"
        scale = self._axis.get_scale()
        if scale != "linear":
            return scale
        if self._names or (labels and all(map(_is_name, range(len(labels)), ticks, labels))):
            return "categorical"
        return "linear"

    def _iso(self, number, zone=""):
        """As in E2B, ticks have a time zone; values keep the one that they were given with."""
        if self._freq is not None:
            period = sys.modules["pandas"].Period(ordinal=int(number), freq=self._freq)
            return to_plain(period) + zone
        date = sys.modules["matplotlib.dates"].num2date(number)
        return date.replace(tzinfo=None).isoformat() + zone

    def numbers(self, values):
        return to_plain_list(_array(values).astype(float))

    def values(self, data):
        array = _array(data)
        if array.dtype.kind not in "biuf" or not (self._is_date or self._names):
            return to_plain_list(array)
        if self._is_date:
            return [self._iso(number) for number in array.tolist()]
        return [self._names.get(number, number) for number in self.numbers(array)]

    def label_at(self, number):
        """Returns the name at this position: that of the nearest tick, if the ticks have names."""
        if self._fixed is None:
            self._fixed = self._named_ticks()
        if self._fixed:
            at = bisect.bisect(self._fixed, (number,))
            near = self._fixed[max(at - 1, 0) : at + 1]
            return min(near, key=lambda tick: abs(tick[0] - number))[1]
        return self._iso(number) if self._is_date else f"{number:g}"

    def _named_ticks(self):
        if type(self._axis.get_major_locator()).__name__ not in (
            "FixedLocator",
            "StrCategoryLocator",
        ):
            return []
        labels = [label.get_text() for label in self._axis.get_ticklabels()]
        ticks = zip(self.numbers(self._axis.get_ticklocs()), labels)
        return sorted((tick, label) for tick, label in ticks if label)


def _array(values):
    numpy = sys.modules["numpy"]
    if isinstance(values, numpy.ma.MaskedArray) and values.dtype.kind in "iuf":
        return values.astype(float).filled(numpy.nan)
    return numpy.asarray(values)


def _is_name(index, tick, label):
    """Whether a tick is the position of a name: it is numbered from zero, and has another label."""
    try:
        return tick == index and float(label) != index
    except ValueError:
        return tick == index
