# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a first import would otherwise do in each machine anew: compile modules.

python3 -m compileall -q -j 0 /usr/lib/python3.* /usr/lib/python3/dist-packages
