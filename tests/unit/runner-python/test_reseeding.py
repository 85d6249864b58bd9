# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each machine that is restored from one snapshot gets its own random numbers, environment and directory.

usage: test_reseeding.py RUN, where RUN is the runner's entry
"""

import os
import re

from case import Case

from cloche_tests.tap import main


class Reseeding(Case):
    """Clones with the same state draw different numbers if they get different entropy."""

    draws = {
        "random": "random.getrandbits(64), random.gauss(0, 1)",
        "own Random": "own.getrandbits(64)",
        "numpy global": "np.random.randint(1 << 60), np.random.standard_normal()",
        "numpy Generator": "generator.integers(1 << 60)",
        "numpy spawned": "sequence.spawn(1)[0].generate_state(1)",
        "numpy RandomState": "legacy.standard_normal()",
        "numpy RandomState of PCG64": "modern.standard_normal()",
        "in a module": "keeper.generator.random()",
        "in a closure": "draw_hidden()",
        "in a class": "Holder.generator.random()",
        "MT19937": "others[0].random()",
        "Philox": "others[1].random()",
        "SFC64": "others[2].random()",
        "PCG64DXSM": "others[3].random()",
        "uuid1 node": "uuid.uuid1().node",
        "authkey": "bytes(multiprocessing.current_process().authkey)",
    }

    generators = """
import gc, multiprocessing, os, random, ssl, tempfile, types, uuid
import numpy as np
random.seed(1); np.random.seed(1)
own = random.Random(1); generator = np.random.default_rng(1)
sequence = np.random.SeedSequence(1); legacy = np.random.RandomState(1)
modern = np.random.RandomState(np.random.PCG64(1))
keeper = types.ModuleType('keeper'); keeper.generator = np.random.default_rng(1)
class Holder: generator = np.random.default_rng(1)
def hide():
    generator = random.Random(1)
    return generator.random
draw_hidden = hide()
others = [np.random.Generator(getattr(np.random, kind)(1))
          for kind in ('MT19937', 'Philox', 'SFC64', 'PCG64DXSM')]
uuid._node = 1; uuid._generate_time_safe = None
multiprocessing.current_process().authkey = b'1'
for one in (legacy, modern, np.random): one.standard_normal()  # these draw pairs and keep the second number
random.gauss(0, 1);
"""

    def setUp(self):
        self.run_ok(self.generators)

    def draw(self, entropy):
        """Returns what a clone draws. All clones have the same state before they get their entropy."""
        self.run_ok(self.generators)
        if entropy:
            self.assertEqual(self.runner.reseed(entropy).status, 0)
        return {name: self.value(code) for name, code in self.draws.items()}

    def test_generators(self):
        self.assertEqual(self.draw(None), self.draw(None))
        clones = [self.draw(entropy * 32) for entropy in (b"a", b"b")]
        for name in self.draws:
            with self.subTest(name):
                self.assertEqual(len({draws[name] for draws in [self.draw(None), *clones]}), 3)
        for draws in clones:
            numbers = re.findall(r"\d{6,}", " ".join(draws.values()))
            self.assertEqual(len(numbers), len(set(numbers)))

    def test_openssl_and_names(self):
        self.run_ok("added = []; add = ssl.RAND_add; ssl.RAND_add = lambda *a: added.append(a)")
        self.run_ok("tempfile.mktemp(); names = tempfile._name_sequence")
        self.runner.reseed(b"c" * 256)
        self.run_ok("ssl.RAND_add = add")
        self.assertEqual(self.value("[(len(a), b) for a, b in added]"), "[(32, 32.0)]")
        self.assertEqual(self.value("tempfile._name_sequence is names"), "False")

    def test_torch(self):
        """torch is reseeded by its own function, and only if it is loaded."""
        self.run_ok("import sys; torch = sys.modules['torch'] = types.ModuleType('torch')\n"
                    "seeds = []; torch.manual_seed = seeds.append")
        self.runner.reseed(b"c" * 32)
        self.assertRegex(self.value("seeds"), r"^\[[0-9]{15,}\]$")
        self.run_ok("del sys.modules['torch']")

    def test_kernels_own(self):
        """Random numbers from the kernel are not affected."""
        code = "import secrets; uuid.uuid4(), secrets.token_hex(), random.SystemRandom().random()"
        self.runner.reseed(b"c" * 32)
        first = self.value(code)
        self.runner.reseed(b"c" * 32)
        self.assertNotEqual(self.value(code), first)

    def test_environment_and_directory(self):
        place = os.path.join(self.folder.name, "place")
        os.mkdir(place)
        with open(os.path.join(place, "only_here.py"), "w") as file:
            file.write("value = 5\n")
        before = self.run_ok("1").count
        done = self.runner.reseed(b"d" * 32, ["CLOCHE_R=ä=1", f"PYTHONPATH={place}/lib:"], place)
        self.assertEqual((done.status, done.error, done.count), (0, None, before))
        self.assertEqual(self.value("os.getcwd(), os.environ['CLOCHE_R']"), f"('{place}', 'ä=1')")
        self.assertEqual(self.value("import only_here; only_here.value"), "5")
        self.assertEqual(self.value("import sys; sys.path[:2]"), f"['', '{place}/lib']")

    def test_no_directory(self):
        done = self.runner.reseed(b"d" * 32, ["CLOCHE_N=1"], "/nowhere")
        self.assertEqual((done.status, done.error[0]), (1, "FileNotFoundError"))
        self.assertEqual(self.value("os.environ['CLOCHE_N']"), "'1'")


if __name__ == "__main__":
    main()
