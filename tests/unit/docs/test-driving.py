# SPDX-License-Identifier: LGPL-2.1-or-later
"""test-driving: docs/driving-cloche.md contains the examples of docs/examples unchanged, and its links are valid."""
import pathlib
import re
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]
from cloche_tests import tap

DOCS = TOP / "docs"
EXAMPLES = DOCS / "examples"
PAGE = (DOCS / "driving-cloche.md").read_text()
BLOCK = re.compile(r"^(?P<intro>[^\n]*)\n\n```\w*\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


class Driving(unittest.TestCase):
    def test_blocks_are_the_files(self):
        links = []
        for block in BLOCK.finditer(PAGE):
            link = re.fullmatch(r"\[`(examples/\S+)`\]\(\1\):", block["intro"])
            self.assertTrue(link, f"the block after {block['intro']!r} has no link to a file")
            self.assertEqual(block["text"], (DOCS / link[1]).read_text(), link[1])
            links.append(link[1])
        self.assertEqual(PAGE.count("\n```"), 2 * len(links))
        files = [str(path.relative_to(DOCS)) for path in EXAMPLES.rglob("*") if path.is_file()]
        self.assertEqual(sorted(links), sorted(files))

    def test_links(self):
        headings = [heading.lower() for heading in re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)]
        targets = re.findall(r"\]\(([^)]+)\)", re.sub(r"^```.*?^```$", "", PAGE, flags=re.MULTILINE | re.DOTALL))
        self.assertGreater(len(targets), len(headings))
        for target in targets:
            if target.startswith("#"):
                self.assertIn(target[1:], headings)
            else:
                self.assertTrue((DOCS / target).exists(), target)

    def test_readme_has_it(self):
        self.assertIn("docs/driving-cloche.md", (TOP / "README.md").read_text())


tap.main()
