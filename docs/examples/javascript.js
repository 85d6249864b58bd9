#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// Drives a sandbox with gjs, GNOME's JavaScript.
import Gio from 'gi://Gio';
import GLib from 'gi://GLib';

// Streams of descriptors are in GioUnix since GLib 2.80, and in Gio before.
const GioUnix = await import('gi://GioUnix').then(module => module.default, () => null);
const InputStream = GioUnix?.InputStream ?? Gio.UnixInputStream;
const OutputStream = GioUnix?.OutputStream ?? Gio.UnixOutputStream;

const bus = Gio.bus_get_sync(Gio.BusType.SYSTEM, null);
const v = (type, value) => new GLib.Variant(type, value);

// Calls org.cloche1.MEMBER of an object. Returns the values of the reply; the caller must close descriptors in it.
function call(path, member, signature = '()', values = [], fds = []) {
    const [name, method] = member.split('.');
    const given = new Gio.UnixFDList();
    fds.forEach(fd => given.append(fd)); // a duplicate
    // No timeout: Run, RunCode and Wait return when the work is done.
    const [answer, got] = bus.call_with_unix_fd_list_sync('org.cloche1', path, `org.cloche1.${name}`, method,
        v(signature, values), null, Gio.DBusCallFlags.NONE, GLib.MAXINT32, given, null);
    const received = got ? got.steal_fds() : [];
    return Array.from({length: answer.n_children()}, (_, i) => answer.get_child_value(i)).map(value =>
        value.get_type_string() === 'h' ? received[value.get_handle()] : value.recursiveUnpack());
}

const input = fd => new InputStream({fd, close_fd: true});
const output = fd => new OutputStream({fd, close_fd: true});
const lines = stream => new Gio.DataInputStream({base_stream: stream, close_base_stream: true});
const readLine = stream => stream.read_line_utf8(null)[0];
const write = (stream, text) => stream.write_all(new TextEncoder().encode(text), null);
const close = fd => input(fd).close(null);

// Reads a stream to its end. Throws Gio.IOErrorEnum.CONNECTION_CLOSED if complete data was cut off.
function readAll(stream) {
    const memory = Gio.MemoryOutputStream.new_resizable();
    memory.splice(stream, Gio.OutputStreamSpliceFlags.CLOSE_SOURCE | Gio.OutputStreamSpliceFlags.CLOSE_TARGET, null);
    return new TextDecoder().decode(memory.steal_as_bytes().toArray());
}

function run(sandbox) {
    const [status, stdout, stderr, details] = call(sandbox, 'Sandbox.Run', '(asa{sv})',
        [['tr', 'a-z', 'A-Z'], {stdin: v('s', 'hello'), timeout: v('t', 60)}]);
    print('run:', status, stdout, details.how);
}

function stream(sandbox) {
    const [process, stdin, stdout, stderr] = call(sandbox, 'Sandbox.Start', '(asa{sv})',
        [['sh', '-c', 'while read -r line; do echo got $line; done; exit 3'], {'merge-stderr': v('b', true)}]);
    const requests = output(stdin), answers = lines(input(stdout));
    for (const word of ['one', 'two']) {
        write(requests, `${word}\n`);
        print('stream:', readLine(answers));
    }
    requests.close(null);
    if (readAll(answers) !== '')
        throw new Error('unexpected output');
    close(stderr);
    const [status, how] = call(process, 'Process.Wait');
    print('stream:', how, status);
}

function writeFile(sandbox, path, text) {
    const [file, both] = Gio.File.new_tmp(null); // a pipe or a socket works, too
    write(both.get_output_stream(), text);
    both.close(null);
    const data = file.read(null);
    file.delete(null);
    call(sandbox, 'Sandbox.WriteFile', '(sha{sv})', [path, 0, {}], [data.get_fd()]);
    data.close(null);
}

function readFile(sandbox, path) {
    const [fd] = call(sandbox, 'Sandbox.ReadFile', '(sa{sv})', [path, {}]);
    return readAll(input(fd));
}

function files(sandbox) {
    writeFile(sandbox, 'notes/today.txt', 'remember the milk\n');
    print('file:', readFile(sandbox, 'notes/today.txt').trim());
    let entries, after = '';
    do {
        [entries, after] = call(sandbox, 'Sandbox.ListDirectory', '(sa{sv})', ['notes', {after: v('s', after)}]);
        for (const entry of entries)
            print('list:', entry.type, entry.name, entry.size);
    } while (after !== '');
}

function watch(sandbox) {
    const [fd] = call(sandbox, 'Sandbox.Watch', '(sa{sv})', ['notes', {}]);
    const events = lines(input(fd));
    if (JSON.parse(readLine(events)).event !== 'ready')
        throw new Error('not ready');
    call(sandbox, 'Sandbox.Remove', '(sa{sv})', ['notes/today.txt', {}]);
    const event = JSON.parse(readLine(events));
    print('watch:', event.event, event.path);
    events.close(null); // ends the watch
}

function port(sandbox) {
    const [server, stdin, stdout, stderr] = call(sandbox, 'Sandbox.Start', '(asa{sv})',
        [['python3', '-u', '-m', 'http.server', '--bind', '127.0.0.1', '0'], {tag: v('s', 'web')}]);
    const log = lines(input(stdout));
    const number = Number(readLine(log).match(/port (\d+)/)[1]); // printed when it listens
    const [fd] = call(sandbox, 'Sandbox.OpenPort', '(qa{sv})', [number, {}]);
    const connection = Gio.Socket.new_from_fd(fd).connection_factory_create_connection();
    write(connection.get_output_stream(), 'HEAD / HTTP/1.0\r\n\r\n');
    print('port:', readLine(lines(connection.get_input_stream())).trim());
    connection.close(null);
    call(server, 'Process.Kill');
    log.close(null);
    [stdin, stderr].forEach(close);
}

function code(sandbox) {
    call(sandbox, 'Sandbox.RunCode', '(sa{sv})', ['x = 6', {}]);
    const [done] = call(sandbox, 'Sandbox.RunCode', '(sa{sv})', ["print('computing'); x * 7", {}]);
    print('code:', done.stdout.trim(), done.results[0].data['text/plain']);
    const [failed] = call(sandbox, 'Sandbox.RunCode', '(sa{sv})', ['1 / 0', {}]);
    print('code:', failed.status, failed.error.name);
}

function errors(sandbox) {
    try {
        readFile(sandbox, 'notes/nothing.txt');
    } catch (error) {
        const name = Gio.DBusError.get_remote_error(error);
        if (name !== 'org.cloche1.Error.NoSuchFile')
            throw error;
        Gio.DBusError.strip_remote_error(error);
        print('error:', name, '-', error.message);
    }
}

const [sandbox] = call('/org/cloche1', 'Manager.CreateSandbox', '(a{sv})',
    [{timeout: v('t', 120), name: v('s', 'example')}]);
try {
    for (const step of [run, stream, files, watch, port, code, errors])
        step(sandbox);
} finally {
    call(sandbox, 'Sandbox.Kill');
}
