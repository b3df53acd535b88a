"""Every spelling of a needle is the bytes that it says, and what would be found by chance is refused."""

from __future__ import annotations

import base64
import json
import sqlite3
import struct
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from recsys import InputError
from recsys.testing.needles import MIN_BYTES, labelled, patterns

texts = st.text(st.characters(codec="utf-8"), min_size=MIN_BYTES, max_size=30)


@given(before=st.binary(max_size=5), text=texts, after=st.binary(max_size=5))
def test_base64_is_found_wherever_the_text_stands_in_what_was_encoded(before: bytes, text: str, after: bytes) -> None:
    encoded = base64.b64encode(before + text.encode() + after)
    found = [pattern for name, pattern in patterns(text).items() if name.startswith("base64")]
    assert any(pattern in encoded for pattern in found)


@given(text=texts)
def test_a_text_is_found_however_it_was_written(text: str) -> None:
    found = set(patterns(text).values())
    for written in (
        text.encode(),
        text.encode("utf-16-le"),
        text.encode("utf-16-be"),
        json.dumps(text)[1:-1].encode(),
        json.dumps(text, ensure_ascii=False)[1:-1].encode(),
        quote(text, safe="").encode(),
        text.encode().hex().encode(),
    ):
        assert written in found


@given(number=st.integers(-(2**63), 2**63 - 1))
def test_an_integer_is_found_as_sqlite_stores_it(number: int) -> None:
    assume(not -(2**23) <= number < 2**23)
    found = set(patterns(number).values())
    assert struct.pack("<q", number) in found
    assert str(number).encode() in found
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (x)")
    db.execute("INSERT INTO t VALUES (?)", (number,))
    page = bytes(db.serialize())[4096:] if hasattr(db, "serialize") else None  # since Python 3.11
    db.close()
    assert page is None or any(pattern in page for pattern in found)


@pytest.mark.parametrize("number", [2**23, 2**31, 2**40, 2**55, 2**56, 2**62, -(2**24), -(2**63)])
def test_a_row_id_is_found_as_sqlite_stores_it(number: int, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "t.db") as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        db.execute("INSERT INTO t VALUES (?)", (number,))
    db.close()
    assert patterns(number)["sqlite varint"] in (tmp_path / "t.db").read_bytes()


@given(number=st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_found_as_eight_bytes_of_either_order_or_is_refused(number: float) -> None:
    try:
        found = set(patterns(number).values())
    except InputError:
        assert struct.pack(">d", number).endswith(b"\0" * 5)
    else:
        assert {struct.pack(">d", number), struct.pack("<d", number)} <= found


@pytest.mark.parametrize(
    "needle", ["", "abc", "ß", b"abc", 0, 1, -1, 255, 2**23 - 1, -(2**23), 2**63, 0.0, 1.5, -0.0, True, None, ("a",)]
)
def test_what_would_be_found_by_chance_or_is_no_needle_is_refused(needle: object) -> None:
    with pytest.raises(InputError) as caught:
        patterns(needle)  # type: ignore[arg-type]
    assert caught.value.field == "needles"


@pytest.mark.parametrize("needles", ["a text", b"bytes", [], {}, 7])
def test_needles_are_several_and_at_least_one(needles: object) -> None:
    with pytest.raises(InputError):
        labelled(needles)  # type: ignore[arg-type]


@given(needle=texts | st.binary(min_size=MIN_BYTES, max_size=30) | st.integers(2**23, 2**63 - 1))
def test_no_pattern_is_short_or_stands_twice(needle: str | bytes | int) -> None:
    found = list(patterns(needle).values())
    assert len(set(found)) == len(found) > 0
    assert min(map(len, found)) >= MIN_BYTES
