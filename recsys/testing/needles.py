"""The bytes that a secret may have become in a file: one table of encodings.

A *needle* is a text, some bytes, an integer or a float that must be nowhere. What goes in is the
needle; what comes out is a mapping from the name of each encoding to its bytes. Encodings that
are too short to tell from chance are left out, and a needle that has no other is refused.
"""

from __future__ import annotations

import base64
import html
import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Final, TypeAlias
from urllib.parse import quote, quote_plus

from recsys.errors import InputError

__all__ = ["MIN_BYTES", "Needle", "Needles", "labelled", "patterns"]

Needle: TypeAlias = str | bytes | int | float
Needles: TypeAlias = Mapping[str, Needle] | Iterable[Needle]

MIN_BYTES: Final = 4
"""What is shorter turns up by chance."""

_INT64: Final = range(-(2**63), 2**63)

# Texts, as an app may write them before they become bytes.
_SPELLINGS: Final[Mapping[str, Callable[[str], str]]] = {
    "": lambda text: text,
    "composed": lambda text: unicodedata.normalize("NFC", text),
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "json": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "json-ascii": lambda text: json.dumps(text)[1:-1],
    "json-ascii-upper": lambda text: _upper_escapes(json.dumps(text)[1:-1], "\\u", 4),
    "url": lambda text: quote(text, safe=""),
    "url-path": quote,
    "url-form": quote_plus,
    "url-lower": lambda text: _lower_escapes(quote(text, safe="")),
    "html": html.escape,
}
_WIDE: Final = ("utf-16-le", "utf-16-be", "utf-32-le")


def patterns(needle: Needle) -> dict[str, bytes]:
    """Every distinctive encoding of a needle, by name; equal ones stand once, under the first name.

    Raises
    ------
    InputError
        When it is too short, or of another type; the message does not tell it.

    Stability: provisional
    """
    if isinstance(needle, str):
        found = _of_text(needle)
    elif isinstance(needle, bytes):
        found = _of_bytes(needle, "bytes")
    elif isinstance(needle, bool) or not isinstance(needle, (int, float)):
        raise InputError("a needle is a str, bytes, an int or a float", field="needles")
    else:
        found = _of_float(needle) if isinstance(needle, float) else _of_int(needle)
    distinct: dict[bytes, str] = {}
    for name, pattern in found.items():
        if len(pattern) >= MIN_BYTES:
            distinct.setdefault(pattern, name)
    return {name: pattern for pattern, name in distinct.items()}


def labelled(needles: Needles) -> dict[str, Needle]:
    """Give every needle a label: its own, or its place in the list.

    Raises
    ------
    InputError
        When there is none, or a single text stands where a list is meant.

    Stability: provisional
    """
    if isinstance(needles, (str, bytes)) or not isinstance(needles, Iterable):
        raise InputError("needles: a list of them is needed, or a mapping from labels to them", field="needles")
    if isinstance(needles, Mapping):
        found = {str(label): needle for label, needle in needles.items()}
    else:
        found = {f"needle {n}": needle for n, needle in enumerate(needles)}
    if not found:
        raise InputError("needles: none was given, so there is nothing to look for", field="needles")
    return found


def _of_text(text: str) -> dict[str, bytes]:
    try:
        plain = text.encode()
    except UnicodeEncodeError:
        raise InputError("needles: a text with half a surrogate pair cannot be looked for", field="needles") from None
    if len(plain) < MIN_BYTES:
        raise InputError(f"needles: one has fewer than {MIN_BYTES} bytes and would be found by chance", field="needles")
    found = {f"utf-8 {name}".strip(): spell(text).encode() for name, spell in _SPELLINGS.items()}
    found.update({codec: text.encode(codec) for codec in _WIDE})
    with suppress(UnicodeEncodeError):
        found["latin-1"] = text.encode("latin-1")
    return found | _of_bytes(plain, "utf-8")


def _of_bytes(raw: bytes, name: str) -> dict[str, bytes]:
    if len(raw) < MIN_BYTES:
        raise InputError(f"needles: one has fewer than {MIN_BYTES} bytes and would be found by chance", field="needles")
    found = {name: raw, "hex": raw.hex().encode(), "hex-upper": raw.hex().upper().encode()}
    for shift in range(3):
        standard = _base64(raw, shift)
        found[f"base64 +{shift}"] = standard
        found[f"base64-url +{shift}"] = standard.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def _base64(raw: bytes, shift: int) -> bytes:
    """What is certain of the base64 of ``raw`` when ``shift`` bytes, modulo 3, stand before it."""
    encoded = base64.b64encode(b"\0" * shift + raw)
    first = (0, 2, 3)[shift]  # characters that also hold bits of what stands before
    return encoded[first : (shift + len(raw)) * 8 // 6]


def _of_int(number: int) -> dict[str, bytes]:
    if number not in _INT64:
        raise InputError("needles: an integer beyond 64 bits cannot be looked for", field="needles")
    size = next(n for n in (1, 2, 3, 4, 6, 8) if -(1 << (8 * n - 1)) <= number < 1 << (8 * n - 1))
    if size < MIN_BYTES:
        raise InputError("needles: an integer below 2**23 would be found by chance", field="needles")
    return {
        "sqlite integer": number.to_bytes(size, "big", signed=True),
        "sqlite varint": _varint(number),
        "int64 big-endian": number.to_bytes(8, "big", signed=True),
        "int64 little-endian": number.to_bytes(8, "little", signed=True),
        "decimal": str(number).encode(),
        **{f"decimal {codec}": str(number).encode(codec) for codec in _WIDE},
    }


def _of_float(number: float) -> dict[str, bytes]:
    import struct

    big = struct.pack(">d", number)
    if len(big.rstrip(b"\0")) < MIN_BYTES:
        raise InputError("needles: a float this round would be found by chance", field="needles")
    text = repr(number)
    found = {"float64 big-endian": big, "float64 little-endian": big[::-1], "decimal": text.encode()}
    if number.is_integer() and int(number) in _INT64 and abs(number) >= 1 << 23:  # SQLite stores such a real as one
        found |= {f"whole {name}": pattern for name, pattern in _of_int(int(number)).items()}
    return found | {f"decimal {codec}": text.encode(codec) for codec in _WIDE}


def _varint(number: int) -> bytes:
    """SQLite's variable-length integer: 7 bits a byte from the top, the ninth byte whole."""
    value = number % 2**64
    if value >= 1 << 56:
        last, rest, n = [value & 0xFF], value >> 8, 8
    else:
        last, rest, n = [value & 0x7F], value >> 7, max(-(-max(value.bit_length(), 1) // 7) - 1, 0)
    return bytes([*((rest >> (7 * shift)) & 0x7F | 0x80 for shift in reversed(range(n))), *last])


def _upper_escapes(text: str, mark: str, length: int) -> str:
    head, *rest = text.split(mark)
    return head + "".join(mark + part[:length].upper() + part[length:] for part in rest)


def _lower_escapes(text: str) -> str:
    head, *rest = text.split("%")
    return head + "".join("%" + part[:2].lower() + part[2:] for part in rest)
