"""Edits of bytes as hypothesis draws and shrinks them."""

from hypothesis import strategies as st

TOKENS = (
    b"\0", b"\xff\xff\xff\xff", b"\0\0\0\x80", b"-1", b"0", b"99999999999999999999", b"1e999", b"nan", b"inf", b"-0",
    b"1_0", b"9" * 5000, b"[" * 2000, b"{" * 2000, b"&a [*a]", b"*a", b"<<: *a", b"!!python/object:os.system x",
    b"!!int x", b"!!float x", b"!!binary x", b"!!timestamp x", b"!!set {a}", b"!!omap [a]", b"!!str", b"? [1]\n: 2\n",
    b"? {a: 1}\n: 2\n", b"---\n", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc3", b"'", b'"', b"\n", b"\r", b"\t", b",,,",
    b"=1+1", b"../../../etc/passwd", b"/dev/zero", b"/dev/fd/0", b".", b"..", b"%s%n", b"\\", b"\\\\", b"\\n",
    b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>", b"&b;", b"<dict>", b"</array>", b"<date>x</date>",
    b"<integer>x</integer>", b"<real>x</real>", b"true", b"null", b"~", b": ", b":=", b" # ", b"\x1b]0;x\x07",
    "\u202e\u0000\u2028é患".encode(),
)  # fmt: skip
edits = st.lists(
    st.tuples(
        st.sampled_from(("flip", "set", "cut", "insert", "repeat", "token", "replace", "drop")),
        st.floats(0, 1),
        st.integers(0, 255),
        st.sampled_from(TOKENS),
    ),
    min_size=1,
    max_size=6,
)


def edited(content, changes):
    """Return `content` with each change made at its place, a fraction of the length."""
    for kind, where, number, token in changes:
        at = min(int(where * (len(content) + 1)), len(content))
        content = _edited(content, kind, at, number, token)
    return content[: 1 << 20]


def _edited(content, kind, at, number, token):
    head, tail = content[:at], content[at:]
    match kind:
        case "flip":
            return head + bytes([(tail[0] ^ (1 << number % 8))]) + tail[1:] if tail else head
        case "set":
            return head + bytes([number]) + tail[1:]
        case "cut":
            return head
        case "insert":
            return head + bytes([number]) * (1 + number % 9) + tail
        case "repeat":
            return head + tail[:number] * 3 + tail[number:]
        case "token":
            return head + token + tail
        case "replace":
            return head + token + tail[len(token) :]
        case _:
            return head + tail[1 + number :]
