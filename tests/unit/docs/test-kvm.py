# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-kvm: docs/kvm.md's commands, options, settings and links exist. Usage: test-kvm.py CLOCHE"""
import pathlib
import re
import subprocess
import sys
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
from cloche_tests import tap

CLOCHE = sys.argv.pop()
PAGE = (TOP / "docs/kvm.md").read_text()
BLOCKS = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
INLINE = "\n".join(re.findall(r"`(cloche [^`]*)`", PAGE))
SETTINGS = re.compile(r"`(?:\[\w+\]`? *)?([A-Z]\w+)=\w*`")


def run(*arguments):
    return subprocess.run([CLOCHE, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout


def commands():
    """Yields the verb and its options for each 'cloche VERB …', without the options after '--'."""
    for arguments in re.findall(r"\bcloche ([a-z]+\b[^;|)\n]*)", BLOCKS + INLINE):
        own = re.split(r" -- |'", arguments)[0].split()
        yield own[0], [word for word in own[1:] if word.startswith("-")]


class Kvm(unittest.TestCase):
    def test_verbs_and_options(self):
        found = list(commands())
        verbs = re.findall(r"^  ([a-z-]+) ", run("--help").partition("Verbs:")[2], re.MULTILINE)
        self.assertGreaterEqual(len(found), 10)
        self.assertIn(("doctor", ["--problems"]), found)
        for verb, options in found:
            self.assertIn(verb, verbs)
            for option in options:
                self.assertRegex(run(verb, "--help"), rf"(?m)(^ +|, ){option}\b", f"{verb} {option}")

    def test_ten_steps(self):
        self.assertEqual(re.findall(r"^\*\*(\d+)\. ", PAGE, re.MULTILINE), [str(n + 1) for n in range(10)])
        self.assertTrue(PAGE.partition("**1. ")[2].partition("```sh\n")[2].startswith("cloche doctor\n"))

    def test_shell(self):
        subprocess.run(["bash", "-n"], input=BLOCKS, text=True, check=True)

    def test_settings(self):
        manual = (TOP / "docs/cloched.conf.5.rst").read_text()
        found = set(SETTINGS.findall(PAGE))
        self.assertIn("AllowEmulation", found)
        for setting in found:
            self.assertRegex(manual, rf"(?m)^{setting}=$", setting)

    def test_lines_of_doctor(self):
        sources = "".join(path.read_text() for path in (TOP / "src/cli").glob("doctor*.c"))
        lines = re.search(r"^```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1].splitlines()
        self.assertGreater(len(lines), 3)
        for line in lines:
            name = re.match(r"ok {9}(.*?)  ", line)[1]
            self.assertIn(f'"{name}"', sources)

    def test_links(self):
        headings = [heading.lower() for heading in re.findall(r"^## (.*)$", PAGE, re.MULTILINE)]
        for target in re.findall(r"\]\(([^)]+)\)", PAGE):
            if target.startswith("#"):
                self.assertIn(target[1:], headings)
            else:
                self.assertTrue((TOP / "docs" / target).exists(), target)
        self.assertIn("`docs/kvm.md`", (TOP / "README.md").read_text())


tap.main()
