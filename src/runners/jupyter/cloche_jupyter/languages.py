# SPDX-License-Identifier: LGPL-2.1-or-later
"""languages: code that a kernel executes for the runner, in the languages that the runner supports.

Jupyter's protocol cannot set variables of the environment, change the directory or seed anything.
"""



class R:
    """
    The values to restore are kept in an option of R, so that they are not among the user's names.
    """

    @staticmethod
    def _quote(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    def _named(self, variables):
        return ", ".join(f"`{name}` = {self._quote(value)}" for name, value in variables.items())

    def set_environment(self, variables):
        return f"Sys.setenv({self._named(variables)})"

    def lend_environment(self, variables):
        names = ", ".join(map(self._quote, variables))
        return (
            f"options(cloche.environment = Sys.getenv(c({names}), NA, names = TRUE)); "
            + self.set_environment(variables)
        )

    def set_back_environment(self):
        return (
            'local({ old <- getOption("cloche.environment"); Sys.unsetenv(names(old)); '
            "old <- old[!is.na(old)]; if (length(old)) do.call(Sys.setenv, as.list(old)); "
            "options(cloche.environment = NULL) })"
        )

    def enter(self, directory):
        return f"setwd({self._quote(directory)})"

    def heed_interrupts(self, note):
        """
        C's system() ignores SIGINT while the command runs, so R does not notice it, and a loop of
        commands could not be interrupted. These functions check after each command for a file that
        each interrupt creates.
        """
        note = self._quote(note)
        return (
            "local({ for (name in c('system', 'system2')) { runs <- get(name, baseenv()); "
            # their own on.exit() must not replace this one, and comes before it
            "text <- gsub('on.exit(', 'on.exit(add = TRUE, after = FALSE, expr = ', "
            "deparse(body(runs)), fixed = TRUE); "
            "body(runs) <- substitute({ "
            f"unlink({note}); "
            f"on.exit(if (!is.null(returnValue()) && file.exists({note})) "
            "{ tools::pskill(Sys.getpid(), tools::SIGINT); Sys.sleep(1) }); "
            "run }, list(run = parse(text = text, keep.source = FALSE)[[1]])); "
            "unlockBinding(name, baseenv()); assign(name, runs, baseenv()); "
            "lockBinding(name, baseenv()) } })"
        )

    def seed(self, entropy):
        number = int.from_bytes(entropy, "little") % (1 << 31)
        return f"set.seed({number}L)"


class Python:
    def heed_interrupts(self, note):
        """The kernel notices interrupts by itself."""
        return None

    def set_environment(self, variables):
        return f"__import__('os').environ.update({variables!r})"

    def lend_environment(self, variables):
        return (
            "__import__('sys')._cloche_environment = "
            f"{{name: __import__('os').environ.get(name) for name in {list(variables)!r}}}\n"
            + self.set_environment(variables)
        )

    def set_back_environment(self):
        return (
            "[__import__('os').environ.pop(name, None) if value is None else "
            "__import__('os').environ.update({name: value}) "
            "for name, value in __import__('sys').__dict__.pop('_cloche_environment').items()]"
        )

    def enter(self, directory):
        return f"__import__('os').chdir({directory!r})"

    def seed(self, entropy):
        return f"__import__('random').seed({entropy!r})"


_KNOWN = {"r": R, "python": Python}


def find(language):
    """Returns None for languages that the runner does not support."""
    known = _KNOWN.get(language.lower())
    return known and known()
