# SPDX-License-Identifier: LGPL-2.1-or-later
"""In the JavaScript runner, any name may be declared again with any kind of declaration.

usage: test_declarations.py RUN, where RUN is the runner's entry
"""

import itertools

from case import SLEEP, Case

from cloche_tests.tap import main

KINDS = {
    "const": "const {0} = {1}", "let": "let {0} = {1}", "var": "var {0} = {1}", "class": "class {0} {{ static v = {1} }}",
    "function": "function {0}() {{ return {1} }}", "import": "import {{ default as {0} }} from './{1}.mjs'",
    "pattern": "const {{ a: [{0}] }} = {{ a: [{1}] }}", "loop": "for (var {0} of [0, {1}]);",
    "block": "{{ var {0} = {1} }}", "await": "const {0} = await {1}",
}
CONSTANT = {"const", "import", "pattern", "await"}
VALUE = "typeof {0} === 'function' ? {0}.v ?? {0}() : {0}"


class Again(Case):
    def test_every_kind_after_every_kind(self):
        for number in (1, 2, 3):
            self.write(f"{number}.mjs", f"export default {number}")
        for count, kinds in enumerate(itertools.product(KINDS, repeat=2)):
            for third in ("const", "var", "function"):
                with self.subTest((*kinds, third)):
                    self.declare(f"name{count}{third}", (*kinds, third))

    def declare(self, name, kinds):
        for number, kind in enumerate(kinds, start=1):
            self.run_ok(KINDS[kind].format(name, number))
            self.assertEqual(self.value(VALUE.format(name)), str(number))
            if kind in CONSTANT:
                self.assertEqual(self.run_failing(f"{name} = 9", "TypeError").error[1], "Assignment to constant variable.")
            else:
                self.assertEqual(self.value(f"{name} = 9; {name}"), "9")

    def test_typescript(self):
        for code in ("const t: number = 1", "let t: number = 2", "enum t { A = 3 }", "class t { static A = 4 }",
                     "namespace t { export const A = 5 }", "var t = 6", "import t from 'path'", "function t(): number { return 7 }"):
            self.run_ok(code, dialect="typescript")
        self.assertEqual(self.value("t()"), "7")

    def test_closures(self):
        """A name is one variable in all cells, as in other consoles."""
        self.run_ok("const a = 1; const get = () => a; function read() { return b }; let b = 1")
        self.run_ok("let a = 2; var b = 2; a++")
        self.assertEqual(self.value("[get(), read()]"), "[ 3, 2 ]")

    def test_whole_statements(self):
        for first, then, shown in (
            ("let p = 1, q = 2", "var p, q = 3, r = 4; [p, q, r]", "[ undefined, 3, 4 ]"),
            ("const i = 5", "for (var i = 0; i < 2; i++); i", "2"),
            ("const key = 5", "for (var key in { x: 1 }); key", "'x'"),
            ("const h = 5", "h(); function h() { return 'hoisted' }", "'hoisted'"),
            ("const af = 5", "await af(); async function af() { await 1; return 'async' }", "'async'"),
            ("const g = 5", "[...g()]; function* g() { yield 1 }", "[ 1 ]"),
            ("function n() {}", "class n { static v = 1 }\nn.v", "1"),
            ("let l1 = 1; var v1 = 2", "const { l1, v1, ...rest } = { l1: 3, v1: 4, x: 5 };\n[l1, v1, rest]", "[ 3, 4, { x: 5 } ]"),
            ("var own = 1", "own = own || 2; var own = own + 1; own", "2"),
            ("let kept = 1", "var kept = kept || 5; kept", "1"),
            ("let e = (() => { throw 1 })()", "var e = 5; e", "5"),
            ("let f1 = (() => { throw 1 })()", "function f1() { return 6 }\nf1()", "6"),
            ("const fn = 1", "var fn = function () {}; fn.name", "'fn'"),
            ("const fd = 1", "function fd() {}\nfd.name", "'fd'"),
            ("const rec = 1", "function rec(n) { return n ? n * rec(n - 1) : 1 }\nrec(5)", "120"),
            ("let semi = 1", "var semi = 2\n;[1].map((x) => x + semi)", "[ 3 ]"),
            ("let call = 1", "var call = 2\nvar other = 3\n;(call)", "2"),
            ("const o1 = 1", "export const o1 = 2; o1", "2"),
        ):
            with self.subTest(then):
                self.execute(first)
                self.assertEqual(self.value(then), shown)

    def test_places_stay(self):
        self.run_ok("const one = 1; const two = 2; let three = 3; const four = 4")
        error = self.run_failing("// first\n  function one() {\n    throw new Error('x')\n  }\n"
                                 "var two = 2, z = 1\nconst three = 3; one()", "Error")
        self.assertRegex(error.error[2], r"at one \(cell-\d+:3:11\)\n    at cell-\d+:6:18$")
        error = self.run_failing("const a = 1; const b = 2; const c = fail()", "ReferenceError")
        self.assertRegex(error.error[2], r"cell-\d+:1:37$")

    def test_once_in_a_cell(self):
        """Within one cell, JavaScript's usual rules apply."""
        self.run_failing("let twice = 1; let twice = 2", "SyntaxError")
        self.run_failing("const never", "SyntaxError")
        self.assertEqual(self.run_failing("nowhere; let nowhere = 1", "ReferenceError").error[1], "nowhere is not defined")

    def test_own_names(self):
        """Names that exist before any code can be declared, too."""
        for name in ("process2", "fetch", "fs", "name", "module", "display", "_", "__dirname", "event"):
            self.assertEqual(self.value(f"{{ const {name} = 1; {name} }}"), "1")
        self.assertEqual(self.value("const path = 5; path"), "5")
        self.assertEqual(self.value("var path = 6; path"), "6")


class Constants(Case):
    def refuse(self, code):
        self.assertEqual(self.run_failing(code, "TypeError").error[1], "Assignment to constant variable.")

    def test_every_assignment(self):
        self.run_ok("const c = 1, { d } = { d: 2 }")
        for code in ("c = 2", "c += 1", "c++", "--c", "[c] = [2]", "({ c } = { c: 2 })", "({ c = 3 } = {})", "({ x: c } = { x: 2 })",
                     "[...c] = [1]", "for (c of [1]);", "for (c in { a: 1 });", "d = 3", "c &&= 5", "(() => { c = 2 })()",
                     "(function () { { c = 2 } })()", "await (async () => { c = 2 })()", "'use strict'; c = 2",
                     "class K { static { c = 2 } }", "const e = 1; e = 2", "function f() { g = 1 }\nconst g = 2; f()"):
            with self.subTest(code):
                self.refuse(code)
        self.assertEqual(self.value("c ||= 7; [c, d]"), "[ 1, 2 ]")
        self.assertEqual(self.value("c ??= 7; c"), "1")

    def test_other_names(self):
        """Inner declarations hide the outer variable."""
        self.run_ok("const c = 1")
        for code in ("{ let c = 1; c = 2; c }", "(() => { var c; c = 2; return c })()", "((c) => { c = 2; return c })()",
                     "((...c) => { c = 2; return c })()", "(({ c }) => { c = 2; return c })({})", "(([c = 1]) => { c++; return c })([])",
                     "(() => { { var c } c = 2; return c })()", "(function c() { c = 3; return 2 })()",
                     "try { throw 1 } catch (c) { c = 2; c }", "for (let c = 0; c < 2; c++); 2",
                     "let { x: [y] } = { x: [2] }; y = 2; y", "(() => { function c() {} c = 2; return c })()",
                     "var o = { c: 1 }; o.c = 2; o.c", "(() => { for (let c of [1]) { c = 2; return c } })()",
                     "switch (1) { case 1: let c = 1; c = 2; c }", "(() => { class c {} ; c = 2; return c })()"):
            with self.subTest(code):
                self.assertEqual(self.value(code), "2")
        self.assertEqual(self.value("c"), "1")

    def test_again(self):
        self.run_ok("const again = 1")
        self.run_ok("let again = 2; again = 3")
        self.run_ok("const again = 4")
        self.refuse("again = 5")

    def test_interrupted(self):
        self.run_interrupted("const during = 1; console.log('now'); while (true) " + SLEEP)
        self.assertEqual(self.value("let during = 2; during"), "2")


if __name__ == "__main__":
    main()
