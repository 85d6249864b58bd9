# SPDX-License-Identifier: LGPL-2.1-or-later
"""shell: IPython's shell, which shows what a notebook shows, by Results instead of Jupyter.

IPython shows an exception (_showtraceback) before it reports that the execution has failed with it.
So the last shown exception is held back until the execution has ended. It is then the error of the
execution or, if the execution continued, output for stderr.
"""

import asyncio
import builtins
import functools
import getpass
import io
import os
import sys
import tokenize
import traceback
import warnings

from IPython.core.autocall import ExitAutocall
from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import StdinNotImplementedError
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Type, default
from traitlets.config import Config

from . import commands, magics
from .commands import Commands
from .events import Events
from .formatters import DisplayFormatter
from .interrupts import interrupt_behind
from .toploop import TopLoop
from .traces import forget_cells, speed_up

OK, FAILED, INTERRUPTED = 0, 1, 2

_HERE = os.path.dirname(__file__) + os.sep

class _DisplayHook(DisplayHook):
    """Shows the value of the last expression."""

    def quiet(self):
        """
        Whether the cell ends with a semicolon. Called for each value, so it avoids the tokenizer.
        """
        source = self.shell.source
        if ";" not in source.rstrip().rpartition("\n")[2]:
            return False
        last = None
        try:
            for token in tokenize.generate_tokens(io.StringIO(source).readline):
                if token.type not in _INVISIBLE_TOKENS:
                    last = token.string
        except (tokenize.TokenError, SyntaxError):
            pass  # magics are not Python
        return last == ";"

    def write_output_prompt(self):
        pass

    def write_format_data(self, format_dict, md_dict=None):
        self.shell.results.show(format_dict, is_main=True)

    def finish_displayhook(self):
        pass

    def __call__(self, result=None):
        super().__call__(result)
        if result is not None and not self.quiet():
            _forget_figure(result)


_INVISIBLE_TOKENS = {
    tokenize.ENDMARKER,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.COMMENT,
    tokenize.INDENT,
    tokenize.DEDENT,
}


def _forget_figure(value):
    """
    The figure was shown as the value of the cell, so the end of the cell must not show it again.
    """
    figure = sys.modules.get("matplotlib.figure")
    pyplot = sys.modules.get("matplotlib.pyplot")
    if figure and pyplot and issubclass(type(value), figure.Figure):
        if "inline" in pyplot.get_backend():
            pyplot.close(value)


class _DisplayPublisher(DisplayPublisher):
    """Shows the bundles of display() and update_display()."""

    def publish(self, data, metadata=None, source=None, *, transient=None, update=False, **kwargs):
        identity = (transient or {}).get("display_id")
        self.shell.results.show(data, display_id=identity, is_update=update)

    def clear_output(self, wait=False):
        self.shell.results.clear(wait)


class _Exit(ExitAutocall):
    """exit and quit: IPython's end the shell, but these end only the execution."""

    def __call__(self, code=None):
        raise SystemExit(code)


def _no_input(*args, **kwargs):
    raise StdinNotImplementedError("input() is not available: this code runs without a terminal")


class Outcome:
    """The outcome of an execution: its status and, unless it is OK, the texts of its error."""

    def __init__(self, error=None, lines=None):
        self.error = error
        self.status = OK
        if error is not None:
            kind = type(error)  # isinstance() and kind.__name__ may run the user's code
            self.status = INTERRUPTED if issubclass(kind, KeyboardInterrupt) else FAILED
            self.name = _type_name(kind)
            self.value = _words(error)
            self.traceback = "\n".join(lines if lines is not None else _format(error))


_type_name = type.__dict__["__name__"].__get__


def _words(error):
    try:
        return str(error)
    except BaseException:
        return f"<{_type_name(type(error))} whose text cannot be had>"


def _format_unless_interrupted(format_traceback, etype, value, trace, *args, **kwargs):
    """
    IPython parses all files of a traceback. If this is interrupted, Python's traceback is used.
    """
    try:
        return format_traceback(etype, value, trace, *args, **kwargs)
    except KeyboardInterrupt:
        return _format(value)


def _format(error):
    """Formats it as Python does, without the runner's frames."""
    try:
        shown = traceback.TracebackException.from_exception(error)
        one = shown
        while one is not None:
            one.stack[:] = [at for at in one.stack if not at.filename.startswith(_HERE)]
            one = one.__cause__ or one.__context__
        return list(shown.format())
    except BaseException:
        return [f"{_type_name(type(error))}: {_words(error)}"]


def _normalize(code):
    """Decodes the code as Python decodes a file."""
    return code.removeprefix("\ufeff").replace("\r\n", "\n")


class ZMQInteractiveShell(Commands, InteractiveShell):
    """Libraries (pandas, rich and others) detect a notebook by this name."""

    displayhook_class = Type(_DisplayHook)
    display_pub_class = Type(_DisplayPublisher)

    @classmethod
    def create(cls, results, streams, interrupts):
        config = Config()
        config.HistoryManager.enabled = False
        config.InteractiveShell.colors = "NoColor"
        config.InteractiveShell.display_page = True
        cls.results, cls.streams, cls.interrupts = results, streams, interrupts
        cls.loop = TopLoop()
        cls.source = ""
        shell = cls.instance(config=config)
        shell.loop_runner = cls.loop.run
        speed_up()
        commands.install()
        magics.install(shell)
        builtins.input = _no_input
        getpass.getpass = _no_input
        warnings.filterwarnings("ignore", message="To exit: use 'exit', 'quit'")
        return shell

    _interrupts_before = 0
    _shown = None
    _has_colours = False

    def colour_tracebacks(self, has_colours):
        if has_colours != self._has_colours:
            self._has_colours = has_colours
            for handler in (self.InteractiveTB, self.SyntaxTB):
                handler.set_colors("Linux" if has_colours else "NoColor")

    def run(self, code, silent, keep, drain=False):
        """Runs one cell and, with drain, waits for what it has started. Returns its Outcome."""
        code = _normalize(code)
        self.source = code
        self._shown = None
        self.loop.begin()
        self.events.was_interrupted = False
        self._interrupts_before = self.interrupts.count
        if drain:
            self.loop.note_leftovers()
        try:
            result = self.interrupts.run(self.run_cell, code, keep, silent)
            error = result.error_before_exec
            if error is None:
                error = result.error_in_exec
        except BaseException as raised:  # IPython may not have caught it
            error = raised
        self.loop.forget_leftovers()
        if error is None and self.events.was_interrupted:
            error = KeyboardInterrupt("the code had ended, but not all that it had left to do")
        return self._conclude(error)

    def check(self, code):
        """Whether a prompt should execute the code now, and the indent of its next line."""
        return self.check_complete(_normalize(code))

    def should_run_async(self, raw_cell, **kwargs):
        """
        Python 3.13 does not compile a docstring with a lone surrogate, and IPython compiles the
        first string of a cell as a docstring here, although not when it executes the cell.
        """
        try:
            return super().should_run_async(raw_cell, **kwargs)
        except UnicodeEncodeError:
            return False  # if the cell has a real docstring like that, its execution fails

    def _without_cleanup(self, error):
        was_interrupted = self.interrupts.count != self._interrupts_before
        return interrupt_behind(error) if was_interrupted else error

    def _conclude(self, error):
        forget_cells()
        error = self._without_cleanup(error)
        shown, self._shown = self._shown, None
        lines = None
        if shown is not None and shown[0] is error:
            lines = shown[1]
        elif shown is not None:
            self._print(shown)
        if self.loop.was_cancelled and type(error) is asyncio.CancelledError:
            error = KeyboardInterrupt()
            lines = [*lines[:-1], "KeyboardInterrupt: "] if lines else None
        return Outcome(error, lines)

    def init_events(self):
        super().init_events()
        callbacks = self.events.callbacks
        self.events = Events(self, callbacks, self._drain)
        self.events.callbacks = callbacks

    def _drain(self):
        if self.interrupts.count == self._interrupts_before:
            self.loop.drain()

    def init_traceback_handlers(self, custom_exceptions):
        super().init_traceback_handlers(custom_exceptions)
        self.InteractiveTB.structured_traceback = functools.partial(
            _format_unless_interrupted, self.InteractiveTB.structured_traceback
        )

    def set_next_input(self, text, replace=False):
        """There is no next cell to fill, so the text of %load and %recall is shown."""
        self.display_pub.publish({"text/plain": text})

    def _showtraceback(self, etype, evalue, stb):
        if self._shown is not None:
            self._print(self._shown)
        self._shown = (evalue, stb)

    def _print(self, shown):
        print("\n".join(shown[1]), file=sys.stderr)

    def show_usage_error(self, exc):
        self._showtraceback(type(exc), exc, [f"UsageError: {exc}"])

    def _get_exc_info(self, exc_tuple=None):
        """
        Removes the runner's frames, such as those of input() and of the handler of SIGINT, and the
        errors of IPython's cleanup.
        """
        etype, value, trace = super()._get_exc_info(exc_tuple)
        value = self._without_cleanup(value)
        etype = type(value)
        at = trace
        while at is not None:
            below = at.tb_next
            while below is not None and below.tb_frame.f_code.co_filename.startswith(_HERE):
                below = below.tb_next
            if at.tb_next is not below:  # setting it walks over the complete chain below
                at.tb_next = below
            at = below
        return etype, value, trace

    def init_display_formatter(self):
        self.display_formatter = DisplayFormatter(parent=self)
        self.configurables.append(self.display_formatter)

    @default("exiter")
    def _exiter_default(self):
        return _Exit(self)

    def enable_gui(self, gui=None):
        pass

    def enable_matplotlib(self, gui=None):
        """%matplotlib. Code that requests interactive figures gets pictures."""
        if str(gui).lower() in _WINDOWS:
            name = "" if gui is None else f" {gui}"
            print(f"%matplotlib{name}: there are no windows and no notebook here. Figures are shown"
                  " as pictures, as with %matplotlib inline.", file=sys.stderr)
            gui = "inline"
        enabled = super().enable_matplotlib(gui)
        # IPython's function for %run draws a figure even if the script has none
        self.magics_manager.registry["ExecutionMagics"].default_runner = None
        return enabled


_WINDOWS = {"none", "auto", "notebook", "nbagg", "widget", "ipympl", "webagg", "tk", "wx", "osx"}
_WINDOWS |= {"qt", "qt4", "qt5", "qt6", "gtk", "gtk3", "gtk4"}
