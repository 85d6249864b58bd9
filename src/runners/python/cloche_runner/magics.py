# SPDX-License-Identifier: LGPL-2.1-or-later
"""
magics: the magics that ipykernel adds to IPython's. Those that need a notebook's page report that
there is none.
"""

from IPython.core import page
from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class


@magics_class
class KernelMagics(Magics):
    @line_magic
    def clear(self, line):
        """Clear the output of the cell."""
        self.shell.display_pub.clear_output()

    @line_magic
    def less(self, line):
        """Show a file."""
        if not line:
            raise UsageError("Missing filename.")
        with open(line) as file:
            page.page(file.read())

    more = line_magic("more")(less)

    @line_magic
    def man(self, line):
        """Show a manual page."""
        page.page(self.shell.getoutput(f"man {line} | col -b", split=False))

    @line_magic
    def edit(self, line):
        """Not available: an editor needs a terminal."""
        raise UsageError("%edit is not available: there is no terminal. Write files with %%writefile")

    @line_magic
    def connect_info(self, line):
        """Not available: this is no Jupyter kernel."""
        raise UsageError("%connect_info is not available: no Jupyter client can connect to this")

    @line_magic
    def qtconsole(self, line):
        """Not available: this is no Jupyter kernel."""
        raise UsageError("%qtconsole is not available: no Jupyter client can connect to this")

    @line_magic
    def autosave(self, line):
        """Not available: there is no notebook that could be saved."""
        raise UsageError("%autosave is not available: there is no notebook that could be saved")


def install(shell):
    shell.register_magics(KernelMagics)
    shell.magics_manager.register_alias("ed", "edit")
    shell.magics_manager.lazy_magics = {"store": "IPython.extensions.storemagic"}
