# SPDX-License-Identifier: LGPL-2.1-or-later
"""packages: tiny packages for pip, npm and apt, and a git repository, made with what Debian's tools provide.

Each of the indexes has two packages, of which one requires the other:

pip   world-greeting requires world-words; the command is world-greeting
npm   world-greeting (also a command) requires world-words
apt   world-greeting (a command) depends on world-words
git   a repository with one file, README, and two commits
"""
import base64
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import zipfile

GREETING, WORDS = "world-greeting", "world-words"
VERSION = "1.2.3"
TEXT = "hello from the world"


# --- pip ---

def wheel(name, files, requires=(), command=None):
    """Returns (file name, contents)."""
    stem = f"{name.replace('-', '_')}-{VERSION}"
    info = f"{stem}.dist-info"
    metadata = "".join([f"Metadata-Version: 2.1\nName: {name}\nVersion: {VERSION}\n",
                        *(f"Requires-Dist: {other}\n" for other in requires)])
    files = {**files, f"{info}/METADATA": metadata,
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: world\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    if command:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {command}\n"
    lines = [f"{path},sha256={record_digest(text)},{len(text)}\n" for path, text in files.items()]
    files[f"{info}/RECORD"] = "".join(lines) + f"{info}/RECORD,,\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return f"{stem}-py3-none-any.whl", buffer.getvalue()


def record_digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def wheels():
    """Returns {package: (file name, contents)}."""
    return {
        WORDS: wheel(WORDS, {"world_words.py": f"TEXT = {TEXT!r}\n"}),
        GREETING: wheel(GREETING, {"world_greeting.py": "import world_words\n\n\ndef main():\n    print(world_words.TEXT)\n"},
                        [f"{WORDS}>=1"], "world_greeting:main"),
    }


# --- npm ---

NPM_GREETING = f"""#!/usr/bin/env node
exports.text = require('{WORDS}').text;
if (require.main === module)
    console.log(exports.text);
"""


def npm_archive(name, code, dependencies, **more):
    """Returns (package.json as a dictionary, contents of the archive)."""
    description = {"name": name, "version": VERSION, "main": "index.js", "license": "MIT", "dependencies": dependencies, **more}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for path, text in (("package.json", json.dumps(description)), ("index.js", code)):
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return description, buffer.getvalue()


def npm_packages():
    return {
        WORDS: npm_archive(WORDS, f"exports.text = {json.dumps(TEXT)};\n", {}),
        GREETING: npm_archive(GREETING, NPM_GREETING, {WORDS: "^1.0.0"}, bin={GREETING: "index.js"}),
    }


def npm_page(name, description, archive):
    """Returns what the registry says about a package."""
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
    version = {**description, "dist": {"tarball": f"https://registry.npmjs.org/{name}/-/{name}-{VERSION}.tgz",
                                       "integrity": integrity, "shasum": hashlib.sha1(archive).hexdigest()}}
    return {"_id": name, "name": name, "dist-tags": {"latest": VERSION}, "versions": {VERSION: version},
            "time": {VERSION: "2026-01-01T00:00:00.000Z"}}


# --- apt ---

def make_deb(folder, name, files, depends=""):
    """Returns the path of a new package."""
    tree = folder / name
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {VERSION}\nArchitecture: all\nMaintainer: world <root@localhost>\n"
        f"{f'Depends: {depends}{chr(10)}' if depends else ''}Description: a package of a test\n")
    for path, text in files.items():
        file = tree / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
    deb = folder / f"{name}_{VERSION}_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-Znone", "--build", tree, deb], check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL)
    return deb


def debian_archive(folder):
    """Makes packages below the folder. Returns {path below the root of a Debian archive: contents}, but for releases."""
    debs = [make_deb(folder, WORDS, {"usr/share/world-words": TEXT + "\n"}),
            make_deb(folder, GREETING, {"usr/bin/world-greeting": "#!/bin/sh\ncat /usr/share/world-words\n"}, WORDS)]
    files, stanzas = {}, []
    for deb in debs:
        contents, path = deb.read_bytes(), f"pool/main/w/world/{deb.name}"
        control = subprocess.run(["dpkg-deb", "--field", deb], check=True, stdout=subprocess.PIPE, text=True).stdout
        stanzas.append(f"{control.rstrip()}\nFilename: {path}\nSize: {len(contents)}\n"
                       f"SHA256: {hashlib.sha256(contents).hexdigest()}\n")
        files[path] = contents
    files["main/binary-amd64/Packages"] = "\n".join(stanzas).encode()
    files["main/binary-amd64/Packages.gz"] = gzip.compress(files["main/binary-amd64/Packages"], mtime=0)
    return files


def debian_release(suite, indexes):
    """Returns the Release file of a suite, which has a list of its indexes. It is not signed."""
    lines = [f" {hashlib.sha256(contents).hexdigest()} {len(contents)} {path}" for path, contents in indexes.items()]
    return "\n".join(["Origin: world", "Label: world", f"Suite: {suite}", f"Codename: {suite}",
                      "Date: Wed, 01 Jan 2020 00:00:00 UTC", "Architectures: amd64", "Components: main", "SHA256:",
                      *lines, ""]).encode()


# --- git ---

def make_repository(folder):
    """Makes a bare repository; returns its path."""
    work, bare = folder / "work", folder / "hello.git"
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}

    def git(*arguments):
        subprocess.run(["git", "-c", "user.name=world", "-c", "user.email=root@localhost", *arguments], check=True,
                       env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    git("init", "--quiet", "--initial-branch=main", work)
    for line in ("hello", TEXT):
        (work / "README").write_text(line + "\n")
        git("-C", work, "add", "README")
        git("-C", work, "commit", "--quiet", "--message", line)
    git("clone", "--quiet", "--bare", work, bare)
    return bare
