# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-languages: languages and packages of the image 'interpreter' in a real machine.

Usage: test-languages.py BUILD STORE. STORE has the template of prepare-templates.py named interpreter. Other tests, which need no
machine, test the runners in detail; this one tests that each runner has what it needs in this image, and that npm installs
packages from a World, whose authority the guest is told to trust.
"""
import concurrent.futures
import os
import subprocess
import sys
import unittest

from cloche_tests import box, guest_cells, network, tap
from cloche_tests.service import PrivateService
from cloche_tests.world import World, link

BUILD, STORE = sys.argv[1:3]
BOOT_S = 300
box.WAIT_MS = 300_000  # R starts, and imports of Python, are slow where machines are emulated
NPM_WAIT_MS = 900_000  # as is each start of npm
LANGUAGES = ["python", "javascript", "typescript", "bash", "r", "jupyter"]
PNG = b"\x89PNG\r\n\x1a\n"

# A cell that sets a state, a cell that uses it, and the result of the second cell.
STATES = {
    "python": ("x = 6", "x * 7", "42"),
    "javascript": ("const x = 6", "x * 7", "42"),
    "typescript": ("const z: number = 6", "(z as number) * 7", "42"),
    "bash": ("x=6", "echo $((x * 7))", "42\n"),
    "r": ("x <- 6", "x * 7", "[1] 42"),
}

PACKAGES = """
import aiohttp, bs4, docx, imageio, jinja2, joblib, jupyter_client, lxml.etree, matplotlib, networkx, nltk, numpy
import openpyxl, pandas, PIL.Image, plotly, pytest, pytz, requests, scipy.stats, seaborn, skimage.filters
import sklearn.linear_model, soundfile, statsmodels.api, sympy, tabulate, tornado, tqdm, urllib3, xarray, xlrd
import xlsxwriter, yaml
model = sklearn.linear_model.LinearRegression().fit([[1], [2], [3]], [3, 5, 7])
x = sympy.symbols("x")
round(model.predict([[4]])[0]), sympy.integrate(2 * x, x), float(scipy.stats.norm.cdf(0))
"""
# Each prints 42.
TOOLS = (
    "node -p 6*7",
    "Rscript -e 'cat(6*7)'",
    "sqlite3 :memory: 'select 6*7'",
    "jq -n 6*7",
)


CLONES = 8
FACTS_OF_PYTHON = """
import os, random, secrets, socket, ssl, tempfile, uuid
import numpy
def text(path):
    with open(path) as file: return file.read().strip()
facts = {
    'uuid4': uuid.uuid4(), 'uuid1': uuid.uuid1(), 'random': random.random(), 'system random': random.SystemRandom().random(),
    'secrets': secrets.token_hex(16), 'numpy legacy': numpy.random.random(), 'numpy generator': numpy.random.default_rng().random(),
    'generator of startup': _generator.random(), 'instance of startup': _instance.random(),
    'ssl': ssl.RAND_bytes(16).hex(), 'urandom': os.urandom(16).hex(), 'temporary file': tempfile.mktemp(),
    'boot id': text('/proc/sys/kernel/random/boot_id'), 'machine id': text('/etc/machine-id'), 'host name': socket.gethostname(),
}
for name, value in facts.items(): print(name, value, sep='=')
"""
FACTS_OF_JAVASCRIPT = """
const crypto = require('crypto')
console.log('Math.random=' + Math.random())
console.log('randomUUID=' + crypto.randomUUID())
console.log('randomBytes=' + crypto.randomBytes(16).toString('hex'))
console.log('getRandomValues=' + Buffer.from(crypto.webcrypto.getRandomValues(new Uint8Array(16))).toString('hex'))
console.log('key=' + crypto.generateKeyPairSync('ed25519').publicKey.export({type: 'spki', format: 'der'}).toString('hex'))
"""


def setUpModule():
    global service, world
    link.enter_own_network()
    if subprocess.run(["id", "cloche-egress"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        subprocess.run(["useradd", "--system", "cloche-egress"], check=True)
    world = World().start()
    unittest.addModuleCleanup(world.close)
    service = PrivateService(BUILD, STORE)
    service.start()
    os.environ["DBUS_SYSTEM_BUS_ADDRESS"] = service.address
    template = service.wait_for_template("interpreter", BOOT_S)
    if template["state"] != "ready":
        raise AssertionError(template)


def tearDownModule():
    service.idle()
    service.close()


class Interpreter(box.BoxTest):
    """All tests use one sandbox, because an interpreter that starts, or a package that is imported first, takes long."""

    @classmethod
    def setUpClass(cls):
        cls.bus = box.connect()
        cls.addClassCleanup(cls.bus.close_sync, None)
        cls.box = box.Box(cls.bus, "interpreter", timeout=box.t(3600))
        cls.addClassCleanup(cls.box.kill)

    def setUp(self):
        pass

    def code(self, code, **options):
        (execution,) = self.box.call("RunCode", "(sa{sv})", code, **options)
        self.assertEqual(execution["status"], "ok", execution)
        return execution

    def data(self, kind, code, **options):
        """Returns the data of this MIME type of all results."""
        return [bytes(r["data"][kind]) if kind == "image/png" else r["data"][kind]
                for r in self.code(code, **options)["results"] if kind in r["data"]]

    def contexts(self):
        (contexts,) = box.call(self.bus, self.box.path, box.SANDBOX, "ListContexts")
        return {c["id"]: c["state"] for c in contexts}

    def test_a_new_sandbox(self):
        self.assertEqual(service.template("interpreter")["languages"], LANGUAGES)
        self.assertEqual(self.contexts(), {"python": "idle", "javascript": "idle", "bash": "not-started", "r": "not-started"})
        self.assertEqual(self.data("text/plain", "ofStartup", language="javascript"), ["42"])
        self.assertEqual(self.code("_generator")["execution-count"], 1)

    def test_default_language(self):
        self.assertEqual(self.data("text/plain", "[6 * 7]"), ["[42]"])

    def test_states(self):
        for language, (first, second, value) in STATES.items():
            with self.subTest(language=language):
                self.code(first, language=language)
                execution = self.code(second, language=language)
                texts = [r["data"]["text/plain"] for r in execution["results"]]
                self.assertEqual("".join(texts) or execution["stdout"], value)
        self.assertEqual({id: state for id, state in self.contexts().items() if id in STATES},
                         dict.fromkeys(("python", "javascript", "bash", "r"), "idle"))

    def test_one_state_of_javascript_and_typescript(self):
        self.code("const sum = (a: number, b: number): number => a + b", language="typescript")
        self.assertEqual(self.data("text/plain", "sum(40, 2)", language="javascript"), ["42"])

    def test_typescript_of_today(self):
        code = "const sizes = {small: 42} satisfies Record<string, number>; sizes.small"
        self.assertEqual(self.data("text/plain", code, language="typescript"), ["42"])

    def test_glyphs(self):
        execution = self.code("import seaborn; seaborn.set_theme()" + guest_cells.CHART % "seaborn.set_theme()")
        self.assertEqual(execution["stderr"], "")
        self.assertIn("image/png", execution["results"][0]["data"])

    def test_kernel_that_is_not_there(self):
        self.assert_fails("Unsupported", "julia", self.code, "1", language="julia")

    def test_packages_of_python(self):
        self.assertEqual(self.data("text/plain", PACKAGES), ["(9, x**2, 0.5)"])

    def test_figure_of_plotly(self):
        """The only result has the data, and a page that is not much larger than the data."""
        (result,) = self.code("import plotly.express as px; px.bar(x=[1, 2], y=[3, 4])")["results"]
        self.assertEqual(sorted(result["data"]), ["application/vnd.plotly.v1+json", "text/html"])
        self.assertLess(len(result["data"]["text/html"]), 20000)

    def test_packages_of_r(self):
        code = "library(dplyr); mtcars |> group_by(cyl) |> summarise(n = n()) |> pull(n) |> paste(collapse = ' ')"
        self.assertEqual(self.data("text/plain", code, language="r"), ['[1] "11 7 14"'])
        pictures = self.data("image/png", "library(ggplot2); ggplot(cars, aes(speed, dist)) + geom_point()", language="r")
        self.assertEqual([picture[:8] for picture in pictures], [PNG])

    def test_tools(self):
        for tool in TOOLS:
            with self.subTest(tool=tool):
                self.assertEqual(self.box.sh(tool).strip(), "42")


class Npm(unittest.TestCase):
    """The user of a sandbox installs packages from the usual registry, without any configuration."""

    @classmethod
    def setUpClass(cls):
        service.call_ms = NPM_WAIT_MS
        cls.box = network.create(service, "restricted", template="interpreter", allow=["registry.npmjs.org:443"])
        cls.addClassCleanup(cls.box.kill)
        cls.box.trust(world.authority)

    def test_install(self):
        self.box.sh("mkdir app && cd app && npm install --no-progress world-greeting >../log 2>&1 || { cat ../log; exit 1; }")
        self.assertEqual(self.box.sh("cd app && node -p \"require('world-greeting').text\""), "hello from the world\n")
        self.assertEqual(self.box.sh("ls app"), "node_modules\npackage-lock.json\npackage.json\n")
        self.assertEqual(self.box.traffic()["refused"], 0)

    def test_npx(self):
        """It fetches a package for one run of its command."""
        self.assertEqual(self.box.sh("npx --yes world-greeting"), "hello from the world\n")

    def test_place_of_global_packages(self):
        """It is that of the recipe's packages, and their commands are in PATH."""
        self.assertEqual(self.box.sh("npm prefix --global && command -v npm"), "/usr/local\n/usr/local/bin/npm\n")


class Clones(unittest.TestCase):
    """Many machines of one snapshot are used at the same time. No two have a value in common."""

    @classmethod
    def setUpClass(cls):
        cls.bus = box.connect()
        cls.addClassCleanup(cls.bus.close_sync, None)
        cls.boxes = [cls.create() for _ in range(CLONES)]

    @classmethod
    def create(cls):
        while True:
            try:
                one = box.Box(cls.bus, "interpreter", timeout=box.t(3600))
            except box.Failure as failure:
                if failure.name != "Busy":  # all machines that were ready are claimed
                    raise
            else:
                cls.addClassCleanup(one.kill)
                return one

    def ask(self, code, boxes, **options):
        """Returns the printed values by name."""
        def of(one):
            (execution,) = one.call("RunCode", "(sa{sv})", code, **options)
            self.assertEqual(execution["status"], "ok", execution)
            return dict(line.split("=", 1) for line in execution["stdout"].splitlines())
        with concurrent.futures.ThreadPoolExecutor(len(boxes)) as pool:
            return list(pool.map(of, boxes))

    def check(self, facts, names):
        self.assertEqual(list(facts[0]), names)
        for name in names:
            with self.subTest(name=name):
                self.assertEqual(len({fact[name] for fact in facts}), len(facts))

    def test_python(self):
        self.check(self.ask(FACTS_OF_PYTHON, self.boxes), [
            "uuid4", "uuid1", "random", "system random", "secrets", "numpy legacy", "numpy generator",
            "generator of startup", "instance of startup", "ssl", "urandom", "temporary file", "boot id", "machine id", "host name"])

    def test_javascript(self):
        self.check(self.ask(FACTS_OF_JAVASCRIPT, self.boxes, language="javascript"), [
            "Math.random", "randomUUID", "randomBytes", "getRandomValues", "key"])

    def test_bash(self):
        self.check(self.ask("echo RANDOM=$RANDOM$RANDOM$RANDOM; echo SRANDOM=$SRANDOM; echo name=$(mktemp -u)", self.boxes,
                            language="bash"), ["RANDOM", "SRANDOM", "name"])

    def test_hash_seed(self):
        """A new Python starts behind the snapshot."""
        few = self.boxes[:2]
        for one in few:
            one.call("CreateContext", "(a{sv})")
        self.check(self.ask("print(f'hash={hash(\"text\")}')", few, context="python-1"), ["hash"])


tap.main()
