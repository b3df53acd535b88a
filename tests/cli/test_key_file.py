"""An encrypted file is opened with the key in another file, which an option or a variable names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recsys import Recommender
from tests.keyed import needs_cipher

pytest.importorskip("click")
pytest.importorskip("rich")

from recsys.cli.app import run

KEY = bytes(range(32))
FORMS = {"raw": KEY, "hex": KEY.hex().encode(), "hex and a line's end": KEY.hex().upper().encode() + b"\r\n"}


def written(file: Path, content: bytes) -> str:
    """A file with a key beside the log; its path."""
    path = file.parent / "key"
    path.touch(mode=0o600)
    path.write_bytes(content)
    return str(path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with Recommender(tmp_path / "me.db", key=KEY) as rec:
        rec.record("kept-item")
        rec.record("gone-item")
    return tmp_path / "me.db"


@needs_cipher
@pytest.mark.parametrize("form", FORMS)
def test_the_option_names_a_file_with_the_key(file: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    key = written(file, FORMS[form])
    for words in (["--key-file", key, "inspect", str(file)], ["inspect", "--key-file", key, str(file)]):
        assert run(words) == 0
        assert "2 events" in capsys.readouterr().out


@needs_cipher
def test_the_variable_does_too_and_a_command_that_writes_keeps_the_key(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECSYS_KEY_FILE", written(file, KEY))
    assert run(["forget", str(file), "--item", "gone-item", "--yes"]) == 0
    assert run(["check", str(file)]) == 0
    capsys.readouterr()
    with Recommender(file, key=KEY) as rec:
        assert rec.stats().n_events == 1


@needs_cipher
@pytest.mark.parametrize("content", [b"", b"short", KEY.hex()[:-1].encode(), KEY.hex().encode() * 9, b"\xff" * 64])
def test_a_file_that_holds_no_key_is_refused_in_one_line_without_its_content(
    file: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--key-file", written(file, content), "check", str(file)]) == 2
    said = capsys.readouterr().err
    assert "32 bytes or 64 hexadecimal digits" in said
    assert not content or content.decode("latin-1") not in said
    assert "Traceback" not in said


@needs_cipher
def test_without_a_key_or_with_a_missing_file_the_line_says_what_to_do(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", str(file)]) == 1
    assert "give its key" in capsys.readouterr().err
    assert run(["--key-file", str(file.parent / "none"), "check", str(file)]) == 2
    said = capsys.readouterr().err
    assert "cannot be read" in said
    assert str(file.parent) not in said


@needs_cipher
@pytest.mark.parametrize("command", ["inspect", "recommend", "explain", "forget", "export", "check"])
def test_every_command_on_a_file_takes_the_option_after_it(
    file: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RECSYS_KEY_FILE", str(file.parent / "none"))  # what stands after the command counts
    more = {"explain": ["kept-item"], "forget": ["--item", "gone-item", "--yes"]}.get(command, [])
    if command == "export":
        more = [str(file.parent / "out.jsonl")]
    assert run([command, str(file), *more, "--key-file", written(file, KEY)]) == 0
    capsys.readouterr()


@needs_cipher
@pytest.mark.skipif(os.name == "nt", reason="files have no such modes there")
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_key_that_others_may_read_or_change_is_refused(
    file: Path, mode: int, capsys: pytest.CaptureFixture[str]
) -> None:
    key = written(file, KEY)
    Path(key).chmod(mode)
    assert run(["--key-file", key, "check", str(file)]) == 2
    said = capsys.readouterr().err
    assert "others may read or change the file: chmod 600 it" in said
    assert str(file.parent) not in said
    Path(key).chmod(0o400)
    assert run(["--key-file", key, "check", str(file)]) == 0
