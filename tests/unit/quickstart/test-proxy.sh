#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The quick start finds the proxy of the environment that cloche-egress can use.

top=$(dirname "$(dirname "$(dirname "$(dirname "$(readlink -f "$0")")")")")
. "$top/tests/lib/tap.sh"
. "$top/tests/lib/proxy.sh"

say() {
    echo "said: $*"
}

# finds EXPECTED VARIABLE=VALUE…: what is printed with only these variables.
finds() {
    local expected=$1 found
    shift
    found=$(unset https_proxy HTTPS_PROXY http_proxy HTTP_PROXY && [ $# = 0 ] || export "$@" && environment_proxy)
    echo "$found"
    [ "$found" = "$expected" ]
}

# refuses VARIABLE=VALUE: and shows no part of it that may be secret.
refuses() {
    finds "said: sandboxes do not use the proxy of ${1%%=*}, which is not of the form http://HOST:PORT" "$1"
}

check "no proxy" finds ""
check "an empty variable" finds "" https_proxy= HTTP_PROXY=
check "https_proxy" finds "https_proxy http://proxy.example.com:3128" https_proxy=http://proxy.example.com:3128
check "HTTPS_PROXY" finds "HTTPS_PROXY http://proxy.example.com:3128" HTTPS_PROXY=http://proxy.example.com:3128
check "http_proxy" finds "http_proxy http://proxy.example.com:3128/" http_proxy=http://proxy.example.com:3128/
check "https_proxy before http_proxy" finds "https_proxy http://a" http_proxy=http://b https_proxy=http://a
check "an empty https_proxy" finds "http_proxy http://b" http_proxy=http://b https_proxy=
check "a URL without a scheme" finds "https_proxy http://proxy_1:80" https_proxy=proxy_1:80
check "an address" finds "https_proxy http://10.0.0.1:3128" https_proxy=http://10.0.0.1:3128
check "an address of IPv6" finds "https_proxy http://[fd00::1]:3128" 'https_proxy=[fd00::1]:3128'
check "a password" refuses https_proxy=http://user:password@proxy.example.com:3128
check "TLS" refuses https_proxy=https://proxy.example.com
check "SOCKS" refuses HTTPS_PROXY=socks5://proxy.example.com:1080
check "a path" refuses http_proxy=http://proxy.example.com/path
check "a port that is none" refuses http_proxy=http://proxy.example.com:http
check "a line of its own" refuses $'https_proxy=http://a\nDeny=b'
check "the host of a name" prints '^proxy.example.com$' proxy_host http://proxy.example.com:3128/
check "the host without a port" prints '^10.0.0.1$' proxy_host http://10.0.0.1
check "the host of an address of IPv6" prints '^fd00::1$' proxy_host 'http://[fd00::1]:3128'
done_testing
