# SPDX-License-Identifier: LGPL-2.1-or-later
"""indexes: the sites of pip, npm, apt and git, under the names that these programs use without configuration.

https://pypi.org, https://files.pythonhosted.org, https://registry.npmjs.org, http://deb.debian.org and
https://git.example.com/hello.git. Packages are made when a site is first used.
"""
import asyncio
import functools
import hashlib
import json
import pathlib

from . import packages

BACKEND = "/usr/lib/git-core/git-http-backend"
NAMES = ("pypi.org", "files.pythonhosted.org", "registry.npmjs.org", "deb.debian.org", "git.example.com")


class Indexes:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        serves = self.serve_pypi, self.serve_wheels, self.serve_npm, self.serve_debian, self.serve_git
        self.sites = dict(zip(NAMES, serves))

    def make_folder(self, name):
        path = self.folder / name
        path.mkdir()
        return path

    # --- pip ---

    @functools.cached_property
    def wheels(self):
        return packages.wheels()

    async def serve_pypi(self, exchange):
        name = exchange.path.removeprefix("/simple/").rstrip("/")
        if name in self.wheels:
            file, contents = self.wheels[name]
            digest = hashlib.sha256(contents).hexdigest()
            page = (f'<!DOCTYPE html><html><body><a href="https://files.pythonhosted.org/packages/{digest[:2]}/{digest}/{file}'
                    f'#sha256={digest}">{file}</a></body></html>')
            await exchange.answer(page.encode(), Content_Type="text/html")
        else:
            await not_found(exchange)

    async def serve_wheels(self, exchange):
        file = exchange.path.rpartition("/")[2]
        await answer_from(exchange, dict(self.wheels.values()), file)

    # --- npm ---

    @functools.cached_property
    def npm(self):
        return packages.npm_packages()

    async def serve_npm(self, exchange):
        await exchange.read_body()
        name, _, file = exchange.path.strip("/").partition("/-/")
        if name not in self.npm:
            await not_found(exchange)
        elif file:
            await exchange.answer(self.npm[name][1], Content_Type="application/octet-stream")
        else:
            page = packages.npm_page(name, *self.npm[name])
            await exchange.answer(json.dumps(page).encode(), Content_Type="application/json")

    # --- apt ---

    @functools.cached_property
    def debian(self):
        return packages.debian_archive(self.make_folder("debian"))

    async def serve_debian(self, exchange):
        """All suites are equal."""
        path = exchange.path.removeprefix("/debian/").removeprefix("/debian-security/")
        if not path.startswith("dists/"):
            await answer_from(exchange, self.debian, path)
            return
        suite, _, file = path.removeprefix("dists/").partition("/")
        indexes = {key: contents for key, contents in self.debian.items() if key.startswith("main/")}
        await answer_from(exchange, {**indexes, "Release": packages.debian_release(suite, indexes)}, file)

    # --- git ---

    @functools.cached_property
    def repository(self):
        return packages.make_repository(self.make_folder("git"))

    async def serve_git(self, exchange):
        """Runs git's own server, a CGI program."""
        body = b"".join([piece async for piece in exchange.pieces()])
        headers = exchange.headers
        environment = {
            "PATH": "/usr/bin:/bin", "GIT_PROJECT_ROOT": str(self.repository.parent), "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(self.folder), "PATH_INFO": exchange.path,
            "QUERY_STRING": exchange.raw_query, "REQUEST_METHOD": exchange.method, "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": headers.get("content-type", ""), "HTTP_CONTENT_ENCODING": headers.get("content-encoding", ""),
            "GIT_PROTOCOL": headers.get("git-protocol", "")}
        backend = await asyncio.create_subprocess_exec(BACKEND, env=environment, stdin=asyncio.subprocess.PIPE,
                                                       stdout=asyncio.subprocess.PIPE)
        output, _ = await backend.communicate(body)
        head, _, contents = output.partition(b"\r\n\r\n")
        answered = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        status, _, reason = answered.pop("Status", "200 OK").partition(" ")
        await exchange.answer(contents, int(status), reason, **answered)


async def answer_from(exchange, files, path):
    await exchange.read_body()
    if path in files:
        await exchange.answer(files[path], Content_Type="application/octet-stream")
    else:
        await not_found(exchange)


async def not_found(exchange):
    await exchange.answer(b"not found\n", 404, "Not Found")
