"""Seeds derived by hashing names, so that adding a run, a case or a fold changes no other."""

import hashlib


def derive_seed(*names: object) -> int:
    """Return a 32-bit seed that depends on `names` alone, e.g. ``derive_seed(study, "outer", 0)``."""
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")
