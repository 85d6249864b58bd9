# SPDX-License-Identifier: LGPL-2.1-or-later
#
# tour: calls every verb of `cloche` and every method of the API once, as a newcomer would after the quick
# start. Sourced after tap.sh. It needs only packages that the quick start installs.
#
# The caller may then set as=(COMMAND…), which runs the verbs and busctl as another user.
#
# shellcheck shell=bash disable=SC2154

as=(env)
tour_dir=$(mktemp -d)

cloche() {
    "${as[@]}" cloche "$@"
}

# manager METHOD [SIGNATURE VALUE…]: calls a method of the manager.
manager() {
    "${as[@]}" busctl --json=short --timeout=600 -- call org.cloche1 /org/cloche1 org.cloche1.Manager "$@"
}

# sandbox METHOD [SIGNATURE VALUE…]: calls a method of the sandbox $id.
sandbox() {
    "${as[@]}" busctl --json=short --timeout=600 -- call org.cloche1 "/org/cloche1/sandbox/$id" \
        org.cloche1.Sandbox "$@"
}

# process METHOD [SIGNATURE VALUE…]: calls a method of the sandbox's process $number.
process() {
    "${as[@]}" busctl --json=short --timeout=60 -- call org.cloche1 "/org/cloche1/process/${id}_$number" \
        org.cloche1.Process "$@"
}

# at_a_terminal COMMAND…: runs the command on a terminal.
at_a_terminal() {
    script -qefc "$*" /dev/null
}

# at_the_prompt ENTRY ANSWER: types the entry at the prompt, and leaves after the answer.
at_the_prompt() {
    local screen=$tour_dir/screen
    : >"$screen"
    {
        timeout 60 sh -c "until grep -q '>>> ' $screen; do sleep 0.1; done"
        echo "$1"
        timeout 60 sh -c "until grep -q '$2' $screen; do sleep 0.1; done"
        printf '\004'
    } | at_a_terminal "${as[@]}" cloche repl -s "$id" >"$screen"
    cat "$screen"
}

is() { # GOT WANTED
    echo "got '$1', wanted '$2'"
    [ "$1" = "$2" ]
}

tour_of_code() {
    check "status" prints 'ready' cloche status
    check "doctor finds no problem" cloche doctor --problems
    check "run" prints 'uid=1000(user)' cloche run -- id
    check "run passes the exit status on" eval 'cloche run -- sh -c "exit 42"; [ $? = 42 ]'
    check "code" is "$(echo 'sum(range(101))' | cloche code -)" 5050
    check "code that fails" eval 'cloche code -c "1/0" 2>&1 | grep -q ZeroDivisionError'
    id=$(cloche create --timeout 20m --name tour --metadata kind=tour)
    check "create prints the id" eval '[[ $id =~ ^[a-z2-7]+$ ]]'
    check "list" prints "$id.*tour" cloche list
    check "status of a sandbox" prints 'Name: tour' cloche status "$id"
    check "a name names a sandbox" is "$(cloche exec tour hostname)" "$(cloche exec "$id" -- hostname)"
    check "help" prints '--sandbox' cloche help code
    check "version" prints '^cloche [0-9]' cloche version
    check "extend" cloche extend "$id" 30m
    check "pause" cloche pause "$id"
    check "status of a paused sandbox" prints 'State: paused' cloche status "$id"
    check "use of a paused sandbox" eval 'cloche exec $id -- true 2>&1 | grep -q "cloche resume"'
    check "resume" cloche resume --timeout 30m "$id"
    check "code keeps its state" is \
        "$(cloche code -s "$id" -c 'x = 6' && cloche code -s "$id" -c 'x * 7')" 42
    check "code draws" eval 'cloche code -s $id --save "$tour_dir/charts" -c \
        "import matplotlib.pyplot as plt, numpy, pandas; plt.plot([1, 2]);" && [ -s "$tour_dir/charts/001.png" ]'
    check "repl" prints 'it is 42' at_the_prompt 'print("it is", x * 7)' 'it is 42'
}

tour_of_contexts() {
    local context
    context=$(cloche context create "$id" --cwd /tmp)
    check "context create" prints "$context .*idle .*/tmp" cloche context list "$id"
    check "code in a context" is "$(cloche code -s "$id" --context "$context" -c 'import os; print(os.getcwd())')" /tmp
    check "context interrupt" cloche context interrupt "$id" "$context"
    check "context restart" cloche context restart "$id" "$context"
    check "context remove" cloche context remove "$id" "$context"
}

tour_of_processes() {
    check "exec" is "$(cloche exec "$id" -- pwd)" /home/user
    check "exec as docker has it" prints 'is a terminal' cloche exec -it "$id" sh -c 'tty -s && echo it is a terminal'
    check "exec with standard input" is "$(echo hello | cloche exec "$id" --stdin -- tr a-z A-Z)" HELLO
    check "sudo" is "$(cloche exec "$id" -- sudo id -u)" 0
    check "shell" prints 'is a terminal' \
        at_a_terminal "${as[@]}" cloche shell "$id" -- sh -c "'tty -s && echo it is a terminal'"
    number=$(cloche exec "$id" --keep --tag kept -- sh -c 'echo begun; exit 3')
    check "ps" prints "^$number .*kept\|kept" cloche ps "$id"
    check "attach" prints '^begun status 3$' eval 'echo "$(cloche attach "$id" "$number") status $?"'
    number=$(cloche exec "$id" --keep -- sleep 1000)
    check "signal" cloche signal "$id" "$number" TERM
}

tour_of_files() {
    check "write" eval 'echo content | cloche write $id:folder/page'
    check "write at the end" eval 'echo more | cloche write --append $id:folder/page'
    check "cat" is "$(cloche cat "$id:folder/page" | xargs)" "content more"
    check "ls" prints '^page\| page$' cloche ls "$id:folder"
    mkdir "$tour_dir/out" "$tour_dir/in" && seq 1000 >"$tour_dir/out/numbers"
    chmod 777 "$tour_dir/in"
    check "cp into it" cloche cp "$tour_dir/out" "$id:project"
    check "cp out of it" cloche cp "$id:project" "$tour_dir/in"
    check "what comes back is what went" cmp "$tour_dir/out/numbers" "$tour_dir/in/project/numbers"
}

tour_of_ports() {
    cloche exec "$id" --keep --cwd project -- python3 -m http.server 8000 >/dev/null
    check "ports" timeout 60 bash -c "until $(printf '%q ' "${as[@]}")cloche ports $id | grep -q 8000; do sleep 0.2; done"
    cloche forward "$id" 0:8000 >"$tour_dir/forward" 2>&1 &
    forward=$!
    check "forward says where" timeout 60 sh -c "until grep -q 127.0.0.1: $tour_dir/forward; do sleep 0.1; done"
    port=$(grep -o '127.0.0.1:[0-9]*' "$tour_dir/forward" | head -n 1 | cut -d: -f2)
    check "forward" prints '^1000$' eval \
        'exec 7<>/dev/tcp/127.0.0.1/$port && printf "GET /numbers HTTP/1.0\r\n\r\n" >&7 && cat <&7'
    kill $forward 2>/dev/null
    wait $forward 2>/dev/null
}

tour_of_the_manager() {
    check "Manager.RunCode" prints '"42"' manager RunCode 'ssa{sv}' python '6*7' 0
    check "Manager.ListTemplates" prints '"python"' manager ListTemplates
    check "Manager.GetQuota" prints '"sandboxes":\[' manager GetQuota
    check "Manager.GetSandbox" prints "/org/cloche1/sandbox/$id" manager GetSandbox s "$id"
    check "Manager.ListSandboxes" prints "$id" manager ListSandboxes 'a{sv}' 1 metadata 'a{ss}' 1 kind tour
    other=$(manager CreateSandbox 'a{sv}' 1 timeout t 60 | grep -o '/org/cloche1/sandbox/[a-z2-7]*')
    check "Manager.CreateSandbox" test -n "$other"
    check "Manager.KillSandbox" manager KillSandbox s "${other##*/}"
    check "a wrong option is named" fails_with "colour" manager CreateSandbox 'a{sv}' 1 colour s red
}

tour_of_snapshots() {
    local snapshot child
    cloche code -s "$id" -c 'kept = 42' >/dev/null
    snapshot=$(cloche snapshot "$id" --name tour)
    check "snapshots" prints "$snapshot.*tour.*$id" cloche snapshots
    child=$(cloche create --snapshot tour)
    check "a variable is in the snapshot" prints '^42$' cloche code -s "$child" -c kept
    cloche kill "$child"
    check "rm-snapshot" cloche rm-snapshot "$snapshot"
    child=$(cloche fork "$id" --timeout 60)
    check "a variable is in the child" prints '^42$' cloche code -s "$child" -c kept
    cloche kill "$child"
    check "Sandbox.Fork" prints '/org/cloche1/sandbox/' sandbox Fork 'ua{sv}' 1 1 timeout t 60
    cloche kill "$(grep -o 'sandbox/[a-z2-7]*' "$output" | cut -d/ -f2)"
    check "Sandbox.Snapshot" prints '"data":\["[a-z2-7]*"\]' sandbox Snapshot 'a{sv}' 0
    snapshot=$(grep -o '[a-z2-7]\{16\}' "$output")
    check "Manager.ListSnapshots" prints "$snapshot" manager ListSnapshots 'a{sv}' 0
    check "Manager.RemoveSnapshot" manager RemoveSnapshot s "$snapshot"
}

tour_of_programs_by_bus() {
    check "Sandbox.Run" prints '"data":\[3,"HELLO",' sandbox Run 'asa{sv}' \
        3 sh -c 'tr a-z A-Z; exit 3' 1 stdin s hello
    check "Sandbox.Start" prints '/org/cloche1/process/' sandbox Start 'asa{sv}' 2 sleep 1000 1 keep b true
    number=$(grep -o "${id}_[0-9]*" "$output" | cut -d_ -f2)
    check "Sandbox.ListProcesses" prints '"sleep"' sandbox ListProcesses
    check "Process.Attach" process Attach
    check "Process.CloseInput" process CloseInput
    check "Process.Signal" process Signal i 15
    check "Process.Wait" prints '15,"killed\|"signal' process Wait
    check "Sandbox.OpenTerminal" prints '/org/cloche1/process/' sandbox OpenTerminal 'qqa{sv}' 80 24 1 keep b true
    number=$(grep -o "${id}_[0-9]*" "$output" | cut -d_ -f2)
    check "Process.Resize" process Resize qq 100 30
    check "Process.Kill" process Kill
}

tour_of_files_by_bus() {
    check "Sandbox.MakeDirectory" sandbox MakeDirectory 'sa{sv}' made 0
    check "Sandbox.Copy" sandbox Copy 'ssa{sv}' project/numbers made/copy 0
    check "Sandbox.Move" sandbox Move 'ssa{sv}' made/copy made/moved 0
    check "Sandbox.Chmod" sandbox Chmod 'sua{sv}' made/moved 384 0
    check "Sandbox.Chown" sandbox Chown 'ssa{sv}' /home/user/made/moved root 1 user s root
    check "Sandbox.Stat" prints '"size":{"type":"t","data":3893}' sandbox Stat 'sa{sv}' made/moved 0
    cloche exec "$id" -- ln -s moved made/link
    check "Sandbox.ReadLink" prints '"moved"' sandbox ReadLink 'sa{sv}' made/link 0
    check "Sandbox.ListDirectory" prints '"moved"' sandbox ListDirectory 'sa{sv}' made 0
    check "Sandbox.ReadFile" sandbox ReadFile 'sa{sv}' project/numbers 0
    check "Sandbox.Download" sandbox Download 'sa{sv}' project 0
    check "Sandbox.Watch" sandbox Watch 'sa{sv}' made 0
    check "Sandbox.Remove" sandbox Remove 'sa{sv}' made 1 recursive b true
    check "it is removed" fails_with 'made' sandbox Stat 'sa{sv}' made 0
    check "Sandbox.ListPorts" prints '8000' sandbox ListPorts
    check "Sandbox.OpenPort" sandbox OpenPort 'qa{sv}' 8000 0
}

tour_of_code_by_bus() {
    local context
    check "Sandbox.RunCode" prints '"42"' sandbox RunCode 'sa{sv}' 'x * 7' 0
    check "Sandbox.IsComplete" prints '"incomplete"' sandbox IsComplete 'sa{sv}' 'f(' 0
    check "Sandbox.StreamCode" sandbox StreamCode 'sa{sv}' 'x' 0
    check "Sandbox.CreateContext" prints '"type":"s"' sandbox CreateContext 'a{sv}' 1 language s bash
    context=$(sed -n 's/.*"data":\["\(.*\)"\].*/\1/p' "$output")
    check "Sandbox.ListContexts" prints "$context" sandbox ListContexts
    check "a context has its own variables" prints '"is \\n\|"is' sandbox RunCode 'sa{sv}' 'echo is $x' 1 context s "$context"
    check "Sandbox.InterruptContext" sandbox InterruptContext s "$context"
    check "Sandbox.RestartContext" sandbox RestartContext s "$context"
    check "Sandbox.RemoveContext" sandbox RemoveContext s "$context"
    check "Sandbox.SetTimeout" sandbox SetTimeout t 600
    check "Sandbox.Pause" sandbox Pause
    check "Sandbox.Resume" sandbox Resume 'a{sv}' 1 timeout t 1800
}

# Nothing outside of this machine is reached: names are refused before they are resolved.
tour_of_the_network() {
    local fetch='import urllib.request as r; r.urlopen("http://www.example.com/")'
    check "a sandbox without a network" fails_with 'no network' cloche exec "$id" -- python3 -c "$fetch"
    check "Sandbox.SetNetwork" sandbox SetNetwork 'a{sv}' 2 mode s restricted allow as 1 pypi.org
    check "network" prints 'pypi.org' cloche network "$id"
    check "a name that is not allowed" fails_with 'not known' cloche exec "$id" -- python3 -c "$fetch"
    check "Sandbox.GetTraffic" prints '"refused":[1-9]' sandbox GetTraffic
    check "Sandbox.WatchConnections" sandbox WatchConnections 'a{sv}' 0
    check "network off" cloche network "$id" off
}

# Methods that take a descriptor, which busctl cannot pass. Verbs call them.
methods_of_verbs='WriteFile Append Upload'

# Fails when a new verb or method is missing here.
tour_is_complete() {
    local text verb method missing=()
    text=$(cat "$top/tests/system/tour.sh")
    for verb in $(command cloche --help | sed -n '/^Verbs:/,/^$/s/^  \([a-z-]*\) .*/\1/p'); do
        [[ $text = *"cloche $verb"* ]] || missing+=("$verb")
    done
    for method in $(sed -n 's/.*<method name="\([A-Za-z]*\)".*/\1/p' "$top/dbus/org.cloche1.xml"); do
        [[ $text = *".$method\""* || " $methods_of_verbs " = *" $method "* ]] || missing+=("$method")
    done
    echo "missing: ${missing[*]}"
    [ ${#missing[@]} = 0 ]
}

tour() {
    chmod 777 "$tour_dir" # so that the user of `as` can write to it
    check "the tour has every verb and method" tour_is_complete
    tour_of_code
    tour_of_contexts
    tour_of_processes
    tour_of_files
    tour_of_ports
    tour_of_the_manager
    tour_of_snapshots
    tour_of_programs_by_bus
    tour_of_files_by_bus
    tour_of_code_by_bus
    tour_of_the_network
    if [ -d /run/systemd/system ]; then
        check "journal" prints 'was created, template python' command cloche journal "$id"
    else
        check "journal says that there is none" fails_with 'journal' cloche journal "$id"
    fi
    check "kill" cloche kill "$id"
    check "it is gone" fails_with 'sandbox' cloche exec "$id" -- true
    rm -rf "$tour_dir"
}
