# SPDX-License-Identifier: LGPL-2.1-or-later
"""case: reads the files in this folder, and compares observations with their cases.

An unknown key is an error that names file and key, because a misspelled expectation would never fail.
"""
import dataclasses
import pathlib
import re
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
LANGUAGES = ("python", "javascript", "typescript", "bash", "r")
FOLDERS = (*LANGUAGES, "cli")
CELL_FILE = re.compile(r"\((\d+\.py|<ipython-input-[^>]*>)(?=, line)")
SHOWN = 1000  # maximum number of characters of a value in a report
# Code that changes the working directory.
ENTER = {
    "python": "__import__('os').chdir({!r})",
    "javascript": "process.chdir({!r})",
    "typescript": "process.chdir({!r})",
    "bash": "cd {}",
    "r": "setwd({!r})",
}
OURS_ONLY = "application/vnd.cloche."  # data for programs, which a notebook does not have

_TEXTS = {f"{name}{suffix}": kind for name in ("stdout", "stderr") for suffix, kind in
          (("", str), ("_has", list), ("_lacks", list))}
_CASE = {"what": str, "truth": str, "where": str, "depends": str, "context": str, "oneshot": bool, "fresh": bool, "files": dict, "cell": list, "command": list}
_CELL = {"code": str, "language": str, "timeout": int, **_TEXTS, "result": str, "result_has": list, "result_lacks": list,
         "results": int, "mime": list, "status": str, "error": str, "error_has": list, "unlike": list}
_COMMAND = {"run": str, "stdin": str, "terminal": bool, "timeout": int, "exit": int, **_TEXTS}
_CHOICES = {"where": ("both", "host", "guest"), "depends": ("interpreter", "guest"), "context": ("default", "new")}
FIELDS = ("stdout", "stderr", "results", "error", "status")
# Programs that give the right answers (truth.py runs them), and the fields of an observation that each can have.
TRUTHS = {
    "ipykernel": FIELDS,
    "IRkernel": FIELDS,
    "node": ("stdout", "stderr", "error", "status"),
    "node-module": ("stdout", "stderr", "error", "status"),
    "node-repl": FIELDS,
    "tsc": ("stdout", "stderr", "error", "status"),
    "bash": ("stdout", "stderr", "status"),
}
_KEYS = {"stdout": ("stdout", "stdout_has", "stdout_lacks"), "stderr": ("stderr", "stderr_has", "stderr_lacks"),
         "results": ("result", "result_has", "result_lacks", "results", "mime"), "error": ("error", "error_has"), "status": ()}


class WrongCase(Exception):
    """A file does not follow README.md."""


@dataclasses.dataclass
class Seen:
    """An observation: what one cell or command did. Results are pairs of text/plain and the set of MIME types."""
    stdout: str = ""
    stderr: str = ""
    results: list = dataclasses.field(default_factory=list)
    status: str = "ok"
    error: str = ""
    value: str = ""
    exit: int = 0


@dataclasses.dataclass
class Case:
    name: str
    folder: str
    what: str
    truth: str
    where: str
    depends: str
    context: str
    oneshot: bool
    fresh: bool
    files: dict
    cells: list
    commands: list


def _check(file, part, table, known):
    for key, value in table.items():
        if key not in known:
            raise WrongCase(f"{file}: {part} has an unknown key '{key}'")
        if type(value) is not known[key]:
            raise WrongCase(f"{file}: {part}: '{key}' is not of type {known[key].__name__}")
        if key in _CHOICES and value not in _CHOICES[key]:
            raise WrongCase(f"{file}: {part}: '{key}' must be one of {', '.join(_CHOICES[key])}")
    for field in table.get("unlike", ()):
        if field not in FIELDS:
            raise WrongCase(f"{file}: {part}: 'unlike' has an unknown field '{field}'")


def parse(file, folder, text):
    """Returns a Case from the text of a file, whose name is used in errors."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WrongCase(f"{file}: {error}") from None
    steps, known = ("command", _COMMAND) if folder == "cli" else ("cell", _CELL)
    _check(file, "the case", table, _CASE)
    for key in ("what", "truth", steps):
        if not table.get(key):
            raise WrongCase(f"{file}: '{key}' is missing")
    if table["truth"] not in TRUTHS and " " not in table["truth"]:
        raise WrongCase(f"{file}: 'truth' must be one of {', '.join(TRUTHS)}, or a sentence")
    if ("command" in table) != (folder == "cli"):
        raise WrongCase(f"{file}: cases in '{folder}' may have [[{steps}]] only")
    if table.get("oneshot") and len(table[steps]) != 1:
        raise WrongCase(f"{file}: a case with 'oneshot' must have one [[cell]]")
    for number, step in enumerate(table[steps], 1):
        _check(file, f"{steps} {number}", step, known)
        if ("run" if steps == "command" else "code") not in step:
            raise WrongCase(f"{file}: {steps} {number} has no input")
    return Case(name=f"{folder}/{pathlib.PurePath(file).stem}", folder=folder, what=table["what"], truth=table["truth"],
                where=table.get("where", "both"), depends=table.get("depends", "interpreter"), context=table.get("context", "default"),
                oneshot=table.get("oneshot", False), fresh=table.get("fresh", False), files=table.get("files", {}),
                cells=table.get("cell", []), commands=table.get("command", []))


def load(path):
    return parse(path, path.parent.name, path.read_text(encoding="utf-8"))


def find(arguments):
    """Returns all files that the arguments name: a folder, or a file by path or by FOLDER/NAME. Without arguments,
    returns all files."""
    files = []
    for argument in arguments or FOLDERS:
        place = HERE / argument
        if place.is_dir():
            files += sorted(place.glob("*.toml"))
        else:
            files += [next(path for path in (pathlib.Path(argument).resolve(), place, place.with_suffix(".toml")) if path.is_file())]
    return files


def sample(cases, interval):
    """Returns all cases that depend on the guest, and one of each `interval` others, because those run on this host, too."""
    others = [case for case in cases if case.where != "guest" and case.depends != "guest"]
    left_out = {case.name for number, case in enumerate(others) if number % interval}
    return [case for case in cases if case.name not in left_out]


# --- expectations ---

def _short(value):
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _differ(name, expected, found):
    return [f"{name}: expected {_short(expected)}, found {_short(found)}"] if expected != found else []


def _differ_in_parts(step, name, found):
    return [f"{name}: {part!r} is missing in {_short(found)}" for part in step.get(f"{name}_has", ()) if part not in found] + \
           [f"{name}: {part!r} is in {_short(found)}" for part in step.get(f"{name}_lacks", ()) if part in found]


def _expected_status(step):
    return step.get("status", "error" if "error" in step or "error_has" in step else "ok")


def differences(step, seen):
    """Returns the differences between an observation and the expectations of its case."""
    found = []
    for name in ("stdout", "stderr"):
        if name in step:
            found += _differ(name, step[name], getattr(seen, name))
        found += _differ_in_parts(step, name, getattr(seen, name))
    return found


def differences_of_command(step, seen):
    return _differ("exit", step.get("exit", 0), seen.exit) + differences(step, seen)


def differences_of_cell(step, seen):
    plain, mime = seen.results[-1] if seen.results else ("", set())
    found = _differ("status", _expected_status(step), seen.status) + differences(step, seen)
    if "error" in step:
        found += _differ("error", step["error"], seen.error)
    found += _differ_in_parts(step, "error", seen.value)
    if "result" in step:
        found += _differ("result", step["result"], plain)
    found += _differ_in_parts(step, "result", plain)
    if "results" in step:
        found += _differ("results", step["results"], len(seen.results))
    if "mime" in step:
        found += _differ("mime", sorted(step["mime"]), sorted(mime))
    return found


def _values(seen, field):
    """Returns a field of an observation without the name of the cell's file, which differs between interpreters."""
    return (seen.error, CELL_FILE.sub("(cell", seen.value)) if field == "error" else getattr(seen, field)


def beside(step, program, ours, right):
    """Returns what differs from the program that is the truth: expectations of the case, and fields of the observation."""
    left_out = {*step.get("unlike", ()), *(["error"] if right.status == "timed-out" else [])}  # cloche always has an error then
    fields = [field for field in TRUTHS[program] if field not in left_out]
    dropped = {key for field in FIELDS if field not in fields for key in _KEYS[field]}
    stated = {key: value for key, value in step.items() if key not in dropped} | {"status": _expected_status(step)}
    if "status" not in fields:
        stated["status"] = right.status
    found = [f"{program} does not meet the expectation: {line}" for line in differences_of_cell(stated, right)]
    return found + [f"{field}: {program} has {_short(_values(right, field))}, cloche has {_short(_values(ours, field))}"
                    for field in fields if _values(right, field) != _values(ours, field)]
