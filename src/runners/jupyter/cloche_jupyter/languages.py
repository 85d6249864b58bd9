# SPDX-License-Identifier: LGPL-2.1-or-later
"""languages: code that a kernel executes for the runner, in the languages where the runner knows how.

Jupyter's protocol cannot set variables of the environment, change the directory or seed anything.
"""



class R:
    """What is kept for setting back is an option of R's: no name of the user's."""

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

    def seed(self, entropy):
        number = int.from_bytes(entropy, "little") % (1 << 31)
        return f"set.seed({number}L)"


class Python:
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
    """None: the runner knows nothing of it."""
    known = _KNOWN.get(language.lower())
    return known and known()
