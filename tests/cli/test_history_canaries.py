"""Whatever stands in a history beside program names never leaves it: random markers are planted and looked for."""

from __future__ import annotations

import string
from collections.abc import Iterable
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from recsys.cli import shellwords
from recsys.cli.history import parse_history
from recsys.cli.shellnames import PREFIXES

NOW_S = 1_800_000_000.0
MARK = "zqx"  # no program of the strategies holds it

# One planted word: long enough to be no accident, and a perfectly plausible program name.
canaries = st.text(string.ascii_lowercase, min_size=5, max_size=9).map(lambda tail: MARK + tail)
known = st.sampled_from(["ls", "git", "make", "python3", "vim", "cd"])


def quoted(word: str) -> st.SearchStrategy[str]:
    """Ways to write planted words as one argument."""
    return st.sampled_from(
        [
            word,
            f"'{word}'",
            f'"{word}"',
            f"'a; {word} b'",
            f'"a && {word} b"',
            f"$({word} x)",
            f"`{word} x`",
            f"<({word} x)",
            f"${{a:-{word}}}",
            f"$'\\'; {word}'",
            f"--{word}={word}",
            f"-{word}",
            f"{word}=1",
            f"../{word}/{word}",
            f"~/{word}",
            f"https://{word}.example.org/?a=1&{word}&b=2",
            f"https://{word}.example.org/a;{word}",
            f"user:{word}@host",
            f"\\;{word}",
            f"a\\ {word}",
            f"'a\n{word} b'",
            f'"a\n{word} b"',
            f"{{a,{word}}}",
            f"*({word})",
            f"#{word}",
            f"a \\\n{word}",
        ]
    )


arguments = canaries.flatmap(quoted)


@st.composite
def simple_commands(draw: st.DrawFn) -> str:
    """One command whose first word is a known program and whose every other word is planted."""
    assignments = draw(st.lists(canaries.map(lambda w: f"{w.upper()}={w}"), max_size=2))
    prefix = draw(st.sampled_from([[], ["sudo"], ["sudo", "-u", draw(canaries)], ["time"], ["nohup"], ["env"]]))
    words = [*assignments, *prefix, draw(known), *draw(st.lists(arguments, max_size=4))]
    redirect = draw(st.sampled_from(["", f" > {draw(canaries)}", f" 2>{draw(canaries)}", f" <<< {draw(canaries)}"]))
    comment = draw(st.sampled_from(["", f" # {draw(canaries)}; {draw(canaries)}"]))
    return " ".join(words) + redirect + comment


@st.composite
def entries(draw: st.DrawFn) -> str:
    """One entry: a line, a here-document, a loop, a case, a prefix that gives up."""
    word, command = draw(canaries), draw(simple_commands())
    shape = draw(st.integers(0, 6))
    if shape <= 2:
        joint = draw(st.sampled_from([" | ", " && ", " || ", "; ", " & ", " |& "]))
        return joint.join(c.partition(" #")[0] for c in draw(st.lists(simple_commands(), min_size=1, max_size=3)))
    return {
        3: f"cat <<{word}\n{draw(canaries)} a\nit's; {draw(canaries)}\n{word}",
        4: f"for {word} in {draw(canaries)} b; do {command.partition(' #')[0]}; done",
        5: f"case {word} in {draw(canaries)}) {word} x;; esac",
        6: f"{draw(st.sampled_from(sorted(PREFIXES)))} --{word} {draw(canaries)} x",
    }[shape]


def as_zsh(lines: Iterable[str]) -> bytes:
    rows = (f": {1_700_000_000 + n}:0;" + line.replace("\n", "\\\n") for n, line in enumerate(lines))
    return ("\n".join(rows) + "\n").encode()


def as_bash(lines: Iterable[str]) -> bytes:
    return "".join(f"#{1_700_000_000 + n}\n{line}\n" for n, line in enumerate(lines)).encode()


def as_plain(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


FORMATS = {"zsh": as_zsh, "bash": as_bash, "plain": as_plain}


def leaked(data: bytes) -> set[str]:
    return {c.program for c in parse_history(data, now_s=NOW_S).commands if MARK in c.program}


@pytest.mark.parametrize("shell", FORMATS)
@given(lines=st.lists(entries(), min_size=1, max_size=6))
def test_no_argument_is_ever_read_as_a_program(shell: str, lines: list[str]) -> None:
    assert leaked(FORMATS[shell](lines)) == set()


@pytest.mark.parametrize("shell", FORMATS)
@given(lines=st.lists(entries(), min_size=1, max_size=6))
def test_a_reader_that_takes_any_word_for_a_program_is_caught(shell: str, lines: list[str]) -> None:
    def naive(text: str, **_: object) -> shellwords.Reading:
        return shellwords.Reading(text.replace("'", " ").replace('"', " ").split(), 0, False, False, len(text))

    data = FORMATS[shell]([*lines, f"ls {MARK}planted"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsys.cli.history.programs", naive)
        assert leaked(data)


@given(known, st.lists(arguments, max_size=3), st.lists(known, max_size=3))
def test_the_programs_beside_the_arguments_are_all_read(first: str, words: list[str], more: list[str]) -> None:
    entry = " && ".join([" ".join([first, *words]), *more])
    assert shellwords.programs(entry).names == [first, *more]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_history(data: bytes) -> None:
    for name in ("", ".zsh_history", "fish_history"):
        history = parse_history(data, name=name, now_s=NOW_S)
        assert all(before.at_us < after.at_us for before, after in pairwise(history.commands))


SHELL_ALPHABET = st.text(st.sampled_from(list("ls \t\n'\"\\$(){}[]<>|&;#`=~*!-:0123a")), max_size=60)


@given(SHELL_ALPHABET)
def test_any_punctuation_is_read_to_its_end(text: str) -> None:
    for fish in (False, True):
        assert shellwords.programs(text, fish=fish).end >= len(text)
