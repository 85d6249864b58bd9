# SPDX-License-Identifier: LGPL-2.1-or-later
"""suites: lists the suites of a build folder.

Usage: suites.py BUILD list             prints each suite's name, and what it shows, from the comment at the head of its file
       suites.py BUILD machines NAME... prints which of these suites, or of all suites, boot machines
"""
import json
import pathlib
import re
import subprocess
import sys

TESTS = pathlib.Path(__file__).resolve().parents[1]
MACHINES = TESTS / "system/machine-suite.sh"


def introspect(build, what):
    return json.loads(subprocess.run(["meson", "introspect", what, build], check=True, capture_output=True).stdout)


def source_of(test, targets):
    """Returns the file that has the test's cases: a script among its arguments, or the first source of its program."""
    for word in test["cmd"]:
        path = pathlib.Path(test["workdir"] or "/", word).resolve()
        if re.match(r"(test[-_]|field\.py|machine-suite)", path.name) and path.suffix in (".py", ".sh"):
            return path
    return next(path for path in targets[test["cmd"][0]] if re.match(r"(test|fuzz)-", path.name))


def head_comment(text):
    """Returns the first sentence of the comment at the head of a file, without the name of the file."""
    lines = []
    for line in text.splitlines():
        if "SPDX" in line or line.startswith("#!"):
            continue
        line = line.strip().strip('"').removeprefix("/*").removesuffix("*/").lstrip("*#").strip()
        if line:
            lines.append(line)
        elif lines:
            break
    sentence = re.split(r"\. |\.$", " ".join(lines))[0]
    return re.sub(r"^[\w-]+( [A-Z]+…?)?: ", "", sentence)


def describe(test, targets):
    source = source_of(test, targets)
    if source == MACHINES:
        return re.search(rf"^# {test['name']}: (.*)", MACHINES.read_text(), re.MULTILINE)[1]
    what = head_comment(source.read_text())
    return f"{what} ({test['cmd'][-1]})" if source.name == "field.py" else what


def main(build, verb, *names):
    tests = introspect(build, "--tests")
    if unknown := set(names) - {test["name"] for test in tests}:
        sys.exit(f"run.sh: there is no suite '{sorted(unknown)[0]}'\nrun.sh: see: tests/run.sh --list")
    if verb == "machines":
        print(*(test["name"] for test in tests if "machines" in str(test["suite"]) and (not names or test["name"] in names)))
        return
    targets = {file: [pathlib.Path(path) for part in target["target_sources"] for path in part.get("sources", ())]
               for target in introspect(build, "--targets") for file in target["filename"]}
    for test in sorted(tests, key=lambda test: test["name"]):
        print(f"{test['name']:34} {describe(test, targets)}")


main(*sys.argv[1:])
