# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of cloche for bash. It gets the ids of sandboxes and snapshots and the names of templates from the
# service, and never asks for a password.

__cloche_ids() {
    cloche --no-ask-password "${__cloche_bus[@]}" list 2>/dev/null | awk 'NR > 1 { print $1 }'
}

__cloche_snapshots() {
    cloche --no-ask-password "${__cloche_bus[@]}" snapshots 2>/dev/null | awk 'NR > 1 { print $1 }'
}

__cloche_templates() {
    cloche --no-ask-password "${__cloche_bus[@]}" status 2>/dev/null |
        awk '/^Pool/ { exit } listed && NF { print $1 } /^NAME/ { listed = 1 }'
}

_cloche() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} verb='' word words i
    local -a __cloche_bus=()
    local -A options=(
        [run]='--template --cwd --env --user --timeout --stdin --tty --network --allow --deny --private --secret --bandwidth --traffic --connections --json --help'
        [code]='--code --sandbox --context --language --template --env --timeout --save --network --allow --deny --private --secret --bandwidth --traffic --connections --json --help'
        [repl]='--sandbox --context --template --save --network --allow --deny --private --secret --bandwidth --traffic --connections --json --help'
        [create]='--template --snapshot --timeout --on-timeout --auto-resume --name --metadata --env --idempotency-key --network --allow --deny --private --secret --bandwidth --traffic --connections --json --help'
        [exec]='--cwd --env --user --timeout --stdin --tty --keep --tag --json --help'
        [shell]='--template --cwd --env --user --timeout --network --allow --deny --private --secret --bandwidth --traffic --connections --json --help'
        [attach]='--stdin --json --help'
        [ps]='--json --help'
        [signal]='--json --help'
        [ls]='--recursive --user --json --help'
        [cat]='--user --json --help'
        [write]='--append --mode --user --json --help'
        [cp]='--user --json --help'
        [forward]='--json --help'
        [ports]='--json --help'
        [list]='--all --quiet --template --metadata --json --help'
        [kill]='--all --all-users --json --help'
        [extend]='--json --help'
        [pause]='--json --help'
        [resume]='--timeout --json --help'
        [snapshot]='--name --description --json --help'
        [fork]='--count --timeout --name --metadata --env --json --help'
        [snapshots]='--all --json --help'
        [rm-snapshot]='--json --help'
        [status]='--json --help'
        [context]='--language --cwd --env --json --help'
        [network]='--log --mode --allow --deny --private --secret --bandwidth --traffic --connections --json --help'
        [help]='--json --help'
        [version]='--json --help'
        [doctor]='--problems --json --help'
        [journal]='--follow --lines --json --help'
    )
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [ "$word" != -- ] || return 0 # the command in the sandbox follows
        case $word in
        --user) [ -n "$verb" ] || __cloche_bus=(--user) ;;
        -*) ;;
        *) [ -n "$verb" ] || verb=$word ;;
        esac
    done
    if [ -z "$verb" ]; then
        words="${!options[*]} --user --json --no-ask-password --help --version"
    elif [ "$prev" = --template ]; then
        words=$(__cloche_templates)
    elif [ "$prev" = --snapshot ]; then
        words=$(__cloche_snapshots)
    elif [ "$prev" = --sandbox ] || [ "$prev" = -s ]; then
        words=$(__cloche_ids)
    elif [ "$prev" = --language ] || [ "$prev" = -l ] || [ "$verb $prev" = 'repl repl' ] && [[ $cur != -* ]]; then
        words='python javascript typescript bash r'
    elif [ "$prev" = --network ] || [ "$prev" = --mode ] && [ "$verb" != write ]; then
        words='off restricted internet'
    elif [ "$prev" = --on-timeout ]; then
        words='kill pause'
    elif [ "$prev" = --save ] || [ "$verb" = code ] && [[ $cur != -* ]]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return 0
    elif [[ $cur == -* ]]; then
        words=${options[$verb]:-}
    elif [ "$cur" = : ] || [ "$prev" = : ]; then
        words='' # a path in a sandbox: bash splits words at colons
    else
        words=''
        case $verb in
        rm-snapshot) words=$(__cloche_snapshots) ;;
        exec | shell | attach | ps | signal | kill | extend | pause | resume | snapshot | fork | status | journal | forward | ports) words=$(__cloche_ids) ;;
        network)
            words='off restricted internet'
            [ "$prev" != network ] || words=$(__cloche_ids)
            ;;
        context)
            words='list create restart interrupt remove'
            [ "$prev" = context ] || words=$(__cloche_ids)
            ;;
        help) words=${!options[*]} ;;
        ls | cat | write | cp)
            compopt -o nospace 2>/dev/null
            words=$(__cloche_ids | sed 's/$/:/')
            ;;
        esac
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    if [ "$verb" = cp ] && [ "$cur" != : ] && [ "$prev" != : ]; then
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
    fi
}

complete -F _cloche cloche
