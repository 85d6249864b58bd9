#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// A tool loop: a model writes code, a sandbox executes it, and the model reads the output.
//
// agent.js DIRECTORY: saves pictures in DIRECTORY.
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';
import System from 'system';

// Streams of descriptors are in GioUnix since GLib 2.80, and in Gio before.
const GioUnix = await import('gi://GioUnix').then(module => module.default, () => null);
const InputStream = GioUnix?.InputStream ?? Gio.UnixInputStream;

const CHART = 'application/vnd.cloche.chart+json';
const TEXT_MAX = 10000; // the maximum number of characters that the model reads
const bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, null);
const v = (type, value) => new GLib.Variant(type, value);

// Stands for a model. Returns the code of its next tool call, or undefined when it is done.
function askModel(messages) {
    const script = ["import matplotlib.pyplot as plt\nsales = [3, 5, 9]\nprint('sum:', sum(sales))",
        'sales[7]',
        "plt.bar(['a', 'b', 'c'], sales); plt.title('Sales')",
        'import os; os._exit(1)',
        '6 * 7'];
    return script[messages.filter(message => message.role === 'tool').length];
}

// Calls org.cloche1.MEMBER of an object. Returns the only value of the reply; the caller must close a descriptor.
function call(path, member, signature, ...values) {
    const [name, method] = member.split('.');
    const [answer, fds] = bus.call_with_unix_fd_list_sync('org.cloche1', path, `org.cloche1.${name}`, method,
        v(signature, values), null, Gio.DBusCallFlags.NONE, GLib.MAXINT32, null, null);
    return fds ? fds.steal_fds()[0] : answer.recursiveUnpack()[0];
}

// Yields events while the code runs. Closing the descriptor early interrupts the code.
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

// Saves a picture as a file. Returns the text for the model.
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

// Shows the output to the user. Returns the text for the model.
function runTool(sandbox, code, directory) {
    const answer = [];
    for (const event of execute(sandbox, code)) {
        if (event.type === 'stdout' || event.type === 'stderr') {
            print(event.text.trimEnd());
            answer.push(event.text);
        } else if (event.type === 'result') {
            answer.push(showResult(event.data, directory));
        } else if (event.type === 'error') { // an error of the code, which the model can fix
            answer.push(event.traceback);
        } else if (event.message) { // its interpreter or its sandbox has ended
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
        call(sandbox, 'Sandbox.SetTimeout', '(t)', 300); // renews the timeout
        const content = runTool(sandbox, code, directory);
        messages.push({role: 'tool', content});
        print('model reads:', content.trim().split('\n').at(-1));
    }
} finally {
    call(sandbox, 'Sandbox.Kill', '()');
}
