"""Every command says what is true of a real file, in words and in JSON, and leaves with the right exit code."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from recsys import BusyError, Recommender, Settings
from recsys.cli.app import COMMANDS, group
from recsys.cli.look import N_HABITS_SHOWN
from tests.properties.trees_world import lived
from tests.small_trees import grow, needs_trees, small_trees

MARK = "zqxcanary"
READING = ("inspect", "recommend", "explain", "check", "export")


def call(*arguments: object, given: str | None = None) -> Result:
    return CliRunner().invoke(group, [str(argument) for argument in arguments], input=given)


def digest(path: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in path.parent.iterdir()}


def arguments_of(command: str, file: Path) -> list[object]:
    return [command, file, *(["kind-of-blue"] if command == "explain" else [])]


def test_inspect_shows_habits_weights_and_sizes(file: Path) -> None:
    result = call("inspect", file)
    assert result.exit_code == 0
    assert "62 events, 4 items (3 of them in the log)" in result.stdout
    assert "Kind of Blue: used 20 times" in result.stdout
    assert "uses_ever" in result.stdout
    assert "prior" in result.stdout


def test_inspect_shows_the_first_habits_and_counts_the_others(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with Recommender(path) as recommender:
        recommender.record_many({"item_id": f"i{n % 20}", "at": 1_700_000_000.0 + n} for n in range(40))
    shown = call("inspect", path).stdout
    n_all = len(json.loads(call("inspect", path, "--json").stdout)["profile"]["habits"])
    assert f"and {n_all - N_HABITS_SHOWN} more" in shown


@needs_trees
def test_inspect_shows_what_was_decided_about_trees(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    with small_trees():
        with Recommender(path, settings=Settings(trees=True)) as recommender:
            recommender.record_many(lived(120, seed=2))
            grow(recommender)
            decisions = recommender.stats().trees.decisions
        shown, document = call("inspect", path).stdout, json.loads(call("inspect", path, "--json").stdout)
    assert "what served from which stage on" in shown
    rows = [line for line in shown.split("Decisions:")[1].splitlines() if f"{decisions[-1].n_learnt:,}" in line]
    assert f"{decisions[-1].gain:+.4f}" in rows[0]
    assert ("the sum" in rows[0]) == decisions[-1].serves
    told = document["stats"]["trees"]["decisions"]
    assert [d["stage"] for d in told] == [d.stage for d in decisions]
    assert told[-1]["standard_error"] == decisions[-1].standard_error


def test_inspect_as_json_holds_the_whole_profile(file: Path) -> None:
    document = json.loads(call("inspect", file, "--json").stdout)
    assert document["stats"]["n_events"] == document["profile"]["n_events"] == 62
    assert document["profile"]["weights"].keys() == document["profile"]["prior_weights"].keys()


def test_recommend_shows_titles_scores_and_reasons(file: Path) -> None:
    result = call("recommend", file, "-k", 2, "--at", "2023-11-18T10:00Z")
    assert result.exit_code == 0
    assert "Blue Train" in result.stdout
    assert "out of 4 candidates" in result.stdout
    assert call("recommend", file, "-k", 2).stdout.count("\n") == 4


def test_recommend_as_json_equals_the_face(file: Path) -> None:
    document = json.loads(call("recommend", file, "--at", "2023-11-18T10:00Z", "--json").stdout)
    with Recommender(file) as recommender:
        slate = recommender.recommend(10, at=1_700_301_600.0)
    assert [row["item_id"] for row in document["items"]] == slate.item_ids
    assert document["items"][0]["reasons"][0]["text"] == slate[0].reasons[0].text


def test_a_context_can_be_given(file: Path) -> None:
    result = call("recommend", file, "--context", "place=home", "--context", "guests=2")
    assert result.exit_code == 0


def test_explain_shows_every_term_and_the_events(file: Path) -> None:
    result = call("explain", file, "kind-of-blue")
    assert result.exit_code == 0
    for words in ("Kind of Blue", "place ", "Reasons", "Terms", "Events: 20, newest first", "and 10 more"):
        assert words in result.stdout


def test_explain_as_json_adds_up(file: Path) -> None:
    document = json.loads(call("explain", file, "ascension", "--json").stdout)
    total = sum(term["contribution"] for term in document["terms"])
    assert document["score"] - document["average_score"] == pytest.approx(total)


def test_an_item_of_the_catalogue_that_was_never_used_can_be_explained(file: Path) -> None:
    assert call("explain", file, "never-played").exit_code == 0


def test_explaining_an_unknown_item_fails_without_naming_it(file: Path) -> None:
    result = call("explain", file, MARK)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "neither in the catalogue nor in the log" in result.stderr
    assert MARK not in result.stderr


def test_check_finds_a_sound_file_sound(file: Path) -> None:
    result = call("check", file)
    assert result.exit_code == 0
    assert "equals a rebuild from the log" in result.stdout
    assert {finding["severity"] for finding in json.loads(call("check", file, "--json").stdout)} == {"ok"}


def test_check_finds_a_damaged_event_and_exits_with_1(file: Path) -> None:
    db = sqlite3.connect(file)
    db.execute("UPDATE events SET context = 'x{' WHERE kind = 'skip'")
    db.commit()
    db.close()
    assert call("check", file).exit_code == 1


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(f"{MARK}\n" * 100)
    for command in COMMANDS:
        if command not in ("demo", "build-prior"):
            more = ["--everything", "--yes"] if command == "forget" else []
            result = call(*arguments_of(command, path), *more)
            assert result.exit_code == 1
            assert MARK not in result.output
    assert path.read_text() == f"{MARK}\n" * 100


def test_export_to_a_file_and_to_standard_output_are_the_same(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    result = call("export", file, out)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "62 events written\n")
    assert call("export", file).stdout == call("export", file, "-").stdout == out.read_text()
    assert out.stat().st_mode & 0o777 == 0o600
    assert len(out.read_text().splitlines()) == 1 + 4 + 62


def test_export_does_not_overwrite(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("mine")
    assert call("export", file, out).exit_code == 1
    assert out.read_text() == "mine"


def test_forget_prints_its_receipt(file: Path) -> None:
    result = call("forget", file, "--item", "ascension", "--yes")
    assert result.exit_code == 0
    assert "status        erased" in result.stdout
    assert "events        22" in result.stdout


@pytest.mark.parametrize(
    ("criteria", "n_events"),
    [
        (["--item", "ascension", "--item", "blue-train"], 42),
        (["--kind", "skip"], 2),
        (["--item", "ascension", "--kind", "play"], 20),
        (["--since", "2023-11-16T00:00Z"], 36),
        (["--until", "2023-11-15T00:00Z"], 2),
        (["--everything"], 62),
    ],
)
def test_forget_takes_each_criterion(file: Path, criteria: list[str], n_events: int) -> None:
    document = json.loads(call("forget", file, *criteria, "--yes", "--json").stdout)
    assert (document["status"], document["n_events"]) == ("erased", n_events)
    with Recommender(file) as recommender:
        assert recommender.stats().n_events == 62 - n_events


def test_forget_takes_an_event_that_explain_named(file: Path) -> None:
    uid = json.loads(call("explain", file, "ascension", "--json").stdout)["events"][0]["uid"]
    assert json.loads(call("forget", file, "--event", uid, "--yes", "--json").stdout)["n_events"] == 1


def test_forgetting_what_is_not_there_exits_with_1(file: Path) -> None:
    result = call("forget", file, "--item", MARK, "--yes")
    assert result.exit_code == 1
    assert "status        nothing matched" in result.stdout
    assert "erased" not in result.stdout
    assert MARK not in result.output


def test_forget_without_a_criterion_is_wrong_usage(file: Path) -> None:
    result = call("forget", file, "--yes")
    assert result.exit_code == 2
    assert "say what to forget" in result.stderr


def test_everything_stands_alone(file: Path) -> None:
    for more in (["--kind", "skip"], ["--item", MARK], ["--since", "2023-11-16T00:00Z"]):
        result = call("forget", file, "--everything", *more, "--yes")
        assert result.exit_code == 2
        assert "--everything stands alone" in result.stderr
        assert MARK not in result.output


def test_an_empty_span_is_wrong_usage(file: Path) -> None:
    result = call("forget", file, "--since", "2023-11-16T00:00Z", "--until", "2023-11-15T00:00Z", "--yes")
    assert result.exit_code == 2
    assert "after since" in result.stderr


def test_what_was_set_aside_is_told_when_it_is_deleted(file: Path) -> None:
    file.with_name("me.db-aside-1").write_bytes(b"damaged")
    result = call("forget", file, "--item", "ascension", "--yes")
    assert result.exit_code == 0
    assert "set aside     1 damaged logs deleted" in result.stdout


def test_forget_erases_nothing_unasked_where_nobody_can_be_asked(file: Path) -> None:
    before = digest(file)
    result = call("forget", file, "--everything", given="y\n")
    assert result.exit_code == 2
    assert "--yes" in result.stderr
    assert digest(file) == before


@pytest.mark.parametrize("command", READING)
def test_a_command_that_reads_changes_no_byte(file: Path, command: str) -> None:
    before = digest(file)
    assert call(*arguments_of(command, file)).exit_code == 0
    assert digest(file) == before


def test_a_command_that_changes_a_byte_is_seen(file: Path) -> None:
    before = digest(file)
    call("forget", file, "--kind", "skip", "--yes")
    assert digest(file) != before


@pytest.mark.parametrize("command", [command for command in COMMANDS if command != "demo"])
def test_a_missing_file_is_wrong_usage_and_is_not_created(tmp_path: Path, command: str) -> None:
    path = tmp_path / f"{MARK}.db"
    result = call(*arguments_of(command, path), *(["--everything", "--yes"] if command == "forget" else []))
    assert result.exit_code == 2
    assert "there is no such file" in result.stderr
    assert MARK not in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("path", [".", ":memory:", "", "a\0b"])
def test_what_is_no_file_is_no_file(path: str) -> None:
    assert call("inspect", path).exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ["recommend", "-k", MARK],
        ["recommend", "--at", MARK],
        ["recommend", "--context", MARK],
        ["recommend", MARK],
        ["explain", "item", MARK],
        ["forget", "--since", MARK],
        ["export", "a", MARK],
    ],
)
def test_no_error_repeats_what_was_typed(file: Path, arguments: list[str]) -> None:
    result = call(arguments[0], file, *arguments[1:])
    assert result.exit_code == 2
    assert result.stderr
    assert MARK not in result.output


def test_a_busy_file_exits_with_1(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object, **__: object) -> None:
        raise BusyError("another process is writing to the file: try again")

    monkeypatch.setattr("recsys.cli.care.opened", busy)
    result = call("check", file)
    assert (result.exit_code, result.stderr) == (1, "Error: another process is writing to the file: try again\n")


def test_an_unforeseen_fault_shows_where_it_arose_and_not_what_it_held(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: object, **__: object) -> None:
        raise KeyError(MARK)

    monkeypatch.setattr("recsys.cli.care.opened", fault)
    result = call("check", file)
    assert result.exit_code == 1
    assert "a fault in recsys (KeyError at test_commands.py:" in result.stderr
    assert MARK not in result.output
    monkeypatch.setenv("RECSYS_DEBUG", "1")
    assert isinstance(call("check", file).exception, KeyError)


def test_a_title_can_neither_move_the_cursor_nor_forge_a_line(tmp_path: Path) -> None:
    path = tmp_path / "me.db"
    title = "A\x1b[2J\nstatus erased [bold]\u202egnp.exe"
    with Recommender(path) as recommender:
        recommender.add([{"id": "x\x1b]0;y\x07", "title": title}])
        recommender.record("x\x1b]0;y\x07", "play\x1b[31m", at=1_700_000_000.0)
    for command in (["inspect", path], ["recommend", path], ["explain", path, "x\x1b]0;y\x07"]):
        output = call(*command).output
        assert all(character.isprintable() or character == "\n" for character in output)
        assert "[bold]" in output


def test_every_command_has_help() -> None:
    for command in COMMANDS:
        result = call(command, "--help")
        assert result.exit_code == 0
        assert "Usage: " in result.stdout
