"""How large a compressed picture says that it is: decoders make room for that, whatever the file around it says.

JPEG and JPEG-LS: ITU-T T.81 B.2.2, T.87 C.2.2; JPEG 2000: ITU-T T.800 A.5.1.
"""

from __future__ import annotations

JPEG, JPEG_2000 = b"\xff\xd8\xff", b"\xff\x4f\xff\x51"
FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
"""Markers behind which a frame's size stands; F7 is that of JPEG-LS."""


def stated_size(data: bytes) -> tuple[int, int] | None:
    """Return rows and columns of the first picture in encapsulated data, None where it says none (run lengths)."""
    if (at := data.find(JPEG_2000)) >= 0:
        across, down, left, top = (_number(data, at + 8 + 4 * place, 4) for place in range(4))
        return down - top, across - left
    at = data.find(JPEG) + 2
    while 2 <= at < len(data) - 9 and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in FRAMES:
            return _number(data, at + 5, 2), _number(data, at + 7, 2)
        at += 1 if marker == 0xFF else 2 + _number(data, at + 2, 2)
    return None


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")
