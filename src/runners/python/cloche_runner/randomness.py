# SPDX-License-Identifier: LGPL-2.1-or-later
"""randomness: gives a restored interpreter its own random numbers.

Every existing generator is seeded from the entropy, each with a different seed. Finding them
requires a walk over the objects of the garbage collector, 145,000 after the usual imports, which is
too slow for a claim. So those of the warm-up are found once, before gc.freeze() removes them from
the collector's lists, and a claim walks only over objects that were created later.
"""

import gc
import hashlib
import os
import random
import sys


class _Seeds:
    """Yields different seeds from one entropy."""

    def __init__(self, entropy):
        self._key = hashlib.blake2b(entropy).digest()
        self._count = 0

    def take(self, size=32):
        self._count += 1
        return hashlib.blake2b(b"seed %d" % self._count, key=self._key, digest_size=size).digest()

    def number(self, size=32):
        return int.from_bytes(self.take(size), "little")


def _reseed_random(generator, seeds):
    random.Random.seed(generator, seeds.number())


def _reseed_sequence(sequence, seeds):
    """Sets the state as pickle does: numpy has no call that seeds an existing generator."""
    sequence.__setstate__(type(sequence)(seeds.number()).__reduce__()[2])


def _reseed_bits(bits, seeds):
    bits.state = type(bits)(seeds.number()).state


def _reseed_mersenne(bits, seeds):
    """Seeds with the old method: its state is large, and setting the state is ten times slower."""
    numpy = sys.modules["numpy"]
    numpy.random.RandomState(bits).seed(numpy.frombuffer(seeds.take(64), numpy.uint32))


def _reseed_legacy(generator, seeds):
    """
    Its bit generator is seeded separately. Also drops the stored second number of a Gaussian pair.
    """
    numpy = sys.modules["numpy"]
    try:
        generator.seed(numpy.frombuffer(seeds.take(64), numpy.uint32))
        return
    except TypeError:  # not around the Mersenne twister
        state = generator.get_state(legacy=False)
    state["has_gauss"], state["gauss"] = 0, 0.0
    generator.set_state(state)


_NUMPY_RULES = {
    "SeedSequence": _reseed_sequence,
    "MT19937": _reseed_mersenne,
    "PCG64": _reseed_bits,
    "PCG64DXSM": _reseed_bits,
    "Philox": _reseed_bits,
    "SFC64": _reseed_bits,
    "RandomState": _reseed_legacy,  # last, because what it reads must be seeded before
}


def _rule(kind):
    """Returns the rule by which generators of this type are seeded; None for other types."""
    if issubclass(kind, random.Random):
        return None if issubclass(kind, random.SystemRandom) else _reseed_random
    numpy = sys.modules.get("numpy.random")
    if numpy is None or kind.__name__ not in _NUMPY_RULES:
        return None
    return _NUMPY_RULES[kind.__name__] if getattr(numpy, kind.__name__, None) is kind else None


def _find():
    """Returns (rule, generator) of all generators that are not frozen, in the order of seeding."""
    objects = gc.get_objects()
    kinds = {id(kind): kind for kind in map(type, objects)}  # by id: not all metaclasses hash
    rules = {key: rule for key, kind in kinds.items() if (rule := _rule(kind))}
    if not rules:
        return []
    found = [(rule, one) for one in objects if (rule := rules.get(id(type(one))))]
    return sorted(found, key=lambda pair: pair[0] is _reseed_legacy)


class Randomness:
    def __init__(self):
        self._frozen = []

    def freeze(self):
        """Called at the end of the warm-up: finds the generators that exist now."""
        gc.collect()
        self._frozen = _find()
        gc.freeze()
        self.reseed(os.urandom(32))  # because the second time is six times faster

    def reseed(self, entropy):
        seeds = _Seeds(entropy)
        for rule, generator in self._frozen + _find():
            try:
                rule(generator, seeds)
            except Exception:
                pass  # not completely constructed, or an unusual subclass
        for name, rule in _MODULE_RULES.items():
            if name in sys.modules:
                rule(sys.modules[name], seeds)


def _reseed_openssl(ssl, seeds):
    ssl.RAND_add(seeds.take(), 32.0)


def _reseed_uuid(uuid, seeds):
    """
    libuuid keeps a node and a sequence that cannot be reset; Python's own implementation does not.
    """
    uuid._generate_time_safe = None
    uuid._node = seeds.number(6) | 1 << 40  # the bit that marks it as not that of a network card
    uuid._last_timestamp = None


def _reseed_tempfile(tempfile, seeds):
    tempfile._name_sequence = None


def _forget_host(platform, seeds):
    platform._uname_cache = None  # has the host name of the template


def _reseed_processes(process, seeds):
    process.current_process().authkey = seeds.take()


def _reseed_torch(torch, seeds):
    torch.manual_seed(seeds.number(8))


_MODULE_RULES = {
    "platform": _forget_host,
    "ssl": _reseed_openssl,
    "uuid": _reseed_uuid,
    "tempfile": _reseed_tempfile,
    "multiprocessing.process": _reseed_processes,
    "torch": _reseed_torch,
}
