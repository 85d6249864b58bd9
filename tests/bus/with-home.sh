#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# with-home COMMAND…: runs the command where root's home, which fake machines share, is a temporary copy.
# shellcheck disable=SC2016
exec unshare --mount --propagation private -- sh -ec '
    home=$(getent passwd root | cut -d : -f 6)
    mount -t tmpfs tmpfs /mnt
    mkdir /mnt/upper /mnt/work
    mount -t overlay -o "lowerdir=$home,upperdir=/mnt/upper,workdir=/mnt/work" overlay "$home"
    umount --lazy /mnt
    exec "$@"' sh "$@"
