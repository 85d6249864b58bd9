# SPDX-License-Identifier: LGPL-2.1-or-later
"""site_paths: adds directories of packages that pip creates while the interpreter runs.

site adds only directories to sys.path that exist when the interpreter starts. Others are searched
for when a module is not found, so that an import also works in the cell that has installed the
package.
"""

import importlib
import os
import site
import sys
from importlib.machinery import PathFinder


def _places():
    """Returns the directories in the order in which site adds them to sys.path."""
    if site.ENABLE_USER_SITE:
        yield site.getusersitepackages()
    yield from site.getsitepackages()


class _LastFinder:
    def __init__(self):
        self._missing = [place for place in _places() if not os.path.isdir(place)]

    def find_spec(self, name, path=None, target=None):
        made = [place for place in self._missing if os.path.isdir(place)]
        if not made:
            return None
        self._missing = [place for place in self._missing if place not in made]
        for place in made:
            self._add(place)
        importlib.invalidate_caches()
        return PathFinder.find_spec(name, path)

    def _add(self, place):
        """
        Inserts the directory and the paths of its .pth files before those that follow it in site's
        order.
        """
        before = list(sys.path)
        site.addsitedir(place)
        added = [one for one in sys.path if one not in before]
        places = list(_places())
        later = places[places.index(place) + 1 :]
        at = min((before.index(one) for one in later if one in before), default=len(before))
        sys.path[:] = before[:at] + added + before[at:]


def install():
    sys.meta_path.append(_LastFinder())
