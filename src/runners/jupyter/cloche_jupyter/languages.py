# SPDX-License-Identifier: LGPL-2.1-or-later
"""languages: what Jupyter's protocol cannot ask of a kernel, as code in the kernel's own language.

The environment of one execution is set before it and set back after it; random numbers get a seed of
this machine's own. A language that is not here has neither.
"""

import json

_R_SET = """options(cloche.environment = Sys.getenv(c({names}), unset = NA, names = TRUE))
Sys.setenv({assignments})"""
_R_RESET = """local({
  before <- getOption("cloche.environment")
  for (name in names(before))
    if (is.na(before[[name]])) Sys.unsetenv(name) else do.call(Sys.setenv, as.list(before[name]))
  options(cloche.environment = NULL)
})"""
_PYTHON_SET = """__import__('os')._cloche = {{name: __import__('os').environ.get(name) for name in {names}}}
__import__('os').environ.update({variables})"""
_PYTHON_RESET = """for __name, __value in __import__('os').__dict__.pop('_cloche').items():
    __import__('os').environ.pop(__name, None)
    if __value is not None: __import__('os').environ[__name] = __value
del __name, __value"""


def _r_string(text):
    return json.dumps(text, ensure_ascii=False)  # R has the same escapes


class _R:
    reset = _R_RESET

    @staticmethod
    def set(variables):
        names = ", ".join(_r_string(name) for name in variables)
        assignments = ", ".join(f"{_r_string(name)} = {_r_string(value)}" for name, value in variables.items())
        return _R_SET.format(names=names, assignments=assignments)

    @staticmethod
    def keep(variables):
        assignments = ", ".join(f"{_r_string(name)} = {_r_string(value)}" for name, value in variables.items())
        return f"Sys.setenv({assignments})"

    @staticmethod
    def enter(directory):
        return f"setwd({_r_string(directory)})"

    @staticmethod
    def seed(entropy):
        """R's generator takes 31 bits."""
        return f"set.seed({int.from_bytes(entropy[:4], 'little') >> 1}L)"


class _Python:
    reset = _PYTHON_RESET

    @staticmethod
    def set(variables):
        return _PYTHON_SET.format(names=list(variables), variables=variables)

    @staticmethod
    def keep(variables):
        return f"__import__('os').environ.update({variables})"

    @staticmethod
    def enter(directory):
        return f"__import__('os').chdir({directory!r})"

    @staticmethod
    def seed(entropy):
        return f"__import__('random').seed({entropy!r})"


LANGUAGES = {"r": _R, "python": _Python}
