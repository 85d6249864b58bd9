# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python runner sends tables and charts also as data for programs.

usage: test_charts.py RUN, where RUN is the runner's entry
"""

import json

from case import Case

from cloche_tests.runner_client import CUT, MAIN
from cloche_tests.tap import main

DATA = "application/vnd.cloche.data+json"
CHART = "application/vnd.cloche.chart+json"


def point_chart(kind, x, y, elements, **others):
    """x and y are tuples of ticks, their labels, and the scale."""
    chart = {"type": kind, "title": None, "x_label": None, "y_label": None}
    chart |= {"x_unit": None, "y_unit": None}
    for letter, (ticks, labels, scale) in (("x", x), ("y", y)):
        chart |= {f"{letter}_ticks": ticks, f"{letter}_tick_labels": labels}
        chart |= {f"{letter}_scale": scale}
    return {**chart, "elements": elements, **others}


TICKS = ([0.0, 2.0, 4.0], ["0", "2", "4"], "linear")


class Tables(Case):
    def setUp(self):
        self.run_ok("import pandas as pd, numpy as np, datetime, decimal")

    def data(self, code):
        ((_, parts),) = self.run_ok(code).results
        self.assertIn("text/html", parts)
        return json.loads(parts[DATA]) if DATA in parts else None

    def test_values(self):
        columns = {
            "[1, 2]": [1, 2],
            "[1.5, float('nan')]": [1.5, None],
            "[float('inf'), -0.5]": [None, -0.5],
            "['ä', None]": ["ä", None],
            "[True, False]": [True, False],
            "pd.to_datetime(['2020-01-02 03:04:05', None])": ["2020-01-02T03:04:05", None],
            "pd.to_datetime(['2020-01-02', None]).tz_localize('UTC')": [
                "2020-01-02T00:00:00+00:00",
                None,
            ],
            "pd.Categorical(['x', 'y'])": ["x", "y"],
            "pd.array([1, None], dtype='Int64')": [1, None],
            "pd.to_timedelta([1, 2], unit='h')": ["P0DT1H0M0S", "P0DT2H0M0S"],
            "pd.period_range('2020-01', periods=2, freq='M')": [
                "2020-01-01T00:00:00",
                "2020-02-01T00:00:00",
            ],
            "[{'a': np.int64(1)}, [np.float32(0.5), np.inf]]": [{"a": 1}, [0.5, None]],
            "[datetime.date(2020, 1, 2), datetime.time(1, 2)]": ["2020-01-02", "01:02:00"],
            "[decimal.Decimal('1.5'), decimal.Decimal('NaN')]": [1.5, None],
            "[1 + 2j, b'q']": ["(1+2j)", "b'q'"],
            "np.array([1.5, np.nan], np.longdouble)": [1.5, None],
            "pd.arrays.SparseArray([1, 0])": [1, 0],
            "['\\udcff', '\U0001f600']": ["\udcff", "\U0001f600"],
        }
        for code, values in columns.items():
            with self.subTest(code):
                execution = self.run_ok(f"pd.DataFrame({{'a': {code}}})")
                self.assertEqual(json.loads(execution.main[0][DATA]), {"a": values})
                self.assertEqual(execution.err, b"")

    def test_names(self):
        self.assertEqual(
            self.data("pd.DataFrame([[1, 2]], columns=[3, ('a', 'b')])"),
            {"3": [1], "('a', 'b')": [2]},
        )
        self.assertEqual(self.data("pd.DataFrame()"), {})
        self.assertEqual(
            self.data("pd.DataFrame([[1, 2, 3, 4, 5]], columns=['a', 'a', 'a.1', 1, '1'])"),
            {"a": [1], "a.1": [2], "a.1.1": [3], "1": [4], "1.1": [5]},
        )

    def test_display_and_others(self):
        self.assertEqual(self.data("display(pd.DataFrame({'a': [1]}))"), {"a": [1]})
        ((_, parts),) = self.run_ok("pd.Series([1, 2])").results
        self.assertEqual(sorted(parts), ["text/plain"])

    def test_bound(self):
        self.assertEqual(len(self.data("pd.DataFrame(np.zeros((100_000, 2)))")["1"]), 100_000)
        execution = self.run_ok("pd.DataFrame(np.zeros((66_667, 3)))")
        self.assertEqual(sorted(execution.main[0]), ["text/html", "text/plain"])
        self.assertEqual(execution.details, [(MAIN | CUT, "", {})])

    def test_saved(self):
        """The table is small enough for a description, but the description is too large to be sent."""
        execution = self.run_ok("pd.DataFrame({'a': ['x' * 50] * 100_000})")
        ((flags, _, saved),) = execution.details
        self.assertEqual((flags, list(saved)), (MAIN | CUT, [DATA]))
        with open(saved[DATA]) as file:
            self.assertEqual(json.load(file), {"a": ["x" * 50] * 100_000})

    def test_broken(self):
        execution = self.run_ok("class Bad:\n    def isoformat(self): 1 / 0\n"
                                "    __repr__ = lambda self: 'bad'\npd.DataFrame({'a': [Bad()]})")
        self.assertEqual(sorted(execution.main[0]), ["text/html", "text/plain"])
        self.assertEqual((execution.err, execution.details), (b"", [(MAIN, "", {})]))


class Charts(Case):
    def setUp(self):
        self.run_ok("import matplotlib.pyplot as plt, numpy as np, pandas as pd, datetime")

    def parts(self, code):
        ((_, parts),) = self.run_ok(code + ";").results
        self.assertIn("image/png", parts)
        return parts

    def chart(self, code):
        parts = self.parts(code)
        return json.loads(parts[CHART]) if CHART in parts else None

    ticks = "plt.xticks([0, 2, 4]); plt.yticks([0, 2, 4])"

    def test_line(self):
        chart = self.chart(
            "plt.plot([0, 1], [2, np.nan], label='one'); plt.plot([3], [4.5]); plt.axhline(2)\n"
            "plt.grid(); plt.title('T'); plt.xlabel('time (s)'); plt.ylabel('volt [V]')\n"
            + self.ticks
        )
        elements = [
            {"label": "one", "points": [[0, 2.0], [1, None]]},
            {"label": "Line 1", "points": [[3, 4.5]]},
        ]
        wanted = point_chart("line", TICKS, TICKS, elements, title="T", x_label="time (s)")
        self.assertEqual(chart, wanted | {"x_unit": "s", "y_label": "volt [V]", "y_unit": "V"})

    def test_scatter(self):
        chart = self.chart(f"plt.scatter([1, 2], [3, 4], label='s'); {self.ticks}")
        elements = [{"label": "s", "points": [[1.0, 3.0], [2.0, 4.0]]}]
        self.assertEqual(chart, point_chart("scatter", TICKS, TICKS, elements))
        chart = self.chart("plt.scatter([1], [3]); plt.plot([0, 2], [0, 6], label='fit')")
        self.assertEqual([one["label"] for one in chart["elements"]], ["Scatter 0", "fit"])

    def test_names(self):
        for draw in ("plot", "scatter"):
            chart = self.chart(f"plt.{draw}(['a', 'b', 'a'], [1, 2, 3])")
            self.assertEqual([x for x, _ in chart["elements"][0]["points"]], ["a", "b", "a"])
            self.assertEqual((chart["x_ticks"], chart["x_tick_labels"]), ([0.0, 1.0], ["a", "b"]))
            self.assertEqual((chart["x_scale"], chart["y_scale"]), ("categorical", "linear"))
        self.assertEqual(
            self.chart("plt.plot([3, 4]); plt.xticks([0, 1], ['a', 'b'])")["x_scale"], "categorical"
        )

    def test_dates(self):
        day = "2020-01-02"
        for code, first in (
            ("plt.plot([datetime.date(2020, 1, 2)], [1])", day),
            ("plt.plot([datetime.datetime(2020, 1, 2)], [1])", day + "T00:00:00"),
            ("plt.plot(np.array(['2020-01-02'], 'M8[ns]'), [1])", day + "T00:00:00"),
            ("plt.scatter([datetime.date(2020, 1, 2)], [1])", day + "T00:00:00"),
            (
                "days = pd.date_range('2020-01-02', periods=3)\npd.Series([1, 2, 3], days).plot()",
                day + "T00:00:00",
            ),
        ):
            with self.subTest(code):
                chart = self.chart(code)
                self.assertEqual(chart["elements"][0]["points"][0], [first, 1])
                self.assertEqual((chart["x_scale"], chart["y_scale"]), ("datetime", "linear"))
                self.assertRegex(chart["x_ticks"][0], r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d.*\+00:00$")

    def test_scales(self):
        for scale in ("log", "symlog", "logit"):
            chart = self.chart(f"plt.plot([0.1, 0.2], [1, 2]); plt.xscale('{scale}')")
            self.assertEqual(chart["x_scale"], scale)

    def test_bar(self):
        empty = {"x_unit": None, "y_unit": None}
        one = [{"label": "A", "group": "Sold", "value": 1.0}]
        one += [{"label": "B", "group": "Sold", "value": -2.0}]
        chart = self.chart("plt.bar(['A', 'B'], [1, -2], yerr=0.1, capsize=3, label='Sold')\n"
                           "plt.xlabel('who'); plt.ylabel('n')")
        wanted = {"type": "bar", "title": None, "x_label": "who", "y_label": "n", **empty}
        self.assertEqual(chart, {**wanted, "elements": one})
        turned = self.chart("plt.barh(['A', 'B'], [1, -2], label='Sold')\n"
                            "plt.ylabel('who'); plt.xlabel('n')")
        self.assertEqual(turned, {**wanted, "elements": one})

    def bars(self, code):
        chart = self.chart(code)
        self.assertEqual(chart["type"], "bar")
        return [(one["label"], one["group"], one["value"]) for one in chart["elements"]]

    def test_bars_of_groups(self):
        wanted = [("a", "Group 0", 1), ("b", "Group 0", 2)]
        wanted += [("a", "Group 1", 3), ("b", "Group 1", 4)]
        grouped = ("x = np.arange(2)\n"
                   "plt.bar(x - 0.2, [1, 2], 0.4); plt.bar(x + 0.2, [3, 4], 0.4)\n"
                   "plt.xticks(x, ['a', 'b'])")
        self.assertEqual(self.bars(grouped), wanted)
        frame = "pd.DataFrame({'g': [1, 2], 'h': [3, 4]}, index=['a', 'b']).plot.bar()"
        self.assertEqual([bar[1] for bar in self.bars(frame)], ["g", "g", "h", "h"])
        self.assertEqual(self.bars("plt.hist([1, 2, 2, 3], bins=[0, 2, 4])"),
                         [("1", "Group 0", 1), ("3", "Group 0", 3)])

    def test_pie(self):
        chart = self.chart("plt.pie([1, 3], labels=['a', 'b'], autopct='%d', shadow=1, radius=2)")
        elements = [{"label": "a", "angle": 90.0, "radius": 2.0}]
        elements += [{"label": "b", "angle": 270.0, "radius": 2.0}]
        self.assertEqual(chart, {"type": "pie", "title": None, "elements": elements})
        self.assertEqual(self.chart("plt.pie([1])")["elements"][0]["label"], "")

    def test_boxes(self):
        box = {"label": "A", "min": 1.0, "first_quartile": 2.0, "median": 3.0}
        box |= {"third_quartile": 4.0, "max": 5.0, "outliers": [-10.0, 20.0]}
        for options in (
            "",
            "patch_artist=True",
            "vert=False",
            "vert=False, patch_artist=True, notch=True, showmeans=True",
        ):
            with self.subTest(options):
                chart = self.chart(
                    "plt.boxplot([[-10, 1, 2, 2, 3, 3, 4, 4, 5, 20], [2, 2, 2]], labels=['A', 'B'],"
                    f"{options}); {'plt.ylabel' if 'vert' in options else 'plt.xlabel'}('who')"
                )
                self.assertEqual((chart["type"], chart["x_label"]), ("box_and_whisker", "who"))
                self.assertEqual(chart["elements"][0], box)
                self.assertEqual(chart["elements"][1]["median"], 2.0)

    def test_square_is_no_box(self):
        self.assertEqual(self.chart("plt.plot([0, 1, 1, 0, 0], [0, 0, 1, 1, 0])")["type"], "line")

    def test_superchart(self):
        chart = self.chart("f, (a, b, c) = plt.subplots(1, 3); a.plot([1]); b.bar([1], [2])\n"
                           "a.set_title('A'); f.suptitle('S')")
        self.assertEqual((chart["type"], chart["title"]), ("superchart", "S"))
        self.assertEqual([(one["type"], one["title"]) for one in chart["elements"]],
                         [("line", "A"), ("bar", None)])

    def test_unknown(self):
        for code in (
            "plt.imshow([[1, 2], [3, 4]]); plt.colorbar()",
            "plt.contour(np.eye(5))",
            "plt.stackplot([1, 2], [3, 4])",
            "plt.axes(projection='3d').plot([1], [2], [3])",
            "plt.bar([1, 2], [3, 4]); plt.plot([1, 1.5, 2], [3, 5, 4])",
        ):
            chart = self.chart(code + "; plt.title('U')")
            self.assertEqual(chart["type"], "unknown", code)
            self.assertEqual(chart["elements"], [])

    def test_none(self):
        self.assertIsNone(self.chart("plt.subplots()"))
        self.assertEqual(self.run_ok("plt.figure();").displays,
                         [{"text/plain": b"<Figure size 640x480 with 0 Axes>"}])

    def test_bound(self):
        (line,) = self.chart("plt.plot(np.zeros(100_000))")["elements"]
        self.assertEqual(len(line["points"]), 100_000)
        execution = self.run_ok("plt.plot(np.zeros(100_001));")
        self.assertEqual(execution.details, [(CUT, "", {})])
        self.assertEqual(sorted(execution.displays[0]), ["image/png", "text/plain"])
        both = "f, (a, b) = plt.subplots(2); a.plot(np.zeros(%d)); b.plot(np.zeros(50_000));"
        self.assertEqual(self.run_ok(both % 50_000).details[0][0], 0)
        self.assertEqual(self.run_ok(both % 50_001).details[0][0], CUT)

    def test_broken(self):
        """A chart that cannot be described is still drawn, and no error is shown."""
        execution = self.run_ok("plt.plot([1]); plt.gca().get_xlabel = lambda: 1 / 0;")
        self.assertEqual(sorted(execution.displays[0]), ["image/png", "text/plain"])
        self.assertEqual((execution.err, execution.details), (b"", [(0, "", {})]))

    def test_value(self):
        """A figure that was made without pyplot is described, too."""
        execution = self.run_ok("from matplotlib.figure import Figure\n"
                                "f = Figure(); f.subplots().plot([1]); f")
        self.assertEqual(json.loads(execution.main[0][CHART])["type"], "line")
        self.assertIn("image/png", execution.main[0])


if __name__ == "__main__":
    main()
