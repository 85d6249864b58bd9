# SPDX-License-Identifier: LGPL-2.1-or-later
"""cloche_runner: executes Python for cloche, around IPython's shell and without Jupyter.

It is a package with an unusual name, because its modules are in the same interpreter as the code
that it executes, and must not hide a user's module of the same name.
"""
