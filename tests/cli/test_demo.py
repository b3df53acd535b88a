"""The demo runs to its end, tells the truth, leaves nothing behind, and keeps a person's arguments to itself."""

from __future__ import annotations

import os
import signal
import string
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings

from recsys import Recommender, Settings
from recsys.cli import shellwords, trial
from recsys.cli.app import group
from recsys.cli.sample import N_SHOPPERS, load_sample
from recsys.evaluate import LearnerModel, replay
from recsys.types import Event

ROOT = Path(__file__).parents[2]
MARK = "zqx"
Run = Callable[..., subprocess.CompletedProcess[str]]
PROGRAMS = ("git", "ls", "make", "cd", "vim")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def private_tmp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_the_demo_tells_its_whole_story_and_deletes_its_file(private_tmp: Path) -> None:
    result = call("demo", "--events", 120)
    assert result.exit_code == 0
    assert result.stdout.isascii()
    for words in (
        "CC BY 4.0",
        "How good was the top ten? NDCG@10",
        "most recent",
        "The top ten for ",
        "Forget the first: ",
        "status        erased",
        "The top ten, had it never been",
        "me.db",
        "deleted now",
    ):
        assert words in result.stdout
    assert list(private_tmp.iterdir()) == []


def test_every_shopper_can_be_chosen() -> None:
    starts = {call("demo", "--shopper", n, "--events", 40).stdout.splitlines()[0] for n in range(1, N_SHOPPERS + 1)}
    assert len(starts) == N_SHOPPERS


def test_a_named_file_stays_and_is_sound(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    result = call("demo", "--events", 60, "--file", path)
    assert result.exit_code == 0
    assert "it stays" in result.stdout
    assert str(path) in result.stdout
    assert call("check", path).exit_code == 0


def test_a_kept_file_stays(private_tmp: Path) -> None:
    assert call("demo", "--events", 60, "--keep").exit_code == 0
    (folder,) = private_tmp.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.name for path in folder.iterdir()} == {"me.db", "me.db-ballast"}


def test_a_file_that_exists_is_left_alone(file: Path) -> None:
    before = file.read_bytes()
    assert call("demo", "--events", 60, "--file", file).exit_code == 2
    assert file.read_bytes() == before


@pytest.mark.parametrize("arguments", [["--shopper", 0], ["--shopper", 6], ["--events", 3], ["--file", "no/folder/x"]])
def test_what_cannot_be_is_wrong_usage(arguments: list[object]) -> None:
    assert call("demo", *arguments).exit_code == 2


def test_a_demo_that_is_ended_early_deletes_its_file(private_tmp: Path) -> None:
    environ = {**os.environ, "TMPDIR": str(private_tmp), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-m", "recsys.cli", "demo"], env=environ, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(private_tmp.glob("*/me.db")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(private_tmp.glob("*/me.db"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert process.stdout is not None
    process.stdout.close()
    assert list(private_tmp.iterdir()) == []


def test_what_is_shown_equals_a_replay_of_the_learner(tmp_path: Path) -> None:
    """The slow twin: the same events through the evaluation's own walk."""
    sample = load_sample(1, 150)
    with Recommender(tmp_path / "me.db", settings=trial.SETTINGS) as recommender:
        shown = trial.run(recommender, sample.events, sample.titles, lambda: None)
    twin = replay(sample.events, {"recsys": LearnerModel(trial.SETTINGS)}, settings=trial.SETTINGS)["recsys"]
    ranks = np.array([outcome.rank for outcome in twin])
    assert shown.ranks["recsys"].tolist() == np.where(ranks <= trial.K, ranks, 0).tolist()
    assert shown.n_new == sum(outcome.is_new for outcome in twin)


def test_the_sample_begins_with_a_purchase_and_returns_only_what_was_bought() -> None:
    for n_events in (None, 100):
        bought: set[str] = set()
        for event in load_sample(2, n_events).events:
            if event.kind == "purchase":
                bought.add(event.item_id)
            assert event.item_id in bought


def as_zsh(lines: list[str]) -> str:
    return "".join(f": {1_700_000_000 + 60 * n}:0;{line}\n" for n, line in enumerate(lines))


def test_the_own_history_is_replayed_and_nothing_is_left(tmp_path: Path, private_tmp: Path) -> None:
    path = tmp_path / "history"
    path.write_text(as_zsh([f"{PROGRAMS[n % 5]} secret{n}" for n in range(60)]))
    result = call("demo", "--shell-history", path)
    assert result.exit_code == 0
    assert "zsh history: the last 60 commands" in result.stdout
    assert "0 words" in result.stdout
    assert "have no time" not in result.stdout
    assert "secret" not in result.output
    assert list(private_tmp.iterdir()) == []


def test_a_history_without_times_is_said_to_have_none(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("".join(f"{PROGRAMS[n % 5]} x\n" for n in range(40)))
    result = call("demo", "--shell-history", path, "--events", 30)
    assert "Shell history: the last 30 commands" in result.stdout
    assert "All of the 40 commands have no time in this history" in " ".join(result.stdout.split())


def test_without_a_name_the_usual_places_are_searched(run: Run, tmp_path: Path) -> None:
    done = run("demo", "--shell-history")
    assert (done.returncode, "no shell history was found" in done.stderr) == (2, True)
    (tmp_path / ".bash_history").write_text("".join(f"{PROGRAMS[n % 5]} x\n" for n in range(40)))
    assert run("demo", "--shell-history").returncode == 0


@pytest.mark.parametrize("name", [f"{MARK}missing", "."])
def test_a_history_that_cannot_be_read_is_wrong_usage(tmp_path: Path, name: str) -> None:
    result = call("demo", "--shell-history", tmp_path / name)
    assert result.exit_code == 2
    assert MARK not in result.output


def test_a_history_of_almost_nothing_is_wrong_usage(tmp_path: Path) -> None:
    path = tmp_path / "history"
    path.write_text("ls\n")
    assert call("demo", "--shell-history", path).exit_code == 2


canaries = st.text(string.ascii_lowercase + string.digits, min_size=6, max_size=12).map(lambda tail: MARK + tail)


@st.composite
def lines(draw: st.DrawFn) -> str:
    """One line with canaries in every place but the first word of a command."""
    a, b, c = draw(canaries), draw(canaries), draw(canaries)
    program = draw(st.sampled_from(PROGRAMS))
    shape = draw(
        st.sampled_from(
            [
                "{p} {a} --{b}={c}",
                "{A}={b} {p} '{a}; {c}' > {b}",
                "sudo -u {a} {p} {b}",
                '{p} "$({a} {b})" | {p} {c} # {a}; {b}',
                "/opt/{a}/bin/{p} https://{b}.example.org/?x=1&{c}&y",
                "{p} <<< {a} && {p} `{b} {c}`",
                "for {a} in {b} {c}; do {p} ${a}; done",
                "'{a}' {b}",
                "ghp_{a} {b}",
            ]
        )
    )
    return shape.format(p=program, a=a, b=b, c=c, A=a.upper())


def traces(history: Path, kept: Path) -> list[str]:
    """Where a mark is found: in what the demo says, or in the bytes of its file."""
    result = call("demo", "--shell-history", history, "--file", kept)
    assert result.exit_code == 0, result.output
    found = ["output"] if MARK in result.output.lower() else []
    return found + [path.name for path in kept.parent.glob("*.db*") if MARK.encode() in path.read_bytes().lower()]


@settings(max_examples=15)
@given(planted=st.lists(lines(), min_size=1, max_size=8))
def test_no_argument_reaches_the_file_the_output_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, planted: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("canaries")
    known = [PROGRAMS[n % 5] for n in range(25)]
    for name, text in (("zsh", as_zsh([*planted, *known])), ("plain", "\n".join([*planted, *known]))):
        (folder / name).write_text(text)
        assert traces(folder / name, folder / f"{name}.db") == []


def test_a_reader_that_takes_arguments_for_programs_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def naive(text: str, **_: object) -> shellwords.Reading:
        return shellwords.Reading(text.split(), 0, is_open=False, awaits_here=False, end=len(text))

    monkeypatch.setattr("recsys.cli.history.programs", naive)
    # two arguments, since the demo forgets the first of its ranking, and what is forgotten is found nowhere
    (tmp_path / "history").write_text(as_zsh([f"ls {MARK}one {MARK}two"] * 30))
    assert traces(tmp_path / "history", tmp_path / "me.db") == ["output", "me.db"]


def test_what_forget_took_out_of_the_demo_is_nowhere_in_its_file(tmp_path: Path) -> None:
    history = tmp_path / "history"
    history.write_text(as_zsh([f"{MARK}program"] * 30 + ["ls"] * 3))
    result = call("demo", "--shell-history", history, "--file", tmp_path / "me.db")
    assert f"Forget the first: {MARK}program" in result.stdout
    assert all(MARK.encode() not in path.read_bytes() for path in tmp_path.glob("me.db*"))


def test_the_settings_of_the_demo_differ_from_the_defaults_only_in_speed_and_choice_sets() -> None:
    plain = Settings(synchronous="normal", choice_set_size=trial.SETTINGS.choice_set_size)
    assert plain == trial.SETTINGS
    assert isinstance(load_sample(1, 1).events[0], Event)
