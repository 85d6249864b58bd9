# SPDX-License-Identifier: LGPL-2.1-or-later
#
# proxy: the proxy of the environment, as Proxy= of cloched.conf(5) needs it.
#
# Callers define say, which prints a message.
#
# shellcheck shell=bash

# Prints the name of the first variable that names a proxy, and its URL; nothing if there is none, or if cloche-egress cannot
# use it. As in curl, the scheme may be missing. The value may contain a password, so no message shows it.
environment_proxy() {
    local variable url
    for variable in https_proxy HTTPS_PROXY http_proxy HTTP_PROXY; do
        url=${!variable:-}
        [ -n "$url" ] || continue
        [[ $url = *://* ]] || url=http://$url
        if [[ $url =~ ^http://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?/?$ ]]; then
            echo "$variable $url"
        else
            say "sandboxes do not use the proxy of $variable, which is not of the form http://HOST:PORT"
        fi
        return 0
    done
}

# proxy_host URL: prints the host, an IPv6 address without brackets.
proxy_host() {
    [[ $1 =~ ^http://(\[([^]]+)\]|([^:/]+)) ]] && echo "${BASH_REMATCH[2]}${BASH_REMATCH[3]}"
}
