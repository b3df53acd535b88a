"""Only program names are read out of a shell history, in every format, and everything else is counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recsys.cli.history import History, find_history, parse_history, read_history
from recsys.cli.shellnames import program_name
from recsys.cli.shellwords import programs

NOW_S = 1_800_000_000.0
HOME = "/ho" + "me/anne"

# entry, program names
SH = [
    ("ls -la", ["ls"]),
    ("  git   status ", ["git"]),
    ("ls | grep x | wc -l", ["ls", "grep", "wc"]),
    ("make && ./run.sh arg || echo failed; cd ..", ["make", "run.sh", "echo", "cd"]),
    ("ls&", ["ls"]),
    ("sleep 1 & wait", ["sleep", "wait"]),
    ("make |& tee log", ["make", "tee"]),
    ("FOO=bar BAZ='a b' make test", ["make"]),
    ("FOO=bar", []),
    ("FOO=$(secret token) make", ["make"]),
    ("PATH+=:x list[1]=y ls", ["ls"]),
    ("names=(anne bob carol); wc", ["wc"]),
    (f"{HOME}/bin/tool --x", ["tool"]),
    ("../../deploy.sh", ["deploy.sh"]),
    (r"\rm -rf x", ["rm"]),
    ("'ls' x", []),
    ('"my program" x', []),
    ("$EDITOR file", []),
    ("~/bin/tool", ["tool"]),
    ("~/Documents/", []),
    ("!! again", []),
    ("%1", []),
    (". ./env.sh", []),
    ("echo 'a; secret b' \"c | secret d\" e", ["echo"]),
    ('echo "a $(secret \'x"y\' z) b" ; tail', ["echo", "tail"]),
    ("echo `secret x; secret y` ; tail", ["echo", "tail"]),
    ("echo $'it\\'s; secret' ; tail", ["echo", "tail"]),
    ("echo ${x:-$(secret a)} ; tail", ["echo", "tail"]),
    ("echo $((1 << 2)) ; tail", ["echo", "tail"]),
    ("diff <(sort secret1) <(sort secret2)", ["diff"]),
    ("ls > secret.txt 2>&1 < other", ["ls"]),
    ("> secret.txt ls", ["ls"]),
    ("2>/dev/null find . -exec rm {} \\;", ["find"]),
    ("ls &> secret && wc", ["ls", "wc"]),
    ("cat <<< secret | wc", ["cat", "wc"]),
    ("cat <<EOF | tr a b\nsecret word\nEOF\nls", ["cat", "tr", "ls"]),
    ("cat <<'E O'\nsecret word\nE O\nls", ["cat", "ls"]),
    ("cat <<-EOF\n\tsecret word\n\tEOF\nls", ["cat", "ls"]),
    ("cat <<A <<B\nsecret\nA\nsecret\nB\nls", ["cat", "ls"]),
    ("cat <<EOF\nsecret never ends", ["cat"]),
    ("ls # secret; more", ["ls"]),
    ("ls a#b; wc", ["ls", "wc"]),
    ("# secret", []),
    ("make \\\n  target \\\n  more", ["make"]),
    ("for f in a b c; do mv $f x; done", ["mv"]),
    ("for ((i=0; i<3; i++)); do date; done", ["date"]),
    ("while read line; do echo $line; done < secret", ["read", "echo"]),
    ("if test -f x; then rm x; elif true; then date; else touch x; fi", ["test", "rm", "true", "date", "touch"]),
    ("if [[ -f x && secret == y ]]; then rm x; fi", ["rm"]),
    ("((secret > 1)) && ls", ["ls"]),
    ("case $x in secret) one;; other) two;; esac; ls", ["ls"]),
    ("case $x in secret) one", []),
    ("(cd a && make)", ["cd", "make"]),
    ("{ ls; date; }", ["ls", "date"]),
    ("! grep x", ["grep"]),
    ("greet() { echo hi; }", ["echo"]),
    ("greet () { echo hi; }", ["echo"]),
    ("function greet { echo hi; }", []),
    ("curl http://example.org/?a=1&secret&b=2; ls", ["curl", "ls"]),
    ("curl http://example.org/x;secret", ["curl"]),
    ("ls (x|y)* ; wc", ["ls", "wc"]),
    ("ls 'never closed; secret", ["ls"]),
    ("ls $(((((", ["ls"]),
    ("\x0bls", []),
    ("", []),
]

PREFIXED = [
    ("sudo apt install x", ["apt"]),
    ("sudo -u anne apt install x", ["apt"]),
    ("sudo -nu anne apt", ["apt"]),
    ("sudo -uanne apt", ["apt"]),
    ("sudo --user anne apt", ["apt"]),
    ("sudo --user=anne apt", ["apt"]),
    ("sudo -E FOO=bar make", ["make"]),
    ("sudo -e secret", ["sudo"]),
    ("sudo -Z secret x", ["sudo"]),
    ("sudo --unheard secret", ["sudo"]),
    ("sudo -i", ["sudo"]),
    ("sudo", ["sudo"]),
    ("sudo; ls", ["sudo", "ls"]),
    ("sudo env A=1 nice -n 5 nohup make &", ["make"]),
    ("/usr/bin/env python3 secret", ["python3"]),
    ("env -u HOME -C secret ls", ["ls"]),
    ("env -S 'secret a'", ["env"]),
    ("env", ["env"]),
    ("time make -j", ["make"]),
    ("time (make)", ["time", "make"]),
    ("nohup ./server.py &", ["server.py"]),
    ("nice -10 make", ["make"]),
    ("timeout -k 5 10 sleep 9", ["sleep"]),
    ("exec -a secret bash", ["bash"]),
    ("command -v secret", ["command"]),
    ("command ls", ["ls"]),
    ('sudo "$secret" x', []),
]

FISH = [
    ("if test a; and grep b; echo (secret c); end", ["test", "grep", "echo"]),
    ("for x in (secret); ls; end", ["ls"]),
    ("switch $x; case secret other; ls; end", ["ls"]),
    ("echo 'it\\'s; secret'; ls", ["echo", "ls"]),
    ("begin; ls; end", ["ls"]),
    ("not grep x; or ls", ["grep", "ls"]),
    ("set -x SECRET value", ["set"]),
]

UNLIKELY = [
    "1234", "2024-05-31", "10.0.0.1", "deadbeefdeadbeef1", "0b7e9a52-11aa-4c1e-9f00-aabbccddeeff", "Tr0ub4dor3",
    "correcthorse12345678", "ghp_abc", "sk-abcdef", "AKIAABCDEFGH", "eyJhbGciOi", "example.com", "notes.txt", "me.pem",
    "x" * 33, "x" * 65, "-x", "_x", "a:b", "a@b", "a=b", "a~", "bin/", "", "é", "ab\x00",
]  # fmt: skip


@pytest.mark.parametrize(("entry", "expected"), SH + PREFIXED)
def test_the_first_word_of_each_simple_command_is_read(entry: str, expected: list[str]) -> None:
    assert programs(entry).names == expected


@pytest.mark.parametrize(("entry", "expected"), FISH)
def test_fish_has_its_own_quotes_and_keywords(entry: str, expected: list[str]) -> None:
    assert programs(entry, fish=True).names == expected


@pytest.mark.parametrize("word", UNLIKELY)
def test_what_looks_like_a_secret_a_path_or_a_variable_is_no_program(word: str) -> None:
    assert program_name(word) is None


@pytest.mark.parametrize(
    "word", ["ls", "g++", "7z", "apt-get", "python3.11", "x86_64-linux-gnu-gcc", "run.sh", "R", "md5sum"]
)
def test_a_program_is_a_program(word: str) -> None:
    assert program_name(word) == word


def test_what_is_skipped_is_counted() -> None:
    assert programs("$EDITOR x; 'a b' c; ls; FOO=bar").n_skipped == 2


def names(history: History) -> list[str]:
    return [command.program for command in history.commands]


def seconds(history: History) -> list[float]:
    return [command.at_us / 1e6 for command in history.commands]


def test_extended_zsh_entries_have_times_and_may_span_lines() -> None:
    text = ": 1700000000:0;ls -a\n: 1700000009:3;echo 'a\\\nsecret b'\\\nwc\n"
    history = parse_history(text.encode(), now_s=NOW_S)
    assert (history.shell, names(history)) == ("zsh", ["ls", "echo", "wc"])
    assert seconds(history) == [1_700_000_000, 1_700_000_009, 1_700_000_009.000001]
    assert history.n_without_time == 0


def test_zsh_bytes_are_unmetafied() -> None:
    data = b": 1700000000:0;echo caf\x83\xe3\x83\x89; wc\n: 1700000001:0;l\x83Sx\n"  # 0x83 'S' stands for 's'
    assert names(parse_history(data, now_s=NOW_S)) == ["echo", "wc", "lsx"]


def test_zsh_without_times_is_told_by_its_name() -> None:
    history = parse_history(b"cat <<E\\\nsecret x\\\nE\nls\n", name=".zsh_history", now_s=NOW_S)
    assert (history.shell, names(history)) == ("zsh", ["cat", "ls"])


def test_bash_times_delimit_entries() -> None:
    data = b"ls\n#1700000000\ngit x\n#1700000005\ncat <<E\nsecret\nE\nwc\n"
    history = parse_history(data, now_s=NOW_S)
    assert (history.shell, names(history)) == ("bash", ["ls", "git", "cat", "wc"])
    assert seconds(history)[:2] == [1_700_000_000 - 60, 1_700_000_000]
    assert history.n_without_time == 1


def test_fish_entries_have_commands_and_times_and_their_paths_are_left_alone() -> None:
    data = (
        b"- cmd: ls a\\nwc b\n  when: 1700000000\n  paths:\n    - secret\n- cmd: echo 'a\\\\nb'\n  when: 1700000003\n"
    )
    history = parse_history(data, now_s=NOW_S)
    assert (history.shell, names(history)) == ("fish", ["ls", "wc", "echo"])


def test_a_history_without_times_ends_now_a_minute_apart() -> None:
    history = parse_history(b"ls\nwc\ndate\n", now_s=NOW_S)
    assert (history.shell, history.n_without_time) == ("plain", 3)
    assert seconds(history) == [NOW_S - 120, NOW_S - 60, NOW_S]


@pytest.mark.parametrize("at_s", [0, 99_999_999, int(NOW_S) + 1_000_000, 999_999_999_999])
def test_a_time_that_cannot_be_is_not_believed(at_s: int) -> None:
    history = parse_history(f": {at_s}:0;ls\n".encode(), now_s=NOW_S)
    assert seconds(history) == [NOW_S]


def test_times_strictly_increase_whatever_the_file_says() -> None:
    data = b": 1700000005:0;ls\n: 1700000001:0;wc\n: 1700000001:0;date\n"
    history = parse_history(data, now_s=NOW_S)
    assert names(history) == ["wc", "date", "ls"]
    assert sorted(set(seconds(history))) == seconds(history)


def test_a_stray_quote_in_a_plain_history_lets_no_quoted_text_through() -> None:
    data = b"make\nls\necho don't\nmake\ngit commit -m 'mend; secret'\npython -c '\nsecret x\n'\nls\n"
    assert names(parse_history(data, now_s=NOW_S)) == ["make", "ls", "echo", "make", "ls"]


def test_a_here_document_in_a_plain_history_is_passed_over() -> None:
    data = b"cat <<EOF > x\nsecret one\nit's; secret two\nEOF\nls\n"
    assert names(parse_history(data, now_s=NOW_S)) == ["cat", "ls"]


def test_after_a_here_document_without_an_end_only_known_programs_are_believed() -> None:
    data = b"make\ncat <<EOF > x\nsecret one\nmake\n"
    assert names(parse_history(data, now_s=NOW_S)) == ["make", "cat", "make"]


@pytest.mark.parametrize(
    ("filler", "last"),
    [(": 1700000000:0;ls\n", ": 1700000001:0;wc\n"), ("#1700000000\nls\n", "#1700000001\nwc\n")],
)
def test_of_a_huge_file_only_the_end_is_read_from_the_first_sure_entry_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filler: str, last: str
) -> None:
    monkeypatch.setattr("recsys.cli.history.MAX_BYTES", 40_000)
    head = filler.partition("ls")[0]
    file = tmp_path / "history"
    body = f"{head}echo '" + "secret x\\\n" * 2000 + "'\n"
    file.write_text(filler + body + filler * (31_000 // len(filler)) + last)
    history = read_history(file, now_s=NOW_S)
    assert set(names(history)) == {"ls", "wc"}


def test_of_a_huge_plain_file_the_cut_lets_nothing_new_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recsys.cli.history.MAX_BYTES", 40_000)
    file = tmp_path / "history"
    file.write_text("echo '" + "secret x\n" * 6_000 + "'\nls\n")
    assert "secret" not in names(read_history(file, now_s=NOW_S))


def test_the_named_history_comes_first_then_zsh_fish_and_bash(tmp_path: Path) -> None:
    fish = tmp_path / ".local" / "share" / "fish" / "fish_history"
    fish.parent.mkdir(parents=True)
    files = [tmp_path / "named", tmp_path / ".zsh_history", fish, tmp_path / ".bash_history"]
    environ = {"HISTFILE": os.fspath(files[0])}
    assert find_history(environ, tmp_path) is None
    for file in reversed(files):
        file.write_text("")
        assert find_history(environ, tmp_path) != file
        file.write_text("ls\n")
        assert find_history(environ, tmp_path) == file
    assert find_history({}, tmp_path) == files[1]


def test_a_history_shows_nothing_of_itself() -> None:
    history = parse_history(b"hunterprogram x\n", now_s=NOW_S)
    assert names(history) == ["hunterprogram"]
    assert "hunter" not in repr(history) + repr(history.commands)
