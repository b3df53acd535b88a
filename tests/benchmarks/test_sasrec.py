"""SASRec learns which item follows which; without torch it says why it does not run."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from benchmarks.peers import sasrec

N = 10


def test_without_torch_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sasrec.importlib.util, "find_spec", lambda _: None)
    assert sasrec.missing() == {"SASRec (torch)": "not installed: torch"}


def test_logs_are_cut_so_that_each_choice_but_the_first_is_asked_once() -> None:
    rows = sasrec._pieces([np.arange(120), np.arange(1), np.arange(3)])
    assert rows.shape == (4, 51)
    wanted = rows[:, 1:][rows[:, 1:] > 0] - 1
    assert wanted.tolist() == [*range(1, 120), 1, 2]
    assert rows[1, 0] == 51  # each piece begins with the last use of the one before
    assert (rows[3, :4].tolist(), rows[3, 4:].any()) == ([1, 2, 3, 0], False)


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is missing")
def test_what_comes_next_in_a_row_is_learnt() -> None:
    histories = [(np.arange(12) + start) % N for start in range(N)] * 8
    model = sasrec.SasRec(histories, N, epochs=60)
    found = [int(model.scores(np.array([(start + k) % N for k in range(3)])).argmax()) for start in range(N)]
    assert np.mean([found[start] == (start + 3) % N for start in range(N)]) > 0.8
