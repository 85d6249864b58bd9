#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients that programs in guests use accept the sandbox's authority with its name constraints.

Usage: test-clients.py INTERCEPT-SERVER. Clients: curl and openssl (OpenSSL), Python's ssl; that of
GnuTLS is in test-intercept.c.
"""

import os
import socket
import ssl
import subprocess
import sys
import tempfile

HOST = "api.example.com"
EXPECTED = "secret: yes\n"
count = 0


def check(description, actual, expected):
    global count
    count += 1
    if actual == expected:
        print(f"ok {count} {description}", flush=True)
    else:
        print(f"not ok {count} {description}: {actual!r} is not {expected!r}", flush=True)


class Server:
    """The program under test, with its socket and its certificate."""

    def __init__(self, program, folder):
        self.socket, self.certificate = folder + "/socket", folder + "/ca.pem"
        self.process = subprocess.Popen([program, self.socket, self.certificate, HOST],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def failure(self):
        return self.process.stdout.readline().strip()

    def stop(self):
        self.process.stdin.close()
        return self.process.wait()


def curl(server, *arguments):
    command = ["curl", "-sS", "--unix-socket", server.socket, "--max-time", "60", *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def with_curl(server):
    trusting = ["--cacert", server.certificate]
    url = f"https://{HOST}/"
    check("curl", curl(server, *trusting, url).stdout, EXPECTED)
    check("curl: TLS 1.2", curl(server, *trusting, "--tls-max", "1.2", url).stdout, EXPECTED)
    check("curl: two requests in a connection", curl(server, *trusting, url, url).stdout,
          EXPECTED * 2)
    check("curl: HTTP/2 is not chosen",
          curl(server, *trusting, "--http2", "-o", "/dev/null", "-w", "%{http_version}", url).stdout,
          "1.1")
    check("curl: a body with Expect",
          curl(server, *trusting, "-T", "/dev/null", "-H", "Expect: 100-continue", url).stdout,
          EXPECTED)


def refusals(server):
    check("curl without the certificate", curl(server, f"https://{HOST}/").returncode, 60)
    check("its failure", server.failure(), "the guest's program has refused the TLS connection")
    result = curl(server, "--cacert", server.certificate, "https://other.example/")
    check("curl with another name", (result.returncode, "unrecognized name" in result.stderr),
          (35, True))
    check("its failure", server.failure(), "the ClientHello names another server")
    result = curl(server, "--cacert", server.certificate, "-H", "Host: evil.example.net",
                  f"https://{HOST}/")
    check("curl with another Host", result.stdout,
          "cloche: Host is not the host of this connection\n")
    check("its failure", server.failure(), "Host is not the host of this connection")


def with_python(server):
    context = ssl.create_default_context(cafile=server.certificate)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(60)
        plain.connect(server.socket)
        with context.wrap_socket(plain, server_hostname=HOST) as secure:
            secure.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while piece := secure.recv(4096):
                data += piece
    check("Python, strict", data.decode().split("\r\n\r\n")[1], EXPECTED)


def with_openssl(server):
    command = ["openssl", "s_client", "-quiet", "-verify_return_error", "-x509_strict", "-unix",
               server.socket, "-servername", HOST, "-verify_hostname", HOST, "-CAfile",
               server.certificate]
    request = f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
    result = subprocess.run(command, input=request, capture_output=True, text=True, timeout=60)
    check("openssl, strict", result.stdout.split("\n\n")[-1], EXPECTED)


def main():
    with tempfile.TemporaryDirectory() as folder:
        server = Server(sys.argv[1], folder)
        with_curl(server)
        with_python(server)
        with_openssl(server)
        refusals(server)
        check("the server ends", server.stop(), 0)
    print(f"1..{count}")


main()
