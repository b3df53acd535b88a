"""Only what is on the list gets to LightGBM (N3): no other name, no other value, no network, file or device."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers import trees
from recsys import InputError
from recsys.learn.tree_parameters import FORCED, PARAMETERS, Parameter, checked
from tests.benchmarks.test_peers import log_of
from tests.wall import sealed

ROOT = Path(__file__).parents[2]

# What LightGBM reaches the outside with, by its first names: every alias of each must be refused.
NETWORK = ("machines", "num_machines", "local_listen_port", "time_out", "machine_list_filename")
FILES = (
    "config", "convert_model", "data", "forcedbins_filename", "forcedsplits_filename", "input_model", "output_model",
    "output_result", "parser_config_file", "save_binary", "snapshot_freq", "task", "two_round", "valid",
)  # fmt: skip
DEVICES = (
    "device_type",
    "gpu_device_id",
    "gpu_device_id_list",
    "gpu_platform_id",
    "gpu_use_dp",
    "num_gpu",
    "tree_learner",
)


def aliases() -> Mapping[str, list[str]]:
    """LightGBM's own table, by first name."""
    lightgbm = pytest.importorskip("lightgbm")
    table: Mapping[str, list[str]] = lightgbm.basic._ConfigAliases._get_all_param_aliases()
    return table


def values(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Draw what the list allows, the ends of its range often."""
    if parameter.choices:
        return st.sampled_from(parameter.choices)
    if parameter.type is bool:
        return st.booleans()
    if parameter.type is int:
        low, high = int(parameter.low), int(parameter.high)
        return st.sampled_from((low, high)) | st.integers(low, high)
    return st.sampled_from((parameter.low, parameter.high)) | st.floats(parameter.low, parameter.high)


allowed = st.fixed_dictionaries({}, optional={name: values(parameter) for name, parameter in PARAMETERS.items()})
odd = (
    st.none() | st.text() | st.integers() | st.floats() | st.booleans() | st.binary()
    | st.lists(st.integers(), max_size=2)
    | st.sampled_from(("lambdarank machines=127.0.0.1:1", "1\nmachines=a", "1 num_machines=2", "=", math.nan, math.inf))
)  # fmt: skip


@given(allowed)
def test_what_the_list_allows_passes_unchanged_and_the_forced_is_added(params: dict[str, Any]) -> None:
    assert checked(params) == {**params, **FORCED}
    assert all(type(value) is PARAMETERS[name].type for name, value in checked(params).items())


@given(allowed, st.text() | st.sampled_from((*NETWORK, *FILES, *DEVICES, "Seed", "seed ", "num_threads\n")), odd)
def test_any_other_name_is_refused(params: dict[str, Any], name: str, value: object) -> None:
    if name not in PARAMETERS:
        with pytest.raises(InputError) as caught:
            checked({**params, name: value})
        assert caught.value.field == "params"


@given(st.sampled_from(sorted(PARAMETERS)), odd)
def test_any_other_value_is_refused(name: str, value: Any) -> None:
    parameter = PARAMETERS[name]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    fits = type(value) is parameter.type or (parameter.type is float and is_number)
    if fits and parameter.choices:
        fits = value in parameter.choices
    elif fits and is_number:
        fits = parameter.low <= value <= parameter.high
    if not fits:
        with pytest.raises(InputError) as caught:
            checked({name: value})
        assert caught.value.field == name


def test_what_is_refused_is_not_repeated() -> None:
    for params in ({"a-secret": 1}, {"objective": "a-secret"}, {"seed": 987_654_321_000}):
        with pytest.raises(InputError) as caught:
            checked(params)
        assert not any(text in str(caught.value) for text in ("a-secret", "987"))


class Shouting(str):
    """A text that is not what it looks like once it is written."""

    __slots__ = ()

    def __str__(self) -> str:
        return "lambdarank machines=127.0.0.1:1"


@pytest.mark.parametrize(
    "params",
    [
        {"objective": Shouting("lambdarank")}, {Shouting("seed"): 1}, {3: 1}, {"seed": True}, {"seed": 1.0},
        {"seed": np.int64(1)}, {"learning_rate": np.float64(0.1)}, {"learning_rate": math.nan},
        {"learning_rate": 10**400},
        {"force_col_wise": 1}, {"num_threads": 2}, {"verbosity": 0}, {"deterministic": False}, {"n_jobs": 1},
        {"objective": ["lambdarank"]},
    ],
    ids=str,
)  # fmt: skip
def test_what_only_looks_right_is_refused(params: dict[Any, Any]) -> None:
    with pytest.raises(InputError):
        checked(params)


def test_no_alias_of_a_network_file_or_device_parameter_gets_through() -> None:
    table = aliases()
    known = {first for first in (*NETWORK, *FILES, *DEVICES) if first in table}
    assert len(known) >= 20  # so that the names here are LightGBM's
    for first in known:
        for alias in table[first]:
            with pytest.raises(InputError):
                checked({alias: 1})


def test_the_list_has_first_names_only_and_no_text_but_of_a_choice() -> None:
    table = aliases()
    assert {name for name in PARAMETERS if name not in table} == set()
    assert all(parameter.choices for parameter in PARAMETERS.values() if parameter.type is str)
    words = " ".join(str(choice) for parameter in PARAMETERS.values() for choice in parameter.choices)
    assert not set(words) & set("=\n\t#,:/")


def test_nothing_that_is_refused_is_seen_by_lightgbm(monkeypatch: pytest.MonkeyPatch) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    seen: list[object] = []
    for name in ("Dataset", "train"):
        original = getattr(lightgbm, name)
        monkeypatch.setattr(lightgbm, name, lambda *a, f=original, **k: seen.append((a, k)) or f(*a, **k))
    options = dict(trees._OPTIONS)

    def grow() -> None:
        model, events = trees.LambdaRank(n_rounds=1), log_of("abcacbbaca" * 3)
        for event in events:
            model.learn(event)
        model._grow(events[-1])

    for first in (*NETWORK, *FILES, *DEVICES, "n_jobs"):
        monkeypatch.setattr(trees, "_OPTIONS", {**options, first: 1})
        with pytest.raises(InputError):
            grow()
    assert seen == []
    monkeypatch.setattr(trees, "_OPTIONS", options)
    grow()  # the spy sees what is allowed
    assert len(seen) == 2


GROW = """
import sys, lightgbm, numpy as np
from recsys.learn.tree_parameters import PARAMETERS, checked
X = np.random.default_rng(0).random((40, 3))
n = 0
for name, parameter in PARAMETERS.items():
    ends = [parameter.low, parameter.high] if np.isfinite(parameter.low) else [False, True]
    for value in parameter.choices or ends:
        params = checked({"objective": "lambdarank", name: parameter.type(value)})
        data = lightgbm.Dataset(X, np.arange(40) % 2, group=[8] * 5, params=params)
        lightgbm.train(params, data, num_boost_round=1).predict(X)
        n += 1
print(n)
"""


def test_every_end_of_every_range_is_grown_with_inside_the_seal() -> None:
    pytest.importorskip("lightgbm")
    reason = sealed.why_not()
    if reason:
        pytest.skip(reason)
    command = [sys.executable, "-m", "tests.wall.sealed", "-c", GROW]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout) == sum(len(parameter.choices) or 2 for parameter in PARAMETERS.values())
