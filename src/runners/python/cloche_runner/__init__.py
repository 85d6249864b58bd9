# SPDX-License-Identifier: LGPL-2.1-or-later
"""cloche_runner: executes Python for cloche, around IPython's shell and without Jupyter.

A package, with a name that nobody else takes: its modules live in the same interpreter as the code
that it executes, and must not hide a user's module of the same name.
"""
