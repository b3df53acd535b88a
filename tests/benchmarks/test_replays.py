"""Logs are replayed once, every choice scored, in any number of processes with the same outcome."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from benchmarks.jobs import by_name, each_log
from benchmarks.logs import Log
from benchmarks.peers import available
from benchmarks.replays import replay_logs
from benchmarks.rules import RULES
from recsys.evaluate import LearnerModel, Model, MostRecent, MostUsed, replay
from recsys.evaluate.rules import is_choice
from recsys.prior import Prior
from recsys.settings import Settings
from recsys.types import Event


def log_of(items: str, user: str = "me", hated: str = "") -> Log:
    """One letter a choice, an hour apart, or a hate where it is among the ``hated``; the second half is scored."""
    events = [
        Event(n * 3_600_000_000, f"{n:03}", item, "hate" if item in hated else "click") for n, item in enumerate(items)
    ]
    return Log(user, events, np.arange(len(items)) >= len(items) // 2)


def test_choices_are_numbered_within_each_log_and_the_protocols_among_them() -> None:
    logs = [log_of("axaxaxbx", "me", hated="x"), log_of("ab", "you")]
    every = replay_logs(logs, {"it": MostUsed})
    assert (every.users, every.targets) == (["me"] * 4 + ["you"] * 2, list("aaabab"))
    assert every.log.tolist() == [0] * 4 + [1] * 2
    assert every.nth.tolist() == [1, 2, 3, 4, 1, 2]
    assert every.nth_scored.tolist() == [-1, -1, 0, 1, -1, 0]
    assert every.is_new.tolist() == [True, False, False, True, True, True]
    scored = every.by_protocol()
    assert (scored.targets, scored.nth.tolist()) == (["a", "b", "b"], [3, 4, 2])
    assert scored.ranks["it"].tolist() == [1, 0, 0]


def test_a_shorter_pass_finds_the_beginning_of_the_longer() -> None:
    logs = [log_of("abacabadabacaba"), log_of("ab", "you")]
    models = by_name(RULES)
    longer, shorter = replay_logs(logs, models), replay_logs(logs, models, last=6)
    kept = longer.only(longer.nth <= 6)
    assert shorter.nth.tolist() == [1, 2, 3, 4, 5, 6, 1, 2] == kept.nth.tolist()
    assert {name: ranks.tolist() for name, ranks in shorter.ranks.items()} == {
        name: ranks.tolist() for name, ranks in kept.ranks.items()
    }


def test_a_log_meets_a_fresh_model() -> None:
    logs = [log_of("aaab", "me"), log_of("abab", "you")]
    ranks = replay_logs(logs, {"used": MostUsed, "recent": MostRecent}).ranks
    assert ranks["used"].tolist() == [0, 1, 1, 0, 0, 0, 1, 2]
    assert ranks["recent"].tolist() == [0, 1, 1, 0, 0, 0, 2, 2]


def test_one_pass_by_model_is_one_pass_with_all_models() -> None:
    """The slow twin: the package's own replay with all the rules at once."""
    log = log_of("abacabadabacabaeabacab")
    together = replay(log.events, {name: make() for name, make in RULES.items()})
    apart = replay_logs([log], by_name(RULES)).ranks
    assert {name: [o.rank for o in of_model] for name, of_model in together.items()} == {
        name: ranks.tolist() for name, ranks in apart.items()
    }


def test_the_outcome_does_not_depend_on_the_number_of_processes() -> None:
    rng = np.random.default_rng(3)
    logs = [log_of("".join(rng.choice(list("abcdefgh"), 60)), f"u{n}") for n in range(3)]
    models = by_name(list(RULES)[-3:] + list(available()[0])[:2]) | {
        "recsys": partial(LearnerModel, prior=Prior.default())
    }
    one, two = replay_logs(logs, models, jobs=1), replay_logs(logs, models, jobs=2)
    assert list(one.ranks) == list(two.ranks) == list(models)
    for name, ranks in one.ranks.items():
        assert ranks.tolist() == two.ranks[name].tolist()


def n_events(log: Log, model: Model) -> tuple[str, int, str]:
    return log.user, len(log.events), type(model).__name__


def test_results_stand_in_the_order_of_the_logs_and_progress_goes_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs = [log_of("a" * n, f"u{n}") for n in (9, 1, 5)]
    found = each_log(n_events, logs, {"used": MostUsed, "recent": MostRecent}, jobs=1, label="letters")
    assert found == {
        "used": [("u9", 9, "MostUsed"), ("u1", 1, "MostUsed"), ("u5", 5, "MostUsed")],
        "recent": [("u9", 9, "MostRecent"), ("u1", 1, "MostRecent"), ("u5", 5, "MostRecent")],
    }
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "letters: recent, 3 of 3 logs" in printed.err
    assert each_log(n_events, [], {"used": MostUsed}) == {"used": []}


def test_what_is_no_choice_is_never_scored() -> None:
    log = log_of("axa", hated="x")
    assert sum(is_choice(event, Settings()) for event in log.events) == len(replay_logs([log], {}).targets) == 2
