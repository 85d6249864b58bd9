# SPDX-License-Identifier: LGPL-2.1-or-later
#
# keep: what a shell prints of itself when it ends, for the one that takes its place (Shell.pm).
#
# The order counts: options that change how functions are read come before these, then those that
# end a shell, and aliases last.
#
# Traps on debugging and returning would speak here.
#
# shellcheck shell=bash
\builtin set -- "$(\builtin trap -p)" "$@"
\builtin trap - DEBUG RETURN
\builtin printf '# begin\n'
\builtin printf '%s %q\n' '\builtin cd --' "$PWD"
\builtin umask -p
if [[ ! ${FUNCNAME[1]-} ]]; then # and these are not a function's
    \builtin printf %s '\builtin set --'
    [[ $# = 1 ]] || \builtin printf ' %q' "${@:2}"
    \builtin printf '\n'
fi
\builtin shopt -p
\builtin declare -p
\builtin declare -f
\builtin declare -Fp
\builtin printf '%s\n' "$1"
\builtin set +o
\builtin alias -p
\builtin printf '# end\n'
