# SPDX-License-Identifier: LGPL-2.1-or-later
#
# keep: prints the state of a shell when it ends, for the shell that replaces it (Shell.pm).
#
# The order matters: options that change how functions are parsed come before the functions, options
# that may end a shell after them, and aliases last.
#
# Traps on DEBUG and RETURN are removed first, because their output would mix with the state.
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
