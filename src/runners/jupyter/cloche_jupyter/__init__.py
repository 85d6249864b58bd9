# SPDX-License-Identifier: LGPL-2.1-or-later
"""cloche_jupyter: executes code of any language by its Jupyter kernel."""
