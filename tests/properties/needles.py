"""What to look for in the files of a log, once something of it was forgotten.

All that a log is told is a set of *words*: texts, moments and numbers. What was told once and is told no more must not
be in the files, in any encoding in which it might have got there. What is left, and whatever is too short or common to
mean anything, is not looked for.
"""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterable, Iterator

from recsys import Event, Item
from tests.properties.searcher import SHORTEST, present

__all__ = ["Word", "apart", "encodings", "needles", "samples", "words_of_event", "words_of_item"]

Word = str | int | float  # a text, a moment in microseconds, a number

_SAMPLE = 32  # bytes
_N_SAMPLES = 8  # of a blob, besides its digest
_UNLIKELY = 5  # distinct bytes of a number, at least: 1.0 or 1/3 may stand anywhere


def words_of_event(event: Event) -> Iterator[Word]:
    """All that an event tells."""
    yield event.at_us
    yield from (event.uid, event.item_id, event.kind)
    yield from event.context
    yield from _scalars([event.value, event.slate, *event.context.values()])
    for item_id, _, propensity in event.shown:
        yield from (item_id, propensity)


def words_of_item(item: Item) -> Iterator[Word]:
    """All that an item of the catalogue tells."""
    yield from (item.id, item.title, *item.tags, *item.attributes)
    yield from _scalars(item.attributes.values())


def encodings(word: Word) -> set[bytes]:
    """Every way in which the word may stand in a file; none when it is too short or too common to be told apart."""
    if isinstance(word, str):
        forms = {word.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")}
        forms |= {json.dumps(word, ensure_ascii=ascii_only)[1:-1].encode() for ascii_only in (False, True)}
        if len(word) == 2 * SHORTEST and set(word) <= set("0123456789abcdef"):
            forms.add(bytes.fromhex(word))
        return {form for form in forms if len(form) >= SHORTEST} if len(word.encode()) >= SHORTEST else set()
    if isinstance(word, int):
        at_s = word / 1e6
        own = {struct.pack(">q", word), struct.pack("<q", word)}  # SQLite's, and that of lessons and checkpoints
        return own | {str(word).encode()} | encodings(at_s)
    packed = struct.pack(">d", word)
    if len(set(packed)) < _UNLIKELY:
        return set()
    written = repr(word).encode()
    return {packed, packed[::-1]} | ({written} if len(written) >= 2 * SHORTEST else set())


def needles(gone: Iterable[Word], left: Iterable[Word]) -> set[bytes]:
    """What of the words that are gone can be told from the words that are left."""
    return apart(
        (form for word in gone for form in encodings(word)), (form for word in left for form in encodings(word))
    )


def apart(gone: Iterable[bytes], left: Iterable[bytes]) -> set[bytes]:
    """Those of the first that are nowhere in the others."""
    wanted = sorted(set(gone))
    common = set(present(b"\xff".join(left), wanted))
    return {needle for number, needle in enumerate(wanted) if number not in common}


def samples(blob: bytes) -> list[bytes]:
    """Pieces of a checkpoint by which it is known again: its digest, and some of its numbers.

    Not of its texts: those are words, and looked for as such.
    """
    draw = random.Random(len(blob))
    found = [blob[:_SAMPLE]]
    for _ in range(200):
        at = draw.randrange(max(len(blob) - _SAMPLE, 1))
        piece = blob[at : at + _SAMPLE]
        if not piece.isascii() and len(set(piece)) > _SAMPLE // 2 and len(found) <= _N_SAMPLES:
            found.append(piece)
    return found


def _scalars(values: Iterable[object]) -> Iterator[Word]:
    """Texts and fractions as they are; a whole number is a text: it is no moment, and SQLite keeps it as JSON."""
    for value in values:
        if isinstance(value, (str, float)):
            yield value
        elif value is not None:
            yield str(value)
