# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a first import would otherwise do in each machine anew: compile modules, look for fonts.

python3 -m compileall -q -j 0 /usr/lib/python3.* /usr/lib/python3/dist-packages

for user in root "$IMAGE_USER"; do
    runuser -u "$user" -- env HOME="$(getent passwd "$user" | cut -d: -f6)" MPLBACKEND=agg \
        python3 -c 'import matplotlib.pyplot; import IPython; IPython.paths.get_ipython_dir()'
done
