#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A tool loop: a model writes code, a sandbox executes it, and the model reads the output.

agent.py DIRECTORY: saves pictures in DIRECTORY.
"""
import base64
import json
import pathlib
import sys

from gi.repository import Gio, GLib

CHART = "application/vnd.cloche.chart+json"
TEXT_MAX = 10000  # the maximum number of characters that the model reads
bus = Gio.bus_get_sync(Gio.BusType.SYSTEM)


def ask_model(messages):
    """Stands for a model. Returns the code of its next tool call, or None when it is done."""
    script = ["import matplotlib.pyplot as plt\nsales = [3, 5, 9]\nprint('sum:', sum(sales))",
              "sales[7]",
              "plt.bar(['a', 'b', 'c'], sales); plt.title('Sales')",
              "import os; os._exit(1)",
              "6 * 7"]
    turns = sum(message["role"] == "tool" for message in messages)
    return script[turns] if turns < len(script) else None


def call(path, member, signature, *values):
    """Calls org.cloche1.MEMBER of an object. Returns the only value of the reply; the caller must close a descriptor."""
    interface, _, method = f"org.cloche1.{member}".rpartition(".")
    answer, fds = bus.call_with_unix_fd_list_sync("org.cloche1", path, interface, method, GLib.Variant(signature, values),
                                                  None, Gio.DBusCallFlags.NONE, GLib.MAXINT)
    return fds.steal_fds()[0] if fds else next(iter(answer.unpack()), None)


def execute(sandbox, code):
    """Yields events while the code runs. Leaving the loop early closes the descriptor, which interrupts the code."""
    with open(call(sandbox, "Sandbox.StreamCode", "(sa{sv})", code, {"timeout": GLib.Variant("t", 60)})) as events:
        yield from map(json.loads, events)


def show_result(data, directory):
    """Saves a picture as a file. Returns the text for the model."""
    if "image/png" in data:
        path = directory / f"chart-{len(list(directory.iterdir()))}.png"
        path.write_bytes(base64.b64decode(data["image/png"]))
        print("saved:", path.name)
    if CHART in data:
        chart = json.loads(data[CHART])
        return f"[a chart: {chart['type']}, '{chart['title']}': {json.dumps(chart['elements'])}]"
    return data.get("text/plain", f"[{', '.join(data)}]")


def run_tool(sandbox, code, directory):
    """Shows the output to the user. Returns the text for the model."""
    answer = []
    for event in execute(sandbox, code):
        match event["type"]:
            case "stdout" | "stderr":
                print(event["text"], end="")
                answer.append(event["text"])
            case "result":
                answer.append(show_result(event["data"], directory))
            case "error":  # an error of the code, which the model can fix
                answer.append(event["traceback"])
            case "end" if "message" in event:  # its interpreter or its sandbox has ended
                answer.append(event["message"])
    return "\n".join(answer)[:TEXT_MAX]


def main(directory):
    messages = [{"role": "user", "content": "How did sales go?"}]
    sandbox = call("/org/cloche1", "Manager.CreateSandbox", "(a{sv})", {"timeout": GLib.Variant("t", 300)})
    try:
        while (code := ask_model(messages)) is not None:
            call(sandbox, "Sandbox.SetTimeout", "(t)", 300)  # renews the timeout
            content = run_tool(sandbox, code, directory)
            messages.append({"role": "tool", "content": content})
            print("model reads:", content.strip().splitlines()[-1])
    finally:
        call(sandbox, "Sandbox.Kill", "()")


main(pathlib.Path(sys.argv[1]))
