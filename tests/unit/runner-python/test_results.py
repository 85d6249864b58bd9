# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Python runner sends displays and their updates, within the bounds of the protocol.

usage: test_results.py RUN, where RUN is the runner's entry
"""

import os
import stat

from case import MIB, Case

from cloche_tests.runner_client import CUT, MAIN, SILENT, UPDATE
from cloche_tests.tap import main

DATA_MAX = 4 * MIB
BYTES_MAX = 12 * MIB
HEAD_MAX = MIB // 4


class Displays(Case):
    def shown(self, code, flags=0):
        """Returns (flags, display id, plain text) of each result."""
        execution = self.run_ok(code, flags)
        self.assertTrue(all(saved == {} for _, _, saved in execution.details))
        return [
            (flags, display_id, parts["text/plain"].decode())
            for (flags, display_id, _), (_, parts) in zip(execution.details, execution.results)
        ]

    def test_ids(self):
        self.assertEqual(self.shown("display(1); 2"), [(0, "", "1"), (MAIN, "", "2")])
        self.assertEqual(self.shown("h = display(1, display_id='ä')"), [(0, "ä", "1")])
        self.assertEqual(self.shown("h.update(2)"), [(UPDATE, "ä", "2")])
        self.run_ok("from IPython.display import update_display")
        self.assertEqual(self.shown("update_display(3, display_id='ä')"), [(UPDATE, "ä", "3")])
        self.assertEqual(self.shown("h.display(4)"), [(0, "ä", "4")])
        self.assertEqual(self.shown("h.update(5)", SILENT), [])
        self.assertEqual(self.shown("h = display(1, display_id=7)"), [(0, "7", "1")])

    def test_generated_ids(self):
        (first,) = self.shown("h = display(1, display_id=True)")
        (second,) = self.shown("h.update(2)")
        self.assertRegex(first[1], "^[0-9a-f]{32}$")
        self.assertEqual(second, (UPDATE, first[1], "2"))

    def test_id_bounds(self):
        longest = "ä" * 64
        self.assertEqual(self.shown(f"h = display(1, display_id='{longest}')")[0][1], longest)
        for bad in (longest + "b", "a\\0"):
            self.assertEqual(
                self.run_failing(f"display(1, display_id='{bad}')", "ValueError").error[1],
                "a display id has at most 128 bytes, none of them zero",
            )

    def test_clear_output(self):
        code = "from IPython.display import clear_output\nprint('a'); display(1)\n"
        execution = self.run_ok(code + "clear_output(wait=True); clear_output()\nprint('b'); 2")
        self.assertEqual(execution.out, b"a\nb\n")
        self.assertEqual([parts["text/plain"] for _, parts in execution.results], [b"1", b"2"])


class Bounds(Case):
    """Each limit holds just inside and just outside of its bound."""

    def bundle(self, *pairs, also=""):
        """Displays a bundle of (MIME type, expression) and returns flags, parts, saved data."""
        bundle = ", ".join(f"'{mime}': {data}" for mime, data in pairs)
        execution = self.run_ok(f"display({{{bundle}}}, raw=True){also}")
        ((flags, _, saved),), ((_, parts),) = execution.details, execution.results
        return flags, parts, {mime: self.load(path) for mime, path in saved.items()}

    def load(self, path):
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode), 0o700)
        with open(path, "rb") as file:
            data = file.read()
        os.unlink(path)
        return data

    def test_text(self):
        text = b"x" * DATA_MAX
        self.assertEqual(
            self.bundle(("text/html", f"'x' * {DATA_MAX}")), (0, {"text/html": text}, {})
        )
        self.assertEqual(
            self.bundle(("text/html", f"'x' * {DATA_MAX + 1}"), ("text/plain", "'p'")),
            (
                CUT,
                {"text/html": text[:HEAD_MAX], "text/plain": b"p"},
                {"text/html": text + b"x"},
            ),
        )
        _, parts, _ = self.bundle(("text/plain", f"'-' + 'ä' * {DATA_MAX}"))
        self.assertEqual(parts["text/plain"].decode(), "-" + "ä" * (HEAD_MAX // 2 - 1))

    def test_bytes(self):
        data = b"\x89" * DATA_MAX
        self.assertEqual(
            self.bundle(("image/png", f"b'\\x89' * {DATA_MAX}")), (0, {"image/png": data}, {})
        )
        self.assertEqual(
            self.bundle(("image/png", f"b'\\x89' * {DATA_MAX + 1}")),
            (CUT, {}, {"image/png": data + b"\x89"}),
        )
        self.assertEqual(
            self.bundle(("a/x+json", f"['j' * {DATA_MAX}]"), ("text/plain", "'p'")),
            (CUT, {"text/plain": b"p"}, {"a/x+json": b'["' + b"j" * DATA_MAX + b'"]'}),
        )

    def test_names(self):
        mimes = {
            "text/plain": "txt", "text/html": "html", "text/x-own": "txt", "image/svg+xml": "svg",
            "a/b+json": "json", "application/json": "json", "image/png": "png", "a/b": "bin",
        }  # fmt: skip
        code = f"display({{mime: 'x' * {DATA_MAX + 1} for mime in {list(mimes)}}}, raw=True)"
        names = []
        for _ in range(2):
            ((_, _, saved),) = self.run_ok(code).details
            self.assertRegex(saved["a/b"], "/cloche-results-[^/]+/[0-9]+-8.bin$")
            names += saved.values()
            for mime, path in saved.items():
                self.assertEqual(path.rpartition(".")[2], mimes[mime])
                self.load(path)
        self.assertEqual(len(set(names)), 16)
        self.assertEqual(len({os.path.dirname(name) for name in names}), 1)

    def test_execution(self):
        """One execution may send 12 MiB: the last result that fits, and later ones."""
        big = f"display('x' * {DATA_MAX - 1000});" * 2
        execution = self.run_ok(big + f"display('y' * {DATA_MAX}); display(1); 'z' * 5000")
        sent = sum(sum(map(len, parts.values())) for _, parts in execution.results[:3])
        self.assertLessEqual(sent, BYTES_MAX)
        self.assertEqual([flags for flags, _, _ in execution.details], [0, 0, CUT, 0, MAIN])
        self.assertEqual(len(execution.displays[2]["text/plain"]), HEAD_MAX)

    def test_late(self):
        fill = f"for _ in range(3): display('x' * {DATA_MAX - 1000})\n"
        late = self.run_ok(
            fill + "display({'text/html': 'h' * 3000, 'text/plain': 'p' * 4096}, raw=True)\n"
            "display({'text/plain': 'p' * 4097}, raw=True)\ndisplay(1)\n'm' * 2000"
        )
        self.assertEqual([flags for flags, _, _ in late.details[3:]], [CUT, CUT, 0, MAIN])
        html, plain = (saved for _, _, saved in late.details[3:5])
        self.assertEqual(late.displays[3], {"text/plain": b"p" * 4096})
        self.assertEqual({mime: self.load(path) for mime, path in html.items()},
                         {"text/html": b"h" * 3000})
        self.assertEqual(late.displays[4], {"text/plain": b"p" * 4096})
        self.assertEqual(self.load(plain["text/plain"]), b"p" * 4097)
        self.assertEqual(late.plain, repr("m" * 2000))
        self.assertEqual(self.shown_again(), b"1")

    def shown_again(self):
        return self.run_ok("1").main[0]["text/plain"]

    def test_sum_of_one_result(self):
        """Each part fits, but their sum is too large."""
        mimes = [f"image/x{i}" for i in range(4)]
        for size, is_late in ((3 * MIB - 100, False), (3 * MIB, True)):
            flags, parts, saved = self.bundle(
                *[(mime, f"bytes({size})") for mime in mimes], ("text/plain", "'p'")
            )
            self.assertEqual(flags, CUT if is_late else 0)
            self.assertEqual(sorted(saved), mimes if is_late else [])
            self.assertEqual(sorted(parts), ["text/plain"] if is_late else [*mimes, "text/plain"])

    def test_count(self):
        many = self.run_ok("for i in range(999): display(i)\n'the value'")
        self.assertEqual((len(many.displays), many.plain, many.err), (999, "'the value'", b""))
        more = self.run_ok("for i in range(1500): display(i)\n'the value'")
        self.assertEqual((len(more.displays), more.plain), (999, "'the value'"))
        self.assertEqual(more.err, b"[more than 1000 results: the rest is left out]\n")
        self.assertEqual(self.shown_again(), b"1")

    def test_disk_full(self):
        limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (%s, -1))"
        self.run_ok(limit % MIB)
        execution = self.run_ok(
            f"for _ in range(2): display({{'image/png': bytes({DATA_MAX + 1})}}, raw=True)\n"
            f"'x' * {DATA_MAX}"
        )
        self.run_ok(limit % -1)
        self.assertEqual(execution.err, b"[what is too large to be sent cannot be saved: "
                                        b"[Errno 27] File too large]\n")
        self.assertEqual(execution.details, [(CUT, "", {})] * 2 + [(CUT | MAIN, "", {})])
        self.assertEqual(
            execution.displays, [{"text/plain": b"[image/png: too large to be shown]"}] * 2
        )
        self.assertEqual(len(execution.plain), HEAD_MAX)
        self.assertEqual(self.bundle(("a/b", f"bytes({DATA_MAX + 1})"))[0], CUT)

    def test_directory(self):
        """Data is saved in TMPDIR, which may be invalid. A directory that was removed is created again."""
        code = f"display({{'a/b': bytes({DATA_MAX + 1})}}, raw=True)"
        ((_, _, saved),) = self.run_ok(code).details
        path = saved["a/b"]
        self.run_ok(f"import shutil; shutil.rmtree({os.path.dirname(path)!r})")
        for bad in ("/nowhere", "/tmp/\\udcff", "/" + "x" * 4000):
            change = f"import os; os.environ['TMPDIR'] = '{bad}'\n"
            execution = self.run_ok(change + code, environment=["TMPDIR="])
            self.assertEqual(execution.details, [(CUT, "", {})], bad)
            self.assertIn(b"cannot be saved", execution.err)
        own = os.path.join(self.folder.name, "own")
        os.mkdir(own)
        ((_, _, saved),) = self.run_ok(code, environment=[f"TMPDIR={own}"]).details
        self.assertTrue(saved["a/b"].startswith(own + "/cloche-results-"))
        self.run_ok(f"shutil.rmtree({own!r})")


if __name__ == "__main__":
    main()
