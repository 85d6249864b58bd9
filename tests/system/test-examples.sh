#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-examples: docs/examples work for a user, on the installed service and in real machines.

set -u
top=$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")
. "$top/tests/lib/tap.sh"
xml=/usr/local/share/dbus-1/interfaces/org.cloche1.xml
program=/usr/local/bin/cloche-example
# A copy that users may read, because the clone may be in a private folder.
examples=$(mktemp -d)
trap 'rm -r "$examples"' EXIT
cp -r "$top/docs/examples/." "$examples"
chmod -R a+rX "$examples"

as_a() {
    runuser -u cloche-test-a -- env -C / "$@"
}

has_all() {
    printed '^run: 0 HELLO exited$' && printed '^stream: exited 3$' && printed '^file: remember the milk$' &&
        printed '^list: file today.txt 18$' && printed '^watch: .*remove.*today.txt' &&
        printed '^port: HTTP/1.0 200 OK$' && printed '^code: computing 42$' &&
        printed '^error: org.cloche1.Error.NoSuchFile - '
}

check "Python" as_a /usr/bin/python3 "$examples/python.py"
check "did all" has_all
check "JavaScript" as_a gjs -m "$examples/javascript.js"
check "did all" has_all
pictures=$(as_a mktemp -d)
check "Python agent" as_a /usr/bin/python3 "$examples/agent.py" "$pictures"
check "reads a chart" printed "^model reads: .a chart: bar, 'Sales'"
rm -r "$pictures"
check "C is built from what is installed" "$examples/c/build.sh" $xml $program
check "C" as_a $program
check "did all" has_all
check "busctl" prints '/home/user/notes/today.txt' as_a "$examples/busctl.sh"
check "gdbus" prints '/home/user/notes/today.txt' as_a "$examples/gdbus.sh"
check "no sandbox is left" test "$(busctl --json=short call org.cloche1 /org/cloche1 org.cloche1.Manager \
    ListSandboxes 'a{sv}' 1 all-users b true)" = '{"type":"a(oa{sv})s","data":[[],""]}'
done_testing
