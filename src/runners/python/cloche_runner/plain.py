# SPDX-License-Identifier: LGPL-2.1-or-later
"""plain: values of Python, numpy and pandas, converted for JSON.

JSON has no NaN and no infinity: these, NaT and pandas.NA are null. Dates and times are ISO texts.
No library is imported: types are recognized by their attributes.
"""

import datetime
import json
import math

_DEPTH_MAX = 8
_DATES = (datetime.date, datetime.time)  # the base of datetime and pandas.Timestamp


def to_json(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def to_plain(value, depth=0):
    kind = type(value)
    if value is None or kind is str or kind is int or kind is bool:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if kind.__name__ in ("NaTType", "NAType"):
        return None
    if isinstance(value, _DATES):
        return value.isoformat()
    if kind.__module__ == "numpy" and depth < _DEPTH_MAX:
        return to_plain(value.tolist(), depth + 1)
    if isinstance(value, (list, tuple)) and depth < _DEPTH_MAX:
        return [to_plain(one, depth + 1) for one in value]
    if isinstance(value, dict) and depth < _DEPTH_MAX:
        return {str(key): to_plain(one, depth + 1) for key, one in value.items()}
    return _other(value)


def _other(value):
    if hasattr(value, "to_timestamp"):  # pandas.Period
        return value.to_timestamp().isoformat()
    if hasattr(value, "isoformat"):  # pandas.Timedelta
        return value.isoformat()
    if hasattr(value, "as_tuple"):  # Decimal
        return to_plain(float(value))
    return str(value)


def to_plain_list(array):
    """Converts a numpy array of one dimension."""
    if array.dtype.kind in "biu":
        return array.tolist()
    if array.dtype.kind == "f":  # tolist() does not convert numbers of 16 bytes
        return [value if math.isfinite(value) else None for value in array.astype(float).tolist()]
    if array.dtype.kind == "M":  # tolist() would convert nanoseconds to numbers
        array = array.astype("datetime64[us]")
    return [to_plain(value) for value in array.tolist()]
