"""The shipped prior is sound and says where it came from; what is no prior is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fit_prior import BY_HAND, OWN_LOG_SETS, SHIPPED_SETS
from recsys.errors import InputError
from recsys.learn.choice import REGIMES
from recsys.learn.features import FEATURE_VERSION, FEATURES, N_FEATURES
from recsys.learn.fold import score
from recsys.prior import Prior
from tests.learn.histories import MONDAY_S, learnt, uses

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "recsys" / "prior" / "default" / "prior.json"
FITTED = sorted((ROOT / "benchmarks" / "priors").glob("*.json"))
NAMES = [feature.name for feature in FEATURES]


def document(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return found


# -- what ships ------------------------------------------------------------------------


def test_the_default_is_the_shipped_file() -> None:
    prior = Prior.default()
    assert prior.digest == Prior.load(SHIPPED).digest == Prior.of(None).digest
    assert prior.w0.shape == (len(REGIMES), N_FEATURES)
    assert prior.covariance.shape == (len(REGIMES), N_FEATURES, N_FEATURES)
    assert not np.array_equal(prior.w0[0], prior.w0[1]), "each regime has its own"
    assert np.abs(prior.w0).max() < 5.0


@pytest.mark.parametrize("path", [SHIPPED, *FITTED], ids=lambda path: path.stem)
def test_every_prior_in_the_repository_is_sound(path: Path) -> None:
    prior = Prior.load(path)
    assert np.isfinite(prior.w0).all()
    content = document(path)
    assert content["features"] == NAMES
    assert content["feature_version"] == FEATURE_VERSION
    assert [*content["w0"]] == [*content["P0"]] == [*REGIMES]  # type: ignore[misc]
    for w0, covariance, precision0 in zip(prior.w0, prior.covariance, prior.precision0, strict=True):
        assert np.linalg.eigvalsh(covariance)[0] > 1e-5
        np.testing.assert_array_equal(covariance, covariance.T)
        np.testing.assert_allclose(precision0 @ covariance, np.eye(N_FEATURES), atol=1e-6)
        assert np.linalg.eigvalsh(precision0)[0] > 0
        for name, (mean, deviation) in BY_HAND.items():
            i = NAMES.index(name)
            assert (w0[i], covariance[i, i]) == (mean, pytest.approx(deviation**2))
            assert np.count_nonzero(covariance[i]) == 1, "what was set by hand hangs on nothing"


def test_the_shipped_prior_names_its_data_and_their_licences() -> None:
    provenance = document(SHIPPED)["provenance"]
    assert isinstance(provenance, dict)
    assert provenance["fitted_by"] == "python -m benchmarks.fit_prior"
    assert provenance["sets"] == dict(SHIPPED_SETS)
    for source in provenance["sets"].values():
        assert "CC BY 4.0" in source or "CC0" in source, "only what may be shared may be drawn from"
        assert "10." in source, "its DOI"
    assert set(provenance["set_by_hand"]) == set(BY_HAND)


def test_benchmarks_of_a_set_have_a_prior_that_never_saw_it() -> None:
    assert {path.stem for path in FITTED} == {f"without-{name}" for name in OWN_LOG_SETS}
    for path in FITTED:
        provenance = document(path)["provenance"]
        assert isinstance(provenance, dict)
        assert set(provenance["sets"]) == set(OWN_LOG_SETS) - {path.stem.removeprefix("without-")}


def test_with_little_evidence_the_default_ranks_the_used_before_the_new() -> None:
    state = learnt(uses("ab"))
    a, b, new = score(state, ["a", "b", "new"], at_us=round((MONDAY_S + 7200) * 1e6), offset_min=0, context={})
    assert min(a, b) > new


# -- files and arrays ------------------------------------------------------------------


def good() -> dict[str, object]:
    return {
        "feature_version": FEATURE_VERSION,
        "provenance": {},
        "features": NAMES,
        "w0": {regime: [0.0] * N_FEATURES for regime in REGIMES},
        "P0": {regime: np.eye(N_FEATURES).tolist() for regime in REGIMES},
    }


def with_cell(row: int, column: int, value: object) -> list[list[object]]:
    cells: list[list[object]] = np.eye(N_FEATURES).tolist()
    cells[row][column] = value
    return cells


BAD: dict[str, dict[str, object]] = {
    "another version": {"feature_version": FEATURE_VERSION + 1},
    "no version": {"feature_version": None},
    "features in another order": {"features": NAMES[::-1]},
    "a feature too few": {"features": NAMES[1:], "w0": dict.fromkeys(REGIMES, [0.0] * (N_FEATURES - 1))},
    "means of no regime": {"w0": [0.0] * N_FEATURES},
    "means that are no list of two": {"w0": [[0.0] * N_FEATURES] * 2},
    "covariances of no regime": {"P0": np.eye(N_FEATURES).tolist()},
    "regimes of other names": {"w0": {"first": [0.0] * N_FEATURES, "later": [0.0] * N_FEATURES}},
}
# What is wrong with the mean or the covariance of a single regime.
BAD_PART: dict[str, tuple[str, object]] = {
    "a mean too short": ("w0", [0.0] * (N_FEATURES - 1)),
    "a mean of words": ("w0", ["x"] * N_FEATURES),
    "a mean that is no list": ("w0", {}),
    "a mean beyond any float": ("w0", [10**400] * N_FEATURES),
    "a mean too large to score with": ("w0", [1e7] * N_FEATURES),
    "a covariance too wide to learn from": ("P0", with_cell(0, 0, 1e300)),
    "a mean that is not finite": ("w0", [float("nan")] * N_FEATURES),
    "no mean": ("w0", None),
    "a covariance that is infinite": ("P0", with_cell(0, 0, float("inf"))),
    "a covariance that is not square": ("P0", np.eye(N_FEATURES)[1:].tolist()),
    "a ragged covariance": ("P0", [[1.0], [1.0, 2.0]]),
    "a covariance with a hole": ("P0", with_cell(0, 0, None)),
    "an asymmetric covariance": ("P0", with_cell(0, 1, 0.5)),
    "a covariance without width": ("P0", with_cell(3, 3, 0.0)),
    "a negative variance": ("P0", with_cell(3, 3, -1.0)),
    "a variance too narrow to invert": ("P0", with_cell(3, 3, 1e-310)),
}
for regime in REGIMES:
    for fault, (part, value) in BAD_PART.items():
        of_regimes = good()[part]
        assert isinstance(of_regimes, dict)
        BAD[f"{fault}, {regime}"] = {part: of_regimes | {regime: value}}
    BAD[f"a file without {regime}"] = {"w0": {name: [0.0] * N_FEATURES for name in REGIMES if name != regime}}
# And with both alike: nothing but the value itself is wrong.
BAD |= {f"{fault}, both": {part: dict.fromkeys(REGIMES, value)} for fault, (part, value) in BAD_PART.items()}


@pytest.mark.parametrize("fault", BAD)
def test_a_file_that_is_no_prior_is_refused(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "prior.json"
    path.write_text(json.dumps(good() | BAD[fault]), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        Prior.load(path)
    assert caught.value.field == "prior"


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"3", b"null", b'"text"', b"\xff\xfe", b"[" * 100_000, b"{}" + b" " * 1_000_001],
    ids=["empty", "cut", "list", "number", "null", "text", "not UTF-8", "deep", "too large"],
)
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "prior.json"
    path.write_bytes(text)
    with pytest.raises(InputError):
        Prior.load(path)


def test_a_number_is_no_path_and_what_it_names_stays_open() -> None:
    reading, writing = os.pipe()
    try:
        with pytest.raises(InputError):
            Prior.load(reading)  # type: ignore[arg-type]
        os.fstat(reading)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize("key", list(good()))
def test_a_file_that_lacks_a_part_is_refused_unless_it_is_the_provenance(tmp_path: Path, key: str) -> None:
    path = tmp_path / "prior.json"
    path.write_text(json.dumps({k: v for k, v in good().items() if k != key}), encoding="utf-8")
    if key == "provenance":
        assert Prior.load(path).digest == Prior.flat().digest
    else:
        with pytest.raises(InputError):
            Prior.load(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError) as caught:
            Prior.load(path)
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("given", [3, {}, b"path", []])
def test_what_is_neither_a_prior_nor_a_path_is_refused(given: object) -> None:
    with pytest.raises(InputError):
        Prior.of(given)


@pytest.mark.parametrize("variance", [0.0, -1.0, float("nan"), float("inf")])
def test_a_flat_prior_needs_a_variance(variance: float) -> None:
    with pytest.raises(InputError):
        Prior.flat(variance)


def test_arrays_of_another_kind_are_refused() -> None:
    eye, two = np.eye(N_FEATURES), np.zeros((len(REGIMES), N_FEATURES))
    for w0 in ("text", ["x"] * N_FEATURES, None, np.zeros((N_FEATURES, 1)), [10**400] * N_FEATURES, two):
        with pytest.raises(InputError):
            Prior(w0, eye)  # type: ignore[arg-type]
    for w0, covariance in ((two[:1], eye[None]), (two, eye[None]), (two[0], np.stack([eye, eye])), (two, two)):
        with pytest.raises(InputError):
            Prior(w0, covariance)


def test_one_mean_and_covariance_serve_for_every_regime() -> None:
    rng = np.random.default_rng(3)
    w0, covariance = rng.normal(size=N_FEATURES), np.diag(rng.uniform(0.5, 2.0, N_FEATURES))
    one = Prior(w0, covariance)
    assert one.digest == Prior(np.stack([w0, w0]), np.stack([covariance, covariance])).digest
    for regime in range(len(REGIMES)):
        np.testing.assert_array_equal(one.w0[regime], w0)
        np.testing.assert_array_equal(one.covariance[regime], covariance)
        np.testing.assert_allclose(one.precision0[regime] @ covariance, np.eye(N_FEATURES), atol=1e-12)


def test_which_regime_a_mean_is_for_makes_another_prior() -> None:
    default = Prior.default()
    assert Prior(default.w0[::-1], default.covariance).digest != default.digest
    assert Prior(default.w0, default.covariance[::-1]).digest != default.digest


def test_a_prior_does_not_change() -> None:
    w0, covariance = np.zeros(N_FEATURES), np.eye(N_FEATURES)
    prior = Prior(w0, covariance)
    w0[0] = covariance[0, 0] = 9.0
    assert not prior.w0.any(), "it holds copies"
    assert (prior.covariance == np.eye(N_FEATURES)).all()
    for array in (prior.w0, prior.covariance, prior.precision0):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(len(REGIMES), N_FEATURES, N_FEATURES))
    prior = Prior(rng.normal(size=(len(REGIMES), N_FEATURES)), root @ root.swapaxes(1, 2) + np.eye(N_FEATURES))
    path = tmp_path / "prior.json"
    prior.dump(path, {"who": 'ä "quoted" line\n', "sets": {}})
    again = Prior.load(path)
    np.testing.assert_array_equal(again.w0, prior.w0)
    np.testing.assert_array_equal(again.covariance, prior.covariance)
    assert document(path)["provenance"] == {"who": 'ä "quoted" line\n', "sets": {}}
    again.dump(tmp_path / "again.json", {"who": 'ä "quoted" line\n', "sets": {}})
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert Prior.load(path).digest == prior.digest


@pytest.mark.parametrize("variance", [1e-9, 1e-12, 1 / 3, 1e6])
def test_a_flat_prior_of_any_width_is_read_back(tmp_path: Path, variance: float) -> None:
    Prior.flat(variance).dump(tmp_path / "prior.json", {})
    assert Prior.load(tmp_path / "prior.json").digest == Prior.flat(variance).digest


def test_the_shipped_file_is_what_dump_writes(tmp_path: Path) -> None:
    provenance = document(SHIPPED)["provenance"]
    assert isinstance(provenance, dict)
    Prior.default().dump(tmp_path / "prior.json", provenance)
    assert (tmp_path / "prior.json").read_bytes() == SHIPPED.read_bytes()
