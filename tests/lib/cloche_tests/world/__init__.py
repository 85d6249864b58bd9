# SPDX-License-Identifier: LGPL-2.1-or-later
"""world: a network outside the host, for tests of sandboxes with a network.

World.start() begins a process in a network namespace of its own, and joins that namespace to the caller's by a pair of
virtual interfaces. The process answers at every address: a resolver with scripted answers, HTTP, HTTPS, other TCP
services and package indexes. It records what reaches it, so that a test can also assert that nothing did.

The caller's namespace must have no other way outside, as in tests/lib/in-container.sh. While a world exists, the
caller's /etc/resolv.conf names the world's resolver, and its certificate store trusts the world's authority.
"""
from .client import World
from .link import GATEWAY4, GATEWAY6, HOST4, HOST6, NEIGHBOUR4, NEIGHBOUR6, ON_LINK4, ON_LINK6
from .pattern import digest

__all__ = ["World", "digest", "GATEWAY4", "GATEWAY6", "HOST4", "HOST6", "NEIGHBOUR4", "NEIGHBOUR6", "ON_LINK4", "ON_LINK6"]
