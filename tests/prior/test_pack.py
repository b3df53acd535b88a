"""The file of a pack: the same bytes for the same content, and nothing used of one that is damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from recsys import InputError, Recommender
from recsys.learn.forest import Arrays
from recsys.learn.standing import N_STANDINGS
from recsys.prior import Pack, Prior
from recsys.prior.features import PACK_FEATURES
from recsys.prior.pack import key_of, write
from tests.learn.standing_world import random_forest


def arrays(n: int = 5, d: int = 3, k: int = 2) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(1)
    ids = sorted((f"item-{i}" for i in range(n)), key=key_of)
    return {
        "keys": np.array([key_of(i) for i in ids], np.uint64),
        "popular": np.log(np.full(n, 1 / n)).astype(np.float16),
        "liked": np.linspace(0.5, -0.5, n).astype(np.float16),
        "again": np.linspace(-0.5, 0.5, n).astype(np.float16),
        "into": rng.integers(-127, 128, (n, d)).astype(np.int8),
        "out": rng.integers(-127, 128, (n, d)).astype(np.int8),
        "bias": rng.normal(size=n).astype(np.float16),
        "scales": np.array([0.01, 0.02], np.float32),
        "mix": rng.normal(size=(k, d, d)).astype(np.float32),
        "half_lives": np.array([1.0, 8.0][:k], np.float32),
        "near_begin": np.concatenate([[0], np.full(n, min(n, 2))]).cumsum().astype(np.uint32)[: n + 1],
        "near_item": np.array([i % n for i in range(n * min(n, 2))], np.uint32),
        "near_lift": np.arange(n * min(n, 2)).astype(np.uint8),
        "near_unit": np.array([0.02], np.float32),
        "unknown": np.array([-9.0, -3.0, 0.5], np.float32),
        "weights": np.linspace(1.0, 0.1, len(PACK_FEATURES)),
        "weights_given": np.linspace(0.1, 1.0, len(PACK_FEATURES)),
    }


def written(path: Path, **changed: NDArray[Any]) -> Path:
    write(path, {**arrays(), **changed}, provenance={"from": "nowhere"}, n_people=40, least_people=20)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    pack = Pack.load(written(tmp_path / "a.pack"))
    assert (pack.n_items, pack.n_factors, pack.n_people, pack.least_people) == (5, 3, 40, 20)
    assert pack.size_bytes == (tmp_path / "a.pack").stat().st_size
    assert pack.prior is None
    for name, array in arrays().items():
        assert pack.arrays[name].tobytes() == array.tobytes()
        assert not pack.arrays[name].flags.writeable
    rows = pack.rows(["item-3", "unheard-of", "item-0"])
    assert rows[1] == -1
    assert [pack.arrays["keys"][rows[i]] for i in (0, 2)] == [key_of("item-3"), key_of("item-0")]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = written(tmp_path / "a.pack"), written(tmp_path / "b.pack")
    assert first.read_bytes() == second.read_bytes()


def test_every_bit_counts(tmp_path: Path) -> None:
    """Whatever byte is changed or missing: an error of ours, or the file as it was."""
    whole = written(tmp_path / "a.pack").read_bytes()
    path = tmp_path / "b.pack"
    for at in [*range(200), *range(200, len(whole), 37)]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(InputError) as caught:
            Pack.load(path)
        assert caught.value.field == "prior"
    for n in (0, 5, 12, 20, 300, len(whole) - 1):
        path.write_bytes(whole[:n])
        with pytest.raises(InputError):
            Pack.load(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(InputError):
        Pack.load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keys", arrays()["keys"][::-1]),
        ("popular", arrays()["popular"][1:]),
        ("bias", np.full(5, np.nan, np.float16)),
        ("mix", np.full((2, 3, 3), np.inf, np.float32)),
        ("mix", np.zeros((3, 3, 3), np.float32)),
        ("half_lives", np.array([0.0, 1.0], np.float32)),
        ("near_item", np.full(10, 5, np.uint32)),
        ("near_begin", np.array([0, 4, 2, 6, 8, 10], np.uint32)),
        ("near_begin", np.array([0, 2, 4, 6, 8, 9], np.uint32)),
        ("weights", np.zeros(2)),
        ("weights", np.full(len(PACK_FEATURES), 1e9)),
    ],
)
def test_what_cannot_be_used_is_not_written(tmp_path: Path, name: str, value: NDArray[Any]) -> None:
    with pytest.raises(InputError):
        written(tmp_path / "a.pack", **{name: value})
    assert not (tmp_path / "a.pack").exists()


def test_a_pack_that_is_not_there_or_is_none(tmp_path: Path) -> None:
    for wrong in (tmp_path / "absent.pack", tmp_path, 3):
        with pytest.raises(InputError):
            Recommender(":memory:", prior=wrong)  # type: ignore[arg-type]
    (tmp_path / "text.pack").write_text("no pack")
    with pytest.raises(InputError):
        Recommender(":memory:", prior=tmp_path / "text.pack")


def trees(n: int = 7) -> dict[str, NDArray[Any]]:
    named = zip(Arrays._fields, random_forest(n).arrays, strict=True)
    return {f"tree_{name}": array for name, array in named}


def test_trees_are_read_back_and_make_a_prior(tmp_path: Path) -> None:
    pack = Pack.load(written(tmp_path / "a.pack", **trees()))
    assert pack.prior is not None
    assert pack.prior.trees is not None
    assert pack.prior.w0.tobytes() == Prior.default().w0.tobytes()
    levels = np.random.default_rng(0).integers(0, 255, (N_STANDINGS, 20)).astype(np.uint8)
    assert pack.prior.trees.scores(levels).tobytes() == random_forest(7).scores(levels).tobytes()
    assert len({pack.prior.digest, Prior.default().digest, Prior(*_fitted(), random_forest(8)).digest}) == 3
    with pytest.raises(InputError):
        pack.prior.dump(tmp_path / "prior.json", {})
    assert not (tmp_path / "prior.json").exists()


def _fitted() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return Prior.default().w0, Prior.default().covariance


def _worse(name: str, place: tuple[int, int], value: float) -> dict[str, NDArray[Any]]:
    given = {key: array.copy() for key, array in trees().items()}
    given[name][place] = value
    return given


@pytest.mark.parametrize(
    "given",
    [
        {key: array for key, array in trees().items() if key != "tree_left"},
        {key: array[:, :3] for key, array in trees().items()},
        {key: array[:0] for key, array in trees().items()},
        trees() | {"tree_leaf": trees(6)["tree_leaf"]},
        trees(600),
        _worse("tree_leaf", (2, 1), np.nan),
        _worse("tree_value", (0, 0), np.inf),
        _worse("tree_leaf", (2, 1), 1e9),
        _worse("tree_feature", (3, 0), N_STANDINGS),
        _worse("tree_left", (1, 0), 0),
        _worse("tree_right", (1, 0), -100),
    ],
)
def test_what_is_no_tree_is_neither_written_nor_read(
    tmp_path: Path, given: dict[str, NDArray[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError):
        written(tmp_path / "a.pack", **given)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("recsys.prior.pack._check", lambda _: None)
    monkeypatch.setattr("recsys.prior.pack._prior_of", lambda _: None)
    path = written(tmp_path / "a.pack", **given)
    monkeypatch.undo()
    before = path.read_bytes()
    with pytest.raises(InputError):
        Recommender(tmp_path / "log.db", prior=path)
    assert [p.name for p in tmp_path.iterdir()] == ["a.pack"]
    assert path.read_bytes() == before
