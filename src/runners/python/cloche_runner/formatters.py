# SPDX-License-Identifier: LGPL-2.1-or-later
"""formatters: determines the representations of a value in a result.

It adds data of tables and figures for programs to IPython's representations. Their libraries are
not imported for that: the formatters know types by name, and look them up when a value is shown.
"""

from IPython.core import formatters
from IPython.core.formatters import BaseFormatter

from .charts import describe_figure
from .tables import describe_table

_TABLE = "application/vnd.cloche.data+json"
_CHART = "application/vnd.cloche.chart+json"

# No rich representation unless one is registered.
_PLAIN = {type(None), bool, int, float, complex, str, bytes, range}
_PLAIN |= {list, tuple, dict, set, frozenset}


class _DataFormatter(BaseFormatter):
    """
    An object that cannot be described is shown without its data, which is not an error. IPython's
    table of types is not used, because it drops figures whenever their other formats change.
    """

    def __init__(self, mime, kind, describe, **kwargs):
        super().__init__(**kwargs)
        self.format_type = mime
        self._kind, self._describe = kind, describe

    def __call__(self, obj):
        kinds = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(obj).__mro__]
        try:
            return self._describe(obj) if self.enabled and self._kind in kinds else None
        except Exception:
            return None


class DisplayFormatter(formatters.DisplayFormatter):
    """
    Uses only the plain-text formatter for plain values, which halves the time of a small cell.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        for mime, *rule in (
            (_TABLE, "pandas.core.frame.DataFrame", describe_table),
            (_CHART, "matplotlib.figure.Figure", describe_figure),
        ):
            self.formatters[mime] = _DataFormatter(mime, *rule, parent=self)

    def format(self, obj, include=None, exclude=None):
        kind = type(obj)
        if kind not in _PLAIN or include or exclude or self._has_printer(kind):
            return super().format(obj, include=include, exclude=exclude)
        text = self.formatters["text/plain"](obj)
        return ({} if text is None else {"text/plain": text}), {}

    def _has_printer(self, kind):
        all_formatters = [self.mimebundle_formatter, self.ipython_display_formatter]
        all_formatters += [one for name, one in self.formatters.items() if name != "text/plain"]
        for formatter in all_formatters:
            if not formatter.type_printers.keys().isdisjoint(kind.__mro__):
                return True
            if (kind.__module__, kind.__name__) in formatter.deferred_printers:
                return True
        return False
