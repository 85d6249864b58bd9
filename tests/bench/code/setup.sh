# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Compiles modules, because the first import of a module would otherwise compile it in each machine.

python3 -m compileall -q -j 0 /usr/lib/python3.* /usr/lib/python3/dist-packages
