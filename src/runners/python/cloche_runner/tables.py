# SPDX-License-Identifier: LGPL-2.1-or-later
"""tables: the columns of a pandas DataFrame, for programs.

The shape is that of DataFrame.to_dict(orient="list"), but all values are valid JSON, and columns
with the same name are kept.
"""

import collections

from .plain import to_json, to_plain_list
from .results import LEFT_OUT

_CELLS_MAX = 200_000  # a larger one would delay users who only want to look at it


def _column(frame, index):
    series = frame.iloc[:, index]
    if series.dtype.kind in "biufM" and hasattr(series.dtype, "itemsize"):
        if getattr(series.dtype, "tz", None) is None:
            return to_plain_list(series.to_numpy())
    return to_plain_list(series.to_numpy(dtype=object))


def _columns(frame):
    """Names columns of the same name as pandas does when it reads a file: a, a.1, a.2."""
    columns, counts = {}, collections.Counter()
    for i, name in enumerate(map(str, frame.columns)):
        unique = name
        while unique in columns:
            counts[name] += 1
            unique = f"{name}.{counts[name]}"
        columns[unique] = _column(frame, i)
    return columns


def describe_table(frame):
    rows, columns = frame.shape
    if rows * columns > _CELLS_MAX:
        return LEFT_OUT
    return to_json(_columns(frame))
