#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// A tool loop: a model writes code, a sandbox executes it, and the model reads what came of that.
//
// agent.js DIRECTORY: pictures are saved there.
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

// GLib 2.80 and later have the streams of descriptors in GioUnix, earlier ones in Gio.
const GioUnix = await import('gi://GioUnix').then(module => module.default, () => null);
const InputStream = GioUnix?.InputStream ?? Gio.UnixInputStream;

const CHART = 'application/vnd.cloche.chart+json';
const TEXT_MAX = 10000; // characters of an answer that the model reads
const bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, null);
const v = (type, value) => new GLib.Variant(type, value);

// Stands for a model: the code of its next call of the tool, or undefined when it has its answer.
function askModel(messages) {
    const script = ["import matplotlib.pyplot as plt\nsales = [3, 5, 9]\nprint('sum:', sum(sales))",
        'sales[7]',
        "plt.bar(['a', 'b', 'c'], sales); plt.title('Sales')",
        'import os; os._exit(1)',
        '6 * 7'];
    return script[messages.filter(message => message.role === 'tool').length];
}

// Calls org.cloche1.MEMBER of an object: its answer's only value. A descriptor is ours to close.
function call(path, member, signature, ...values) {
    const [name, method] = member.split('.');
    const [answer, fds] = bus.call_with_unix_fd_list_sync('org.cloche1', path, `org.cloche1.${name}`, method,
        v(signature, values), null, Gio.DBusCallFlags.NONE, GLib.MAXINT32, null, null);
    return fds ? fds.steal_fds()[0] : answer.recursiveUnpack()[0];
}

// What happens while the code runs. Closing the descriptor early interrupts the code.
function* execute(sandbox, code) {
    const fd = call(sandbox, 'Sandbox.StreamCode', '(sa{sv})', code, {timeout: v('t', 60)});
    const events = new Gio.DataInputStream({base_stream: new InputStream({fd, close_fd: true})});
    try {
        for (let [line] = events.read_line_utf8(null); line !== null; [line] = events.read_line_utf8(null))
            yield JSON.parse(line);
    } finally {
        events.close(null);
    }
}

let pictures = 0;

// A picture becomes a file; returns what the model reads.
function showResult(data, directory) {
    if (data['image/png']) {
        const name = `chart-${pictures++}.png`;
        GLib.file_set_contents(`${directory}/${name}`, GLib.base64_decode(data['image/png']));
        print('saved:', name);
    }
    if (data[CHART]) {
        const chart = JSON.parse(data[CHART]);
        return `[a chart: ${chart.type}, '${chart.title}': ${JSON.stringify(chart.elements)}]`;
    }
    return data['text/plain'] ?? `[${Object.keys(data).join(', ')}]`;
}

// Shows people what happens, and returns what the model reads.
function runTool(sandbox, code, directory) {
    const answer = [];
    for (const event of execute(sandbox, code)) {
        if (event.type === 'stdout' || event.type === 'stderr') {
            print(event.text.trimEnd());
            answer.push(event.text);
        } else if (event.type === 'result') {
            answer.push(showResult(event.data, directory));
        } else if (event.type === 'error') { // of the code: the model repairs it
            answer.push(event.traceback);
        } else if (event.message) { // it did not end by itself: its interpreter, or the sandbox, is gone
            answer.push(event.message);
        }
    }
    return answer.join('\n').slice(0, TEXT_MAX);
}

const [directory] = System.programArgs;
const messages = [{role: 'user', content: 'How did sales go?'}];
const sandbox = call('/org/cloche1', 'Manager.CreateSandbox', '(a{sv})', {timeout: v('t', 300)});
try {
    for (let code = askModel(messages); code !== undefined; code = askModel(messages)) {
        call(sandbox, 'Sandbox.SetTimeout', '(t)', 300); // as long as the model goes on
        const content = runTool(sandbox, code, directory);
        messages.push({role: 'tool', content});
        print('model reads:', content.trim().split('\n').at(-1));
    }
} finally {
    call(sandbox, 'Sandbox.Kill', '()');
}
