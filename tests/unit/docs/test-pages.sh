#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-pages: man pages and completions agree with the programs.
#
# Usage: test-pages.sh CLOCHE CLOCHED CLOCHE-VM CLOCHE-EGRESS BUILD XML, where BUILD has the pages and XML is the API.

set -u
top=$(dirname "$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")")
. "$top/tests/lib/tap.sh"
cloche=$1 cloched=$2 cloche_vm=$3 cloche_egress=$4 build=$5 xml=$6
completions=$top/src/cli/completion

verbs() {
    "$cloche" --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p'
}

# options PROGRAM ARGUMENTS…: prints the long options except --json, which every verb has.
options() {
    "$@" --help | grep -oE -- '(^ +|, )--[a-z-]+' | grep -oE -- '--[a-z-]+' | grep -vx -e --json | sort -u
}

# page FILE: prints the page as one line, so that a word is found wherever lines break.
page() {
    MANWIDTH=1000 MANPAGER=cat man -l "$build/$1" 2>/dev/null | col -b | tr -s ' \n' ' '
}

has_words() { # TEXT WORD…
    local text=$1 word bad=0
    shift
    for word in "$@"; do
        case $text in *"$word"*) ;; *) echo "$word is missing" && bad=1 ;; esac
    done
    return $bad
}

# groff prints no warning, and apropos finds the name.
is_clean() {
    local said
    said=$(groff -Kutf8 -ww -man -Tutf8 "$1" 2>&1 >/dev/null | grep -v 'cannot adjust line')
    echo "$said"
    [ -z "$said" ] && lexgrog "$1"
}

for name in cloche.1 cloched.8 cloche-vm.8 cloche-egress.8 cloched.conf.5 org.cloche1.5; do
    check "$name is clean" is_clean "$build/$name"
done
check "there are verbs" test "$(verbs | wc -l)" -ge 9
for verb in $(verbs); do
    # shellcheck disable=SC2046
    check "cloche(1) has $verb and its options" has_words "$(page cloche.1)" "$verb" $(options "$cloche" "$verb")
    # shellcheck disable=SC2046
    check "bash knows $verb" has_words "$(grep -F "[$verb]=" "$completions/cloche.bash")" $(options "$cloche" "$verb")
    # shellcheck disable=SC2046
    check "zsh knows $verb" has_words "$(cat "$completions/_cloche")" "'$verb:" $(options "$cloche" "$verb")
done
# shellcheck disable=SC2046
check "cloched(8) has its options" has_words "$(page cloched.8)" $(options "$cloched")
# shellcheck disable=SC2046
check "cloche-vm(8) has its options" has_words "$(page cloche-vm.8)" $(options "$cloche_vm")
# shellcheck disable=SC2046
check "cloche-egress(8) has its options" has_words "$(page cloche-egress.8)" $(options "$cloche_egress")
# shellcheck disable=SC2046
check "org.cloche1(5) has all members" has_words "$(page org.cloche1.5)" \
    $(sed -n 's/.*<\(method\|signal\|property\) name="\([A-Za-z]*\)".*/\2/p' "$xml")
# shellcheck disable=SC2046
check "cloched(8) has all actions" has_words "$(page cloched.8)" \
    $(sed -n 's/.*<action id="\([^"]*\)".*/\1/p' "$top/polkit/org.cloche1.policy")

# --- bash, with a service that has one sandbox and one template ---

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/cloche" <<'END'
#!/bin/sh
case "$*" in
*list) printf 'ID    NAME\nabc1  mine\n' ;;
*status) printf 'cloched\n\nTemplates\nNAME  LANGUAGES\npython (default)  python\n\nPool\nTEMPLATE\nother\n' ;;
esac
END
chmod +x "$work/cloche"

complete_bash() { # ARGUMENTS…: prints the completions after them
    PATH="$work:$PATH" bash -c '. "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _cloche; echo "${COMPREPLY[*]}"' \
        "$completions/cloche.bash" "$@"
}

check "verbs" prints '^kill$' complete_bash cloche ki
check "options of the program" prints '^--no-ask-password$' complete_bash cloche --no
check "options of a verb" prints '^--all --all-users$' complete_bash cloche kill --a
check "ids" prints '^abc1$' complete_bash cloche exec ''
check "ids behind an option" prints '^abc1$' complete_bash cloche --user code --sandbox ''
check "places" prints '^abc1:$' complete_bash cloche cat a
check "no ids where a path is" prints '^$' complete_bash cloche ls abc1 : ''
check "places for cp" prints '^abc1:$' complete_bash cloche cp abc
check "files for cp" prints "^$completions/_cloche\$" complete_bash cloche cp "$completions/_cl"
check "actions" prints '^restart remove$' complete_bash cloche context re
check "ids for network" prints '^abc1$' complete_bash cloche network ''
check "modes of a network" prints '^internet$' complete_bash cloche run --network i
check "modes after an id" prints '^restricted$' complete_bash cloche network abc1 r
check "modes of a network that exists" prints '^off$' complete_bash cloche network abc1 --mode o
check "ids behind an action" prints '^abc1$' complete_bash cloche context list ''
check "verbs to be helped with" prints '^kill$' complete_bash cloche help ki
check "templates" prints '^python$' complete_bash cloche run --template ''
check "a sandbox's own words are left alone" prints '^$' complete_bash cloche exec abc1 -- l
check "zsh reads its file" zsh -n "$completions/_cloche"
done_testing
