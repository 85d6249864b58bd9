# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-e2b: code over D-Bus has the results that users of E2B's code interpreter expect.

Each class is a group of the tests in E2B's repository code-interpreter (Apache-2.0), which are described and not
copied here. In an environment whose system bus has the service (with-service).
"""
import base64
import datetime
import json
import shutil

from cloche_tests import tap
from cloche_tests.box import Box, Failure, call, connect, t
from cloche_tests.cells import CodeTest, Running, own_box

DATA, CHART = "application/vnd.cloche.data+json", "application/vnd.cloche.chart+json"
PNG = b"\x89PNG\r\n\x1a\n"
LIBRARIES = "import datetime, numpy as np, matplotlib.pyplot as plt, pandas as pd\n"
FLOATS, TEXTS, PAIRS = {float}, {str}, {list}


def types(values):
    return {type(value) for value in values}


class Notebook(CodeTest):
    """test_basic, test_statefulness, test_execution_count, test_bash, test_data, test_display_data, test_custom_repr."""

    def results(self, code):
        execution = self.run_code(code)
        self.assertEqual((execution["status"], execution["stderr"]), ("ok", ""), execution)
        return execution["results"]

    def test_value(self):
        result, = self.results("x =1; x")
        self.assertEqual((result["is-main-result"], result["data"]), (True, {"text/plain": "1"}))

    def test_state(self):
        self.assertEqual(self.results("x = 1"), [])
        self.assertEqual(self.value("x += 1; x"), "2")

    @own_box
    def test_count(self):
        self.assertEqual(self.run_code("echo 'no Python'")["error"]["name"], "SyntaxError")
        execution = self.run_code("!pwd")
        self.assertEqual((execution["execution-count"], execution["stdout"]), (2, self.box.sh("echo ~")))

    def test_table_in_indented_code(self):
        result, = self.results("""
        import pandas as pd
        pd.DataFrame({"a": [1, 2, 3]})
        """)
        self.assertEqual(json.loads(result["data"][DATA]), {"a": [1, 2, 3]})
        self.assertIn("<table", result["data"]["text/html"])

    def test_chart_and_value(self):
        chart, value = self.results(LIBRARIES + "x = np.linspace(0, 20, 100)\nplt.plot(x, np.sin(x))\nplt.show()\n\nx")
        self.assertEqual(bytes(chart["data"]["image/png"][:8]), PNG)
        self.assertEqual(chart["data"]["text/plain"], "<Figure size 640x480 with 1 Axes>")
        self.assertEqual((chart["is-main-result"], value["is-main-result"]), (False, True))
        self.assertIn("array([", value["data"]["text/plain"])

    def test_raw_display(self):
        result, = self.results("from IPython.display import display\ndisplay({'text/latex': r'\\text{Own}'}, raw=True)")
        self.assertEqual(result["data"], {"text/latex": r"\text{Own}"})

    def test_images(self):
        """images/test_images: an image that is shown, saved, or the value gives one picture."""
        make = "import numpy\nfrom PIL import Image\nimage = Image.fromarray(numpy.zeros((4, 4, 3), 'uint8')).convert('RGBA')\n"
        for code in ("image.show()\nprint('done')", "image", f"image.save('{self.dir}/test.png')\nprint('done')"):
            result, = self.results(make + code)
            self.assertEqual(bytes(result["data"]["image/png"][:8]), PNG, code)
        self.assertEqual(self.box.read(f"{self.dir}/test.png")[:8], PNG)

    def test_two_connections(self):
        """test_reconnect: another connection of the same user executes code with the same state."""
        self.run_code("x = 41")
        other = connect()
        answer, = call(other, self.box.path, "org.cloche1.Sandbox", "RunCode", "(sa{sv})", ("x + 1", {}))
        self.assertEqual(answer["results"][0]["data"]["text/plain"], "42")
        other.close_sync()

    def test_one_after_the_other(self):
        """benchmarking: two executions in each of several new sandboxes."""
        for _ in range(2):
            box = Box(self.bus, self.template)
            box.call("RunCode", "(sa{sv})", "x = 1")
            answer, = box.call("RunCode", "(sa{sv})", "x += 1; x")
            self.assertEqual(answer["results"][0]["data"]["text/plain"], "2")
            box.kill()


class Callbacks(CodeTest):
    """test_callbacks, test_streaming: each event is reported once, when it happens."""

    def test_each_is_told_once(self):
        self.assertEqual(self.brief("x =1; x"), [("result", {"text/plain": "1"}), ("end", "ok")])
        self.assertEqual(self.brief("xyz"), [("error", "NameError"), ("end", "error")])
        self.assertEqual(self.brief("print(1)"), [("stdout", "1\n"), ("end", "ok")])
        self.assertEqual(self.brief("import sys;print(1, file=sys.stderr)"), [("stderr", "1\n"), ("end", "ok")])

    def test_order(self):
        events = self.brief(LIBRARIES + "import sys\nprint('a')\nplt.plot([1]); plt.show()\nprint('b', file=sys.stderr)\n"
                            "plt.plot([2]); plt.show()\nprint('c')\n'd'")
        self.assertEqual([kind for kind, _ in events],
                         ["stdout", "result", "stderr", "result", "stdout", "result", "end"])

    def test_error(self):
        error, _ = self.events("def inner():\n    return 1 / 0\ninner()")
        self.assertEqual((error["name"], error["value"]), ("ZeroDivisionError", "division by zero"))
        self.assertEqual(error["traceback"].count("in inner"), 1)


class Environment(CodeTest):
    """env_vars: variables of the sandbox, and of one execution, which apply to this execution only."""

    READ = {
        "python": ("import os; os.getenv('{}', 'default')", "'{}'"),
        "js": ("process.env.{} || 'default'", "'{}'"),
        "ts": ("(process.env.{} as string) || 'default'", "'{}'"),
    }

    shared = {}

    def create_box(self):
        return Box(self.bus, self.template, environment={"OWN": "super", "SBX": "value"})

    def test_values(self):
        for language, (code, form) in self.READ.items():
            with self.subTest(language):
                def read(name, **options):
                    return self.value(code.replace("{}", name), language=language, **options)
                self.assertEqual(read("OWN"), form.format("super"))
                self.assertEqual(read("OWN", environment={"OWN": "other", "FOO": "b"}), form.format("other"))
                self.assertEqual(read("FOO", environment={"FOO": "bar"}), form.format("bar"))
                self.assertEqual(read("FOO"), form.format("default"))
                self.assertEqual(read("OWN"), form.format("super"))

    def test_bash(self):
        def echo(text, **options):
            return self.run_code(f"echo {text}", language="bash", **options)["stdout"]
        self.assertEqual(echo("$OWN"), "super\n")
        self.assertEqual(echo("$OWN", environment={"OWN": "other"}), "other\n")
        self.assertEqual(echo("$FOO", environment={"FOO": "bar"}), "bar\n")
        self.assertEqual(echo("${FOO:-default} $OWN"), "default super\n")

    def test_set_by_code(self):
        self.run_code("import os; os.environ['CODE'] = 'bar'; os.environ['RUNTIME'] = 'set'")
        self.assertEqual(self.value("os.getenv('CODE')", environment={"CODE": "baz"}), "'baz'")
        for name, value in {"RUNTIME": "'set'", "SBX": "'value'", "CODE": "'bar'"}.items():
            self.assertEqual(self.value(f"os.getenv('{name}')"), value)


class Contexts(CodeTest):
    """test_contexts, test_kernels, test_cwd, test_default_kernels."""

    def test_created(self):
        plain = self.create()
        own = self.create(language="js", cwd=self.dir)
        listed = self.contexts()
        self.assertEqual((listed[plain]["language"], listed[plain]["cwd"]), ("python", ""))
        self.assertEqual((listed[own]["language"], listed[own]["cwd"]), ("javascript", self.dir))
        self.assertEqual(list(listed)[-1], own)

    def test_default_ones(self):
        self.assertLessEqual({"python", "javascript"}, {one["language"] for one in self.contexts().values()})

    def test_restarted_and_removed(self):
        context = self.create()
        self.run_code("x = 1", context=context)
        self.assertEqual(self.run_code("x")["error"]["value"], "name 'x' is not defined")
        self.method("RestartContext", context)
        self.assertEqual(self.run_code("x", context=context)["error"]["value"], "name 'x' is not defined")
        self.method("RemoveContext", context)
        self.assertNotIn(context, self.contexts())
        self.run_code("x = 1")
        self.method("RestartContext", "python")
        self.assertEqual(self.run_code("x")["error"]["value"], "name 'x' is not defined")

    def test_directory(self):
        home = self.box.sh("echo ~").strip()
        self.assertEqual(self.run_code("from pathlib import Path; print(Path.cwd())")["stdout"], home + "\n")
        self.assertEqual(self.run_code("pwd", language="bash")["stdout"], home + "\n")
        for language in ("js", "ts"):
            self.assertEqual(self.value("process.cwd()", language=language), repr(home))
            context = self.create(language=language, cwd=self.dir)
            self.assertEqual(self.value("process.cwd()", context=context), repr(self.dir))

    def test_interpreter_is_killed(self):
        """test_supervision: the interpreter is killed from outside; the next execution has a new one."""
        self.run_code("import os; x = 1")
        self.box.sh("kill -9 " + self.value("os.getpid()"))
        while self.contexts()["python"]["state"] == "idle":
            pass
        self.assertEqual(self.value("x = 2; x"), "2")


class Interrupts(CodeTest):
    """test_interrupt, test_timeout, test_killed."""

    def test_caller_leaves(self):
        self.run_code("x = 1")
        bus = connect()
        Running(Box.at(bus, self.box.path), "import time\nf = open({!r}, 'w'); f.write('x'); f.close()\ntime.sleep(1000)".format(self.fifo))
        self.assertEqual(self.box.sh(f"cat {self.fifo}"), "x")
        bus.close_sync()
        self.assertEqual(self.value("x + 1"), "2")

    def test_timeout(self):
        self.run_code("x = 1")
        execution = self.run_code("import time; time.sleep(1000)", timeout=t(1))
        self.assertEqual((execution["status"], execution["error"]["name"]), ("timed-out", "KeyboardInterrupt"))
        self.assertEqual(self.value("x"), "1")

    @own_box
    def test_sandbox_is_killed(self):
        running = self.begin()
        self.box.kill()
        with self.assertRaises(Failure) as caught:
            running.result()
        self.assertEqual(caught.exception.name, "GuestLost")


class Charts(CodeTest):
    """charts/test_*: charts of each type, with labels, units, ticks and scales."""

    def chart(self, code):
        execution = self.run_code(LIBRARIES + code + "\nplt.show()")
        self.assertEqual(execution["status"], "ok", execution)
        result, = execution["results"]
        self.assertEqual(bytes(result["data"]["image/png"][:8]), PNG)
        return json.loads(result["data"][CHART]) if CHART in result["data"] else None

    def assert_fields(self, chart, **expected):
        self.assertEqual({key: chart[key] for key in expected}, expected)

    def assert_planar(self, chart):
        for axis in "xy":
            self.assertEqual(types(chart[f"{axis}_ticks"]), FLOATS)
            self.assertEqual(types(chart[f"{axis}_tick_labels"]), TEXTS)

    def test_line(self):
        chart = self.chart("x = np.linspace(0, 2*np.pi, 100)\nplt.figure(figsize=(10, 6))\n"
                           "plt.plot(x, np.sin(x), label='sin(x)')\nplt.plot(x, np.cos(x), label='cos(x)')\n"
                           "plt.xlabel('Time (s)')\nplt.ylabel('Amplitude (Hz)')\nplt.title('sin and cos')")
        self.assert_fields(chart, type="line", title="sin and cos", x_label="Time (s)", x_unit="s",
                           y_label="Amplitude (Hz)", y_unit="Hz", x_scale="linear", y_scale="linear")
        self.assert_planar(chart)
        self.assertEqual([(one["label"], len(one["points"])) for one in chart["elements"]],
                         [("sin(x)", 100), ("cos(x)", 100)])
        points = chart["elements"][0]["points"]
        self.assertEqual((types(points), types(points[0])), (PAIRS, FLOATS))

    def test_dates(self):
        chart = self.chart("days = [datetime.date(2023, 9, 1) + datetime.timedelta(days=i) for i in range(100)]\n"
                           "plt.plot(days, np.linspace(0, 1, 100), label='d')")
        self.assert_fields(chart, type="line", x_scale="datetime", y_scale="linear")
        datetime.datetime.fromisoformat(chart["x_ticks"][0])
        self.assertEqual(chart["elements"][0]["points"][-1], ["2023-12-09", 1.0])

    def test_names(self):
        chart = self.chart("plt.plot([1, 2, 3], ['A', 'B', 'C'])")
        self.assert_fields(chart, type="line", x_scale="linear", y_scale="categorical")

    def test_log(self):
        chart = self.chart("x = np.linspace(0, 100, 100)\nplt.plot(x, np.exp(x), label='y = e^x')\nplt.yscale('log')\n"
                           "plt.ylabel('Y-axis (log scale)'); plt.legend(); plt.grid(True)")
        self.assert_fields(chart, type="line", x_scale="linear", y_scale="log", x_unit=None, y_unit="log scale")
        self.assert_planar(chart)
        line, = chart["elements"]
        self.assertEqual((line["label"], line["points"][0]), ("y = e^x", [0.0, 1.0]))

    def test_scatter(self):
        chart = self.chart("plt.xlabel('A'); plt.ylabel('B')\nplt.scatter(*np.random.rand(2, 5), c='blue', label='one')\n"
                           "plt.scatter(*np.random.rand(2, 10), c='red', label='two')")
        self.assert_fields(chart, type="scatter", title=None, x_label="A", y_label="B")
        self.assert_planar(chart)
        self.assertEqual([(one["label"], len(one["points"])) for one in chart["elements"]], [("one", 5), ("two", 10)])

    def test_bar(self):
        chart = self.chart("plt.figure(figsize=(10, 6))\nplt.bar(['A', 'B', 'C', 'D'], [100, 200, 300, 400])\n"
                           "plt.xlabel('Authors'); plt.ylabel('Sold'); plt.title('Books'); plt.tight_layout()")
        self.assert_fields(chart, type="bar", title="Books", x_label="Authors", y_label="Sold", x_unit=None, y_unit=None)
        self.assertEqual([(bar["label"], bar["value"]) for bar in chart["elements"]],
                         [("A", 100), ("B", 200), ("C", 300), ("D", 400)])

    def test_boxes_drawn_twice(self):
        chart = self.chart("scores = {'A': [85, 90, 78, 92, 88], 'B': [95, 89, 76, 91, 84, 87], 'C': [75, 82, 88, 79, 86]}\n"
                           "fig, ax = plt.subplots(figsize=(10, 6))\nax.set_title('Exam'); ax.set_ylabel('Score')\n"
                           "for _ in range(2): ax.boxplot(scores.values(), labels=scores.keys(), patch_artist=bool(_))")
        self.assert_fields(chart, type="box_and_whisker", title="Exam", y_label="Score", y_unit=None)
        self.assertEqual([box["label"] for box in chart["elements"]], ["A", "B", "C"])
        self.assertEqual(chart["elements"][0], {"label": "A", "min": 78.0, "first_quartile": 85.0, "median": 88.0,
                                                "third_quartile": 90.0, "max": 92.0, "outliers": []})

    def test_pie(self):
        chart = self.chart("fig, ax = plt.subplots(figsize=(8, 8))\nplt.xlabel('x')\n"
                           "ax.pie([90, 10], labels=['No', 'No, in blue'], autopct='%1.1f%%', startangle=90)\n"
                           "ax.axis('equal'); plt.title('Early?')")
        self.assert_fields(chart, type="pie", title="Early?")
        self.assertEqual(chart["elements"], [{"label": "No", "angle": 324.0, "radius": 1.0},
                                             {"label": "No, in blue", "angle": 36.0, "radius": 1.0}])

    def test_several_axes(self):
        chart = self.chart("fig, (a, b) = plt.subplots(1, 2, figsize=(10, 8))\nfig.suptitle('Many')\n"
                           "a.plot(np.linspace(0, 10, 100), 'r'); a.set_title('Sine'); a.grid(True)\n"
                           "b.scatter([1, 2], [3, 4], label='one'); b.set_xlabel('X'); b.set_title('Points')")
        self.assert_fields(chart, type="superchart", title="Many")
        first, second = chart["elements"]
        self.assert_fields(first, type="line", title="Sine", x_label=None)
        self.assert_fields(second, type="scatter", title="Points", x_label="X")
        self.assertEqual((len(first["elements"][0]["points"]), len(second["elements"][0]["points"])), (100, 2))

    def test_unknown_and_blank(self):
        chart = self.chart("fig, ax = plt.subplots()\nfor r in (1, 2): ax.add_artist(plt.Circle((0, 0), r, fill=False))\n"
                           "ax.grid(True); plt.title('Circles')")
        self.assertEqual(chart, {"type": "unknown", "title": "Circles", "elements": []})
        self.assertIsNone(self.chart("plt.subplots()"))


class JavaScript(CodeTest):
    """languages/test_js, test_deno."""

    def js(self, code, language="js"):
        return self.value(code, language=language)

    def test_output(self):
        execution = self.run_code("\n    console.log('Hello, World!')\n    ", language="js")
        self.assertEqual((execution["stdout"], execution["results"]), ("Hello, World!\n", []))

    def test_values(self):
        self.assertEqual(self.js("""
    async function main() {
        return 'Hello, World!'
    }

    await main()
    """), "'Hello, World!'")
        self.assertEqual(self.js("\nconst add = (x, y) => x + y;\nadd(1, 2);\n    "), "3")

    def test_state(self):
        self.run_code("const z = 1", language="js")
        self.assertEqual(self.js("z"), "1")

    def test_types(self):
        code = "\nfunction subtract(x: number, y: number): number {\n  return x - y;\n}\n\nsubtract(1, 2);\n"
        self.assertEqual(self.js(code, "ts"), "-1")

    def test_import_of_a_package(self):
        folder = f"{self.dir}/node_modules/is-odd"
        self.box.sh(f"mkdir -p {folder}; echo 'module.exports = n => n % 2 === 1' > {folder}/index.js")
        context = self.create(language="js", cwd=self.dir)
        self.assertEqual(self.value("import isOdd from 'npm:is-odd'\nisOdd(3)", context=context), "true")


class R(CodeTest):
    """test_default_kernels, test_cwd and env_vars for R."""

    def r(self, code, **options):
        return self.value(code, language="R", **options).strip()

    def test_r(self):
        self.assertEqual(self.run_code('print("Hello, World!")', language="r")["stdout"], '[1] "Hello, World!"\n')
        self.assertEqual(self.r("getwd()"), f'[1] "{self.box.sh("echo ~").strip()}"')
        self.assertEqual(self.r("Sys.getenv('FOO')", environment={"FOO": "bar"}), '[1] "bar"')
        self.assertEqual(self.r("Sys.getenv('FOO', unset = 'default')"), '[1] "default"')


class Agents(CodeTest):
    """E2B's guides: a file is uploaded and analysed, and a chart is returned."""

    def test_analysis(self):
        self.box.write(f"{self.dir}/sales.csv", "month,sold\n1,10\n2,30\n3,20\n".encode())
        events = self.events(f"import pandas as pd, matplotlib.pyplot as plt\nsales = pd.read_csv('{self.dir}/sales.csv')\n"
                             "print('rows:', len(sales))\nsales.plot(x='month', y='sold'); plt.title('Sold'); plt.show()\n"
                             "sales.describe()")
        out, chart, value, end = events
        self.assertEqual((out["text"], end["status"]), ("rows: 3\n", "ok"))
        self.assertEqual(base64.b64decode(chart["data"]["image/png"])[:8], PNG)
        drawn = json.loads(chart["data"][CHART])
        self.assertEqual((drawn["title"], drawn["elements"]),
                         ("Sold", [{"label": "sold", "points": [[1, 10], [2, 30], [3, 20]]}]))
        self.assertEqual(json.loads(value["data"][DATA])["sold"][:2], [3.0, 20.0])


if not shutil.which("Rscript"):
    del R  # real machines of the image interpreter have R, so test-interpreter tests it
tap.main()
