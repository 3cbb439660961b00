import hashlib

from hypothesis import given
from hypothesis import strategies as st

from benchmark.execution.seeds import derive_seed


def test_a_seed_is_the_first_four_bytes_of_the_sha256_of_its_names():
    expected = int.from_bytes(hashlib.sha256(b"study\x1fouter\x1f3").digest()[:4], "little")
    assert derive_seed("study", "outer", 3) == expected


@given(st.lists(st.text(), min_size=1), st.lists(st.text(), min_size=1))
def test_different_names_give_different_seeds(first, second):
    same_text = "\x1f".join(first) == "\x1f".join(second)
    assert (derive_seed(*first) == derive_seed(*second)) == same_text
