# SPDX-License-Identifier: LGPL-2.1-or-later
"""prepare-templates: prepares the templates of all images of a store, so that the suites need not boot them.

Usage: prepare-templates.py BUILD STORE. The image 'interpreter' gets startup code, which test-languages.py looks for.
"""
import pathlib
import sys

from cloche_tests.service import PrivateService

BOOT_S = 600
# Names with underscores, because typical input asks which names there are.
STARTUP = (
    "Startup.python=import numpy as _numpy, random as _random\\n_generator = _numpy.random.default_rng()\\n_instance = _random.Random()\n"
    "Startup.javascript=const ofStartup = 6 * 7\n"
)


def add_startup(path):
    """Adds startup code to an image. The file may be a hard link to a suite's file, so it is replaced."""
    text = path.read_text()
    if STARTUP not in text:
        path.unlink()
        path.write_text(text.replace("[Image]\n", f"[Image]\n{STARTUP}", 1))


def main(build, store):
    for path in pathlib.Path(store, "images").glob("interpreter/image.conf"):
        add_startup(path)
    service = PrivateService(build, store)
    try:
        service.start()
        for image in pathlib.Path(store, "images").glob("*/image.conf"):
            name = image.parent.name
            if image.parent.is_symlink() and service.wait_for_template(name, BOOT_S)["state"] != "ready":
                sys.exit(f"prepare-templates: {service.template(name)}")
    finally:
        service.close(keeps_templates=True)


main(*sys.argv[1:])
