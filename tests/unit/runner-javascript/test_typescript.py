# SPDX-License-Identifier: LGPL-2.1-or-later
"""The JavaScript runner executes TypeScript.

usage: test_typescript.py RUN [current], where RUN is the runner's entry

It uses Debian's compiler or, with "current", the one that guests have. tests/run.sh fetches that one and names its folder in
CLOCHE_TYPESCRIPT; without it, the test is skipped.
"""

import os
import struct
import sys

from case import Case, start

from cloche_tests.runner_client import EXECUTE, text, texts
from cloche_tests.tap import main

DEBIAN = "/usr/share/nodejs/typescript"
CURRENT = os.environ.get("CLOCHE_TYPESCRIPT", "/usr/local/lib/node_modules/typescript")
IS_CURRENT = sys.argv[2:] == ["current"]
COMPILER = CURRENT if IS_CURRENT else DEBIAN


class TypeScript(Case):
    environment = {"CLOCHE_TYPESCRIPT": COMPILER}

    def value(self, code, dialect="typescript"):
        return super().value(code, dialect=dialect)

    def test_checks(self):
        self.runner.assert_checks("complete", (
            "let x: number = 1", "interface A { x: number }", "<T>x", "f<T>(x)", "`a\nb`", "const a = <b>c</b>"), "typescript")
        self.runner.assert_checks("incomplete", (
            "interface A {", "function f(x: number): void {", "type A =", "x = 1 + // more", "`a", "/* a", "const a = <b>",
            "'a\\\n", "f<"), "typescript")
        self.runner.assert_checks("invalid", ("}", "'open", "a b", "let x: = 1"), "typescript")
        self.assertEqual(self.runner.check("let x: number = 1").completeness[0], "invalid")

    def test_types(self):
        for code, shown in (
            ("interface A { x: number }\nconst a: A = { x: 1 }; a.x", "1"),
            ("enum E { A, B }\nE[1]", "'B'"),
            ("class P<T> { constructor(public v: T) {} }\nnew P<string>('q')", "P { v: 'q' }"),
            ("const v = <any>5 as number; await Promise.resolve(v!)", "5"),
            ("export type T = { a: number }; export const z: T = { a: 1 }; z", "{ a: 1 }"),
            ("type Only = string", None),
        ):
            with self.subTest(code):
                shown_parts = self.run_ok(code, dialect="typescript").main
                self.assertEqual([p["text/plain"].decode() for p in shown_parts],
                                 [] if shown is None else [shown])

    def test_one_context(self):
        self.value("let shared: number = 1; shared")
        self.assertEqual(self.value("shared + 1", dialect=""), "2")
        self.run_ok("function plain() { return 'js' }")
        self.assertEqual(self.value("const t: string = plain(); t"), "'js'")

    def test_imports(self):
        """An import that only types use is removed; an import that nothing uses yet is kept for a later cell."""
        self.run_ok("import os from 'os'; import { Stats, readFileSync } from 'fs'\n"
                    "import { Nothing } from './nowhere'; import type { None } from './none'\n"
                    "let s: Stats | Nothing; readFileSync", dialect="typescript")
        self.assertEqual(self.value("[typeof os.cpus, typeof readFileSync]"),
                         "[ 'function', 'function' ]")
        self.run_ok("import { EventEmitter } from 'events'\nclass Mine extends EventEmitter {}",
                    dialect="typescript")

    def test_errors(self):
        error = self.run_failing("interface A {\n}\nlet y: = 3", "SyntaxError", dialect="typescript")
        self.assertRegex(error.error[2], r"^cell-\d+:3\nlet y: = 3\n {7}\^\n\nSyntaxError: Type expected")
        error = self.run_failing("interface A {\n  x: number\n}\nfunction f(q: A): void {\n"
                                 "  throw new TypeError('ts')\n}\nf({ x: 1 })",
                                 "TypeError", dialect="typescript")
        self.assertRegex(error.error[2], r"at f \(cell-\d+:5:9\)\n    at cell-\d+:7:1$")
        # the compiler does not check types
        self.assertEqual(self.value("const n: number = 'text' as any; n"), "'text'")

    def test_no_compiler(self):
        """Without the compiler, the error names what is missing, and JavaScript still works."""
        self.write("hide.cjs", "const { _resolveFilename } = module.constructor\n"
                   "module.constructor._resolveFilename = function (name, ...rest) {\n"
                   "  if (name.endsWith('/typescript')) name += '-is-not-here'\n"
                   "  return _resolveFilename.call(this, name, ...rest)\n}")
        runner = start(self.folder.name, "--warm", NODE_OPTIONS=f"--require={self.home}/hide.cjs")
        self.addCleanup(runner.close)
        payload = struct.pack("<I", 0) + text("typescript") + text("let n: number = 1") + texts([])
        runner.socket.sendall(runner.frame(EXECUTE, payload))
        failed = runner.finish()
        self.assertEqual((failed.status, failed.error[:2]), (1, (
            "Error", "TypeScript is not in this guest: npm's package typescript and Debian's node-typescript have it")))
        self.assertEqual(runner.execute("let n = 2; n").plain, "2")

    def test_dialects(self):
        error = self.run_failing("1", "Error", dialect="coffee")
        self.assertEqual(error.error[1], "JavaScript has no dialect 'coffee'")

    def test_jsx(self):
        self.assertEqual(self.value("const React = { createElement: (...all: any[]) => all };\n<p id='x'>{1 + 1}</p>"),
                         "[ 'p', { id: 'x' }, 2 ]")
        self.assertEqual(self.value("/** @jsx h */ const h = (...all: any[]) => all; <b>x</b>"), "[ 'b', null, 'x' ]")
        self.assertEqual(self.value("<any>5"), "5")
        error = self.run_failing("const j = <b>x</i>", "SyntaxError", dialect="typescript")
        self.assertIn("const j = <b>x</i>", error.error[2])

    def test_all_kinds(self):
        for code, shown in (
            ("enum E { A, B = 'b' as any }; const enum C { X = 3 }; [E.A, E.B, C.X]", "[ 0, 'b', 3 ]"),
            ("namespace N { export const v = 5; export namespace I { export const f = () => v } }\nN.I.f()", "5"),
            ("abstract class A { abstract f(): number; g() { return this.f() } }\n"
             "class B extends A { override f() { return 4 } }\nnew B().g()", "4"),
            ("function over(a: string): string; function over(a: number): number; function over(a: any) { return a }\nover(3)", "3"),
            ("import type { Stats } from 'fs'; import { type Dirent, readFileSync as read } from 'fs'; typeof read", "'function'"),
            ("import required = require('fs'); typeof required.statSync", "'function'"),
            ("function inject(t: any, k: any, i: number) { console.log(k, i) }\nclass D { m(@inject a: number) {} }\n0", "0"),
            ("function old(t: any, key: string, d: PropertyDescriptor) { console.log(key) }\n"
             "class O { @old m() { return 1 } }\nnew O().m()", "1"),
            ("const v = 7; export = v; module.exports", "7"),
            ("declare global { interface Window { a: 1 } }\ndeclare const nowhere: number; typeof nowhere", "'undefined'"),
            ("export default class { a = 1 }\n1", "1"),
            ("const at = [1, 2].at(-1)!; at", "2"),
        ):
            with self.subTest(code):
                self.assertEqual(self.value(code), shown)


class New(Case):
    """Syntax that Debian's compiler does not support."""

    environment = {"CLOCHE_TYPESCRIPT": CURRENT}

    def test_all(self):
        for code, shown, out in (
            ("const a = { x: 1 } satisfies { x: number }; a.x", "1", ""),
            ("class A { accessor n = 1 }; new A().n", "1", ""),
            ("function logged(value: Function, context: ClassMethodDecoratorContext) { console.log(context.kind); return value as any }\n"
             "class B { @logged m() { return 1 } }\nnew B().m()", "1", "method\n"),
            ("function field(n: number) { return (v: undefined, context: ClassFieldDecoratorContext) => (start: number) => start + n }\n"
             "class F { @field(5) p = 2 }\nnew F().p", "7", ""),
            ("function key(n: number) { return (target: any, propertyKey: string) => { console.log(propertyKey, n) } }\n"
             "class G { @key(1) p = 2 }; new G().p", "2", "p 1\n"),
            ("{ using r = { [Symbol.dispose]() { console.log('disposed') } }; console.log('body') }\n1", "1", "body\ndisposed\n"),
            ("function ct<const T>(x: T): T { return x }; ct([1, 2])", "[ 1, 2 ]", ""),
            ("import data from './x.json' with { type: 'json' }; data", "{ j: 1 }", ""),
            ("import { type Stats, statSync } from 'fs'; typeof statSync", "'function'", ""),
        ):
            with self.subTest(code):
                self.write("x.json", '{"j": 1}')
                execution = self.run_ok(code, dialect="typescript")
                self.assertEqual((execution.plain, execution.out.decode()), (shown, out))


if __name__ == "__main__":
    if not IS_CURRENT:
        del New
    elif not os.path.isdir(CURRENT):
        print(f"1..0 # SKIP there is no TypeScript in {CURRENT}: tests/run.sh fetches it")
        sys.exit()
    main()
