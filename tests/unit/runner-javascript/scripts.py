# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts: programs for test_same_as_node.py, which runs each as an execution that drains and as `node FILE`."""

ALIKE = {
    "main, awaited by nobody": "async function main() { console.log(1); await null; console.log(2) }\nmain().catch(console.error)",
    "main that sleeps": "const sleep = (ms) => new Promise((r) => setTimeout(r, ms))\n"
                        "async function main() { console.log('start'); await sleep(20); console.log('result', 42) }\nmain()",
    "main, rejected and caught": "async function main() { throw new Error('x') }\nmain().catch((e) => { console.error(e.message); process.exit(1) })",
    "main that exits": "async function main() { try { console.log('a'); process.exit(0) } finally { console.log('never') } }\n"
                       "main().then(() => console.log('no')).catch((e) => { console.error(e); process.exit(2) })",
    "the main module": "function main() { console.log('main') }\nif (require.main === module) main()",
    "no main": "module.exports = { a: 1 }; console.log(module.exports === exports, typeof module.exports)",
    "exports": "exports.a = 1; exports.b = () => 2; console.log(module.exports)",
    "order of everything": "setImmediate(() => { console.log('immediate'); setTimeout(() => console.log('timeout')) })\n"
                           "process.nextTick(() => console.log('tick')); Promise.resolve().then(() => console.log('micro'))\n"
                           "queueMicrotask(() => console.log('queued')); console.log('sync')",
    "interval that ends": "let n = 0; const t = setInterval(() => { console.log(++n); if (n === 3) clearInterval(t) }, 2)",
    "unref": "setInterval(() => console.log('never'), 1e6).unref(); setTimeout(() => console.log('end'), 5)",
    "unref and ref": "const t = setTimeout(() => console.log('fired'), 5); t.unref(); t.ref()",
    "refresh": "let n = 0; const t = setTimeout(() => { console.log(++n); if (n < 3) t.refresh() }, 2)",
    "timers' promises": "const { setTimeout: s, setInterval: i } = require('timers/promises')\n"
                        "(async () => { console.log(await s(2, 'v')); let n = 0; for await (const _ of i(2)) if (++n === 2) break; console.log(n) })()",
    "await within loops": "(async () => { for (const n of [1, 2, 3]) { await new Promise((r) => setTimeout(r, 3 - n)); console.log(n) } })()",
    "all settled": "Promise.allSettled([1, Promise.reject(new Error('no')), new Promise((r) => setTimeout(r, 5, 'late'))]).then(\n"
                   "  (all) => console.log(all.map((one) => one.status + (one.value ?? one.reason.message))))",
    "a race that leaves a timer": "Promise.race([new Promise((r) => setTimeout(r, 30, 'slow')), 'fast']).then(console.log)",
    "promise that never settles": "new Promise(() => {}).then(() => console.log('never')); console.log('end')",
    "exit listeners": "process.on('exit', (c) => console.log('exit', c, process.exitCode)); process.on('beforeExit', (c) => console.log('before', c))",
    "beforeExit again": "let n = 0; process.on('beforeExit', () => { if (++n < 3) setTimeout(() => console.log('more', n), 1) })",
    "exit in a listener": "process.on('exit', () => { console.log('a'); process.exit(4) }); process.on('exit', () => console.log('never'))",
    "exitCode": "process.exitCode = 3; setTimeout(() => console.log(process.exitCode), 2)",
    "exitCode in exit": "process.on('exit', () => { process.exitCode = 9 })",
    "exit in a timer": "setTimeout(() => { console.log('bye'); process.exit(7) }, 2); setInterval(() => {}, 1000)",
    "exit in a finally": "try { process.exit(5) } finally { console.log('never') }",
    "exit in a callback": "require('fs').readFile('/dev/null', () => { process.exit(6); console.log('never') })",
    "exit behind output": "for (let i = 0; i < 2000; i++) console.log('line', i); process.exit(0)",
    "exit of a generator": "function* g() { try { yield 1 } finally { console.log('never') } }\nfor (const x of g()) process.exit(x)",
    "thrown": "console.log('a'); throw new TypeError('thrown'); console.log('b')",
    "thrown with pending timers": "setTimeout(() => console.log('never'), 1); throw new Error('early')",
    "thrown in a timer": "setTimeout(() => { throw new RangeError('late') }, 1); setTimeout(() => console.log('never'), 50)",
    "thrown text": "throw 'text'",
    "thrown object": "throw { code: 5 }",
    "rejected": "Promise.reject(new Error('nobody'))",
    "rejected later": "setTimeout(() => Promise.reject(new Error('nobody')), 1); setTimeout(() => console.log('never'), 50)",
    "rejected with a text": "Promise.reject('text'); setTimeout(() => console.log('never'), 50)",
    "rejected, handled late": "const p = Promise.reject(new Error('x')); setImmediate(() => p.catch(() => console.log('never')))",
    "uncaughtException": "process.on('uncaughtException', (e, origin) => { console.log('got', e.message, origin); setTimeout(() => console.log('on'), 1) })\n"
                         "setTimeout(() => { throw new Error('x') }, 1)",
    "uncaughtException, at the top": "process.on('uncaughtException', (e, origin) => console.log('got', e.message, origin))\n"
                                     "setTimeout(() => console.log('on'), 1); throw new Error('top')",
    "uncaughtException, and a listener that throws": "process.on('uncaughtException', (e) => { console.log('got', e.message); throw new RangeError('own') })\n"
                                                     "setTimeout(() => console.log('never'), 50); setTimeout(() => { throw new Error('x') }, 1)",
    "uncaughtException, at the top, and a listener that throws": "process.on('uncaughtException', (e) => { console.log('got', e.message); throw new RangeError('own') })\n"
                                                                 "throw new Error('x')",
    "unhandledRejection": "process.on('unhandledRejection', (e) => console.log('got', e.message)); Promise.reject(new Error('x'))\n"
                          "setTimeout(() => console.log('on'), 5)",
    "syntax": "console.log('never')\nlet x = = 1",
    "reference": "console.log(1); nothing.here",
    "error with a cause": "throw new Error('outer', { cause: new Error('inner') })",
    "assert": "require('assert').strictEqual(1, 2)",
    "child": "const { execSync, spawnSync } = require('child_process'); console.log(execSync('echo out').toString(), spawnSync('sh', ['-c', 'exit 3']).status)",
    "child that goes on": "require('child_process').exec('sleep 0.02; echo done', (e, out) => console.log(out))",
    "child with inherited output": "require('child_process').spawn('sh', ['-c', 'echo out; echo err >&2'], { stdio: 'inherit' }).on('exit', (c) => console.log(c))",
    "child that fails": "try { require('child_process').execSync('exit 4', { stdio: 'pipe' }) } catch (e) { console.log(e.status, e.message) }",
    "http server": "const s = require('http').createServer((q, r) => r.end('hi')).listen(0, () => require('http').get({ port: s.address().port, agent: false }, (r) => {\n"
                   "  r.on('data', (d) => console.log(String(d))).on('end', () => s.close(() => console.log('closed'))) }))",
    "fetch": "const s = require('http').createServer((q, r) => r.end('fetched')).listen(0, async () => {\n"
             "  console.log(await (await fetch('http://127.0.0.1:' + s.address().port)).text()); s.closeAllConnections(); s.close() })",
    "net": "const n = require('net'); const s = n.createServer((c) => c.end('bye')).listen(0, () => n.connect(s.address().port).on('data', (d) => console.log(`${d}`)).on('close', () => s.close()))",
    "worker": "const { Worker } = require('worker_threads'); new Worker('require(\"worker_threads\").parentPort.postMessage(1 + 1)', { eval: true })\n"
              ".on('message', console.log).on('exit', (c) => console.log('exit', c))",
    "message channel": "const { port1, port2 } = new MessageChannel(); port1.on('message', (m) => { console.log(m); port1.close() }); port2.postMessage('hi')",
    "stdin": "let n = 0; process.stdin.on('data', (d) => { n += d.length }).on('end', () => console.log('read', n))",
    "stdin, lines": "const rl = require('readline').createInterface({ input: process.stdin }); rl.on('line', console.log).on('close', () => console.log('closed'))",
    "stdin, whole": "console.log(JSON.stringify(require('fs').readFileSync(0, 'utf8')))",
    "files": "const fs = require('fs/promises'); (async () => { await fs.writeFile('f.txt', 'x'); console.log(await fs.readFile('f.txt', 'utf8')); await fs.unlink('f.txt') })()",
    "relative files": "require('fs').writeFileSync(require('path').join(__dirname, 'd.txt'), 'x'); console.log(require('fs').existsSync('d.txt'), __dirname === process.cwd()); require('fs').rmSync('d.txt')",
    "own modules": "require('fs').writeFileSync('own.js', 'exports.name = __filename.split(\"/\").pop()'); console.log(require('./own').name); require('fs').rmSync('own.js')",
    "streams": "const { pipeline } = require('stream/promises'), { Readable } = require('stream'), zlib = require('zlib')\n"
               "const parts = []; pipeline(Readable.from(['a', 'b']), zlib.createGzip(), zlib.createGunzip(), async function* (s) { for await (const c of s) parts.push(String(c)) }).then(() => console.log(parts.join('')))",
    "events": "const e = new (require('events'))(); e.once('x', (...a) => console.log(a)); e.emit('x', 1, 2); console.log(e.emit('x'))",
    "an error event": "new (require('events'))().emit('error', new Error('unheard'))",
    "strict": "'use strict'\ntry { undeclared = 1 } catch (e) { console.log(e.name) }\n(function () { console.log(this) })()",
    "sloppy": "undeclaredName = 1; console.log(typeof undeclaredName); delete globalThis.undeclaredName\n;(function () { console.log(this === globalThis) })()",
    "hashbang": "#!/usr/bin/env node\nconsole.log('ran')",
    "byte order mark": "\ufeffconsole.log('marked')",
    "lines of Windows": "const a = 1\r\nconsole.log(a)\r\n// end\r\nconsole.log(`x\r\ny`.length)\r\n",
    "comments of HTML": "console.log(1) <!-- comment\n--> another\nconsole.log(2)",
    "labels": "outer: for (const a of [1, 2]) { for (const b of [1, 2]) { if (b === 2) continue outer; console.log(a, b) } }",
    "classes": "class A { #x = 1; static { console.log('static') } get x() { return this.#x } toString() { return `A${this.#x}` } }\nconsole.log(new A().x, `${new A()}`, new A())",
    "generators": "function* g() { const x = yield 1; console.log('got', x); yield* [2, 3] }\nconst it = g(); console.log(it.next(), it.next('v'), [...it])",
    "async generators": "async function* g() { for (const n of [1, 2]) { await null; yield n } }\n(async () => { for await (const n of g()) console.log(n) })()",
    "hoisting": "console.log(typeof hoisted, hoisted(), later); var later = 1; function hoisted() { return 'h' }",
    "dead zone": "try { console.log(dead) } catch (e) { console.log(e.name) }\nlet dead = 1",
    "constants": "const c = 1; try { c = 2 } catch (e) { console.log(e.name, e.message) }\n"
                 "for (const x of [1, 2]) console.log(x); { const c = 5; console.log(c) }\n"
                 "try { c++ } catch (e) { console.log(e.message) } try { ({ c } = { c: 3 }) } catch (e) { console.log(e.message) }\n"
                 "const f = (c) => { c = 4; return c }; console.log(f(1), c); c ||= 9; console.log(c)\n"
                 "function g() { let c = 0; return () => ++c } console.log(g()(), c); try { for (c of [1]); } catch (e) { console.log(e.message) }",
    "console": "console.log('%s is %d, %j', 'x', 5, { a: 1 }); console.error('err'); console.warn('warn'); console.info('info'); console.debug('debug')\n"
               "console.table([{ a: 1, b: 2 }]); console.group('g'); console.log('in'); console.groupEnd(); console.count(); console.assert(false, 'no'); console.dir({ a: { b: {} } })",
    "shapes": "console.log([1, , 3], new Map([[1, { a: 2 }]]), new Set('ab'), Symbol('s'), 10n, -0, null, undefined, new Date(0), /x/g, () => {}, class Q {}, new Error('e').message)\n"
              "console.log(Buffer.from('hi'), new Uint8Array(3), { f() {}, get g() { return 1 } }, Object.create(null), [[[[1]]]], 'x'.repeat(3))",
    "writes": "process.stdout.write('a'); process.stdout.write('b\\n', () => console.log('written')); console.log(process.stdout.isTTY)",
    "much output": "for (let i = 0; i < 3000; i++) console.log('x'.repeat(100))",
    "argv": "console.log(process.argv.slice(2), process.argv0 === process.execPath || typeof process.argv0)",
    "top-level this and arguments of functions": "function f() { return arguments.length } console.log(f(1, 2, 3))",
    "json": "console.log(JSON.stringify({ a: [1, { b: null }], d: new Date(0), u: undefined }, null, 2))",
    "abort": "const a = new AbortController(); require('timers/promises').setTimeout(1000, null, { signal: a.signal }).catch((e) => console.log(e.name)); a.abort()",
    "async local storage": "const s = new (require('async_hooks').AsyncLocalStorage)(); s.run(7, () => setTimeout(async () => { await null; console.log(s.getStore()) }, 1)); console.log(s.getStore())",
    "structured clone": "console.log(structuredClone({ a: new Map([[1, new Date(0)]]) }))",
    "bits of the web": "console.log(new URL('http://a/b?c=1').searchParams.get('c'), btoa('x'), new TextDecoder().decode(new TextEncoder().encode('ä')), typeof performance.now())",
    "eval": "var e = 1; eval('var made = e + 1'); console.log(made, (0, eval)('typeof unmade'), new Function('a', 'return a * 2')(4))",
    "dynamic import": "import('path').then((p) => console.log(p.sep)); import('node:fs').then(({ default: fs }) => console.log(typeof fs.readFileSync))",
    "wasm": "WebAssembly.instantiate(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])).then((w) => console.log(Object.keys(w)))",
    "recursion": "function f() { f() } try { f() } catch (e) { console.log(e.name, e.message) }",
    "getters and symbols": "const o = { *[Symbol.iterator]() { yield 1 }, get x() { return 2 }, [Symbol.toPrimitive]: () => 3 }; console.log([...o], o.x, +o)",
    "regular expressions": "console.log('2024-01-02'.match(/(?<y>\\d+)-(?<m>\\d+)/).groups.y, 'a1b2'.replace(/\\d/g, (d) => d * 2), [...'xyx'.matchAll(/x/g)].map((m) => m.index))",
    "dates and numbers": "console.log(new Date(2020, 0, 31).getMonth(), (0.1 + 0.2).toFixed(2), (1234.5).toLocaleString(), Number('0x1f'), parseInt('12px'), 2 ** 53 + 1)",
    "a worker that prints": "new (require('worker_threads').Worker)('console.log(\\'from the worker\\'); process.exit(3)', { eval: true }).on('exit', (c) => console.log(c))",
    "a worker that fails": "new (require('worker_threads').Worker)('throw new Error(\\'w\\')', { eval: true }).on('error', (e) => console.log(e.message)).on('exit', (c) => console.log(c))",
    "a fork": "require('fs').writeFileSync('fork.js', 'process.on(\\'message\\', (m) => { process.send(m + 1); process.disconnect() })')\n"
              "const c = require('child_process').fork('./fork.js'); c.on('message', (m) => console.log(m)).on('exit', (s) => { console.log(s); require('fs').rmSync('fork.js') }); c.send(1)",
    "a refused connection": "fetch('http://127.0.0.1:1').catch((e) => console.log(e.message, e.cause.code))",
    "a refused connection that nobody handles": "require('net').connect(1, '127.0.0.1')",
    "a spawn of nothing": "require('child_process').spawn('/nowhere').on('error', (e) => console.log(e.code))",
    "a spawn of nothing that nobody handles": "require('child_process').spawn('/nowhere')",
    "a promise in a listener": "const e = new (require('events'))(); e.on('x', async () => { await null; setTimeout(() => console.log('never')); throw new Error('late') }); e.emit('x')",
    "readline over lines of a file": "require('fs').writeFileSync('l.txt', 'a\\nb\\n'); (async () => {\n"
                                     "  for await (const l of require('readline').createInterface({ input: require('fs').createReadStream('l.txt') })) console.log(l); require('fs').rmSync('l.txt') })()",
    "a pipe between children": "const { spawn } = require('child_process'); const a = spawn('echo', ['piped']), b = spawn('cat', { stdio: ['pipe', 'inherit', 'inherit'] }); a.stdout.pipe(b.stdin)",
    "input of a child": "console.log(require('child_process').execSync('cat', { input: 'given' }).toString(), require('child_process').execFileSync('wc', ['-c']).toString().trim())",
    "promisified": "const { promisify } = require('util'); promisify(require('child_process').exec)('echo p').then(({ stdout }) => { console.log(stdout); return promisify(setTimeout)(1, 'v') }).then(console.log)",
    "a timer with arguments": "setTimeout((a, b) => console.log(a, b), 1, 'x', 'y'); const t = setTimeout(() => {}, 1); console.log(typeof t[Symbol.toPrimitive](), t.hasRef())",
    "a timer cleared by itself": "const t = setInterval(function () { console.log(this === t); clearInterval(this) }, 1)",
    "a timer that is none": "setTimeout('text')",
    "many timers": "let n = 0, all = 2000; for (let i = 0; i < 3000; i++) { const t = setTimeout(() => { if (++n === all) console.log(n) }, i % 7); if (i % 3 === 0) clearTimeout(t) }",
    "exit of an async loop": "(async () => { for (let i = 0; ; i++) { await new Promise((r) => setTimeout(r, 1)); console.log(i); if (i === 2) process.exit() } })()",
    "exit with a text": "process.exit('3')",
    "output in exit": "process.on('exit', () => { process.stdout.write('last\\n'); setTimeout(() => console.log('never')) })",
    "exitCode and exit": "process.exitCode = 2; process.on('exit', (c) => console.log('exit', c)); setTimeout(() => process.exit(), 1)",
    "domain": "const d = require('domain').create(); d.on('error', (e) => console.log('domain', e.message)); d.run(() => setTimeout(() => { throw new Error('in') }, 1))",
    "repl": "console.log(typeof require('repl').start)",
    "uncaughtException of a rejection": "process.on('uncaughtException', (e, origin) => console.log(e.message, origin)); Promise.reject(new Error('x'))",
    "a monitor of errors": "process.on('uncaughtExceptionMonitor', (e, origin) => console.log('seen', e.message, origin)); setTimeout(() => { throw new Error('x') }, 1)",
    "weak references": "const r = new FinalizationRegistry(() => {}), o = {}; r.register(o, 1); console.log(new WeakRef(o).deref() === o)",
    "dns": "require('dns').lookup('127.0.0.1', (e, a, f) => { console.log(a, f); require('dns/promises').lookup('localhost').then(({ address }) => console.log(typeof address)) })",
    "a watch that is closed": "const w = require('fs').watch('.'); setTimeout(() => { w.close(); console.log('closed') }, 2)",
    "udp": "const s = require('dgram').createSocket('udp4'); s.bind(0, '127.0.0.1', () => s.send('hi', s.address().port)).on('message', (m) => { console.log(String(m)); s.close() })",
    "a stream that is fed later": "const p = new (require('stream').PassThrough)(); setTimeout(() => p.end('x'), 1); p.on('data', (d) => console.log(String(d))).on('end', () => console.log('end'))",
    "web streams": "(async () => { for await (const c of new Blob(['ab']).stream()) console.log(c.length); console.log(await new Response('r').text()) })()",
    "crypto": "const c = require('crypto'); console.log(c.createHash('sha256').update('x').digest('hex').slice(0, 8), c.randomUUID().length); c.webcrypto.subtle.digest('SHA-1', new Uint8Array(1)).then((d) => console.log(d.byteLength))",
    "performance": "const { performance } = require('perf_hooks'); performance.mark('a'); console.log(performance.measure('m', 'a').name)",
    "assertions that hold": "const assert = require('assert/strict'); assert.deepEqual({ a: [1] }, { a: [1] }); assert.throws(() => { throw new Error('e') }, /e/); console.log('ok')",
    "listeners of warnings": "process.removeAllListeners('warning').once('warning', (w) => console.log(w.message)); process.emitWarning('careful')",
    "memory and versions": "console.log(typeof process.memoryUsage().rss, process.versions.node === process.version.slice(1), process.platform, typeof process.hrtime.bigint())",
    "a url of a class": "class Account { constructor(b) { this.b = b } static of(b) { return new Account(b) } } const account = Account.of(5); console.log(account, account instanceof Account)",
    "two functions of a name": "function twice() { return 1 } function twice() { return 2 } console.log(twice())",
    "var beside a parameter": "var shadow = 1; (function (shadow) { shadow = 2; console.log(shadow) })(0); console.log(shadow)",
    "a block's function": "{ function inner() { return 'i' } } console.log(inner())",
    "tagged templates": "const tag = (s, ...v) => s.raw.join('|') + v.join(); console.log(tag`a${1}\\n${2}c`)",
    "a getter that throws": "console.log({ get bad() { throw new Error('x') } })",
    "a circle": "const a = { name: 'a' }; a.self = a; console.log(a); try { JSON.stringify(a) } catch (e) { console.log(e.name) }",
    "an aggregate error": "Promise.any([Promise.reject(new Error('1')), Promise.reject(new Error('2'))]).catch((e) => console.log(e.name, e.errors.length))",
    "error classes": "class E1 extends Error { constructor(m) { super(m); this.name = 'E1'; this.extra = 5 } } try { throw new E1('m') } catch (e) { console.log(e.name, e.message, e instanceof Error, String(e), e.extra) } throw new E1('out')",
    "text of a module": "const m = new (require('module'))('m'); m._compile('module.exports = __filename', 'made.js'); console.log(m.exports)",
    "vm": "const vm = require('vm'); console.log(vm.runInNewContext('a + 1', { a: 1 }), vm.runInThisContext('typeof globalThis'))",
    "a kill of its own": "setTimeout(() => process.kill(process.pid, 0) && console.log('there'), 1)",
}

MODULES = {
    "the main module": "import { fileURLToPath, pathToFileURL } from 'url'\nimport process from 'process'\n"
                       "if (process.argv[1] === fileURLToPath(import.meta.url)) console.log('main')\n"
                       "if (import.meta.url === pathToFileURL(process.argv[1]).href) console.log('main')\n"
                       "if (import.meta.url === `file://${process.argv[1]}`) console.log('main')",
    "createRequire": "import { createRequire } from 'module'\nconst require = createRequire(import.meta.url); console.log(require('path').sep)",
    "files beside it": "import { readFile, writeFile, rm } from 'fs/promises'\nconst file = new URL('./beside.txt', import.meta.url)\n"
                       "await writeFile(file, 'x'); console.log(await readFile('beside.txt', 'utf8')); await rm(file)",
    "a chain that exits": "async function main() { await 1; console.log('main') }\nmain().then(() => process.exit(0)).catch(() => process.exit(1))",
    "a loop of awaits": "const work = async (n) => { await new Promise((r) => setTimeout(r, 1)); return n * 2 }\n"
                        "const all = await Promise.all([1, 2, 3].map(work)); console.log(all)",
    "re-exports": "export { sep } from 'path'\nexport * from 'os'\nexport const { a, b } = { a: 1, b: 2 }; export let c; console.log(a, b, c)",
    "imports": "import { sep } from 'path'\nimport fs, { readFileSync as r } from 'fs'\nimport * as os from 'os'\nconsole.log(sep, r === fs.readFileSync, typeof os.cpus)",
    "top-level await": "const x = await new Promise((r) => setTimeout(r, 2, 'awaited')); console.log(x); for await (const y of [1, 2]) console.log(y)",
    "an await that nothing settles": "console.log('a'); await new Promise(() => {})",
    "exports": "export const a = 1\nexport default function f() { return 2 }\nexport { a as b }\nexport class K {}\nconsole.log(a, f(), typeof K)",
    "a default object": "export default { a: 1 }\nconsole.log('after')",
    "a default function without a name": "export default function () { return 1 }\nexport const z = 1; console.log(z)",
    "import.meta": "import path from 'path'\nimport { fileURLToPath } from 'url'\n"
                   "const __filename = fileURLToPath(import.meta.url); const __dirname = path.dirname(__filename)\n"
                   "console.log(__dirname === process.cwd(), import.meta.url.startsWith('file:///'), typeof import.meta)",
    "rejected at the top": "console.log('a'); await Promise.reject(new TypeError('no')); console.log('never')",
    "import of nothing": "import x from './nowhere.mjs'; console.log(x)",
}
