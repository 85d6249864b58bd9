# SPDX-License-Identifier: LGPL-2.1-or-later
"""saved: saves data that is too large to be sent to files, whose paths are sent instead."""

import os
import re
import tempfile

_PATH_MAX = 4096
_EXTENSIONS = {
    "application/javascript": "js",
    "application/pdf": "pdf",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/webp": "webp",
    "text/html": "html",
    "text/latex": "tex",
    "text/markdown": "md",
    "text/plain": "txt",
}
_SUFFIX = re.compile(r"[/+](json|xml)$")


def _extension(mime):
    if extension := _EXTENSIONS.get(mime):
        return extension
    if match := _SUFFIX.search(mime):
        return match[1]
    return "txt" if mime.startswith("text/") else "bin"


class SavedFiles:
    """The runner's directory, which is created when it is first needed."""

    def __init__(self):
        self._directory = None
        self._execution = 0
        self._count = 0

    def begin(self):
        self._execution += 1
        self._count = 0

    def save(self, mime, data):
        """
        Returns the path, as bytes. Raises OSError or ValueError if the file cannot be created.
        """
        self._count += 1
        name = f"{self._execution}-{self._count}.{_extension(mime)}"
        path = os.path.join(self._have_directory(), name)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(data)
        except BaseException:
            os.unlink(path)
            raise
        return path.encode()

    def _have_directory(self):
        if self._directory is None or not os.path.isdir(self._directory):
            parent = os.path.abspath(os.environ.get("TMPDIR") or "/tmp")
            if len(parent.encode()) > _PATH_MAX - 100:
                raise ValueError("the path in TMPDIR is too long")
            self._directory = tempfile.mkdtemp(prefix="cloche-results-", dir=parent)
        return self._directory
