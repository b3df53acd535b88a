"""The shipped prior is sound and says where it came from; what is no prior is refused; fitting finds the weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import fit_prior
from benchmarks.fit_prior import BY_HAND, OWN_LOG_SETS, SHIPPED_SETS, Choice
from recsys.errors import InputError
from recsys.learn.features import FEATURE_VERSION, FEATURES, N_FEATURES
from recsys.learn.fold import score
from recsys.prior import Prior
from tests.benchmarks import tiny
from tests.learn.histories import MONDAY_S, learnt, uses

Floats = NDArray[np.float64]

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
    assert prior.w0.shape == (N_FEATURES,)
    assert np.abs(prior.w0).max() < 5.0


@pytest.mark.parametrize("path", [SHIPPED, *FITTED], ids=lambda path: path.stem)
def test_every_prior_in_the_repository_is_sound(path: Path) -> None:
    prior = Prior.load(path)
    assert np.isfinite(prior.w0).all()
    assert np.linalg.eigvalsh(prior.covariance)[0] > 1e-5
    np.testing.assert_array_equal(prior.covariance, prior.covariance.T)
    np.testing.assert_allclose(prior.precision0 @ prior.covariance, np.eye(N_FEATURES), atol=1e-6)
    assert np.linalg.eigvalsh(prior.precision0)[0] > 0
    content = document(path)
    assert content["features"] == NAMES
    assert content["feature_version"] == FEATURE_VERSION
    for name, (mean, deviation) in BY_HAND.items():
        i = NAMES.index(name)
        assert (prior.w0[i], prior.covariance[i, i]) == (mean, pytest.approx(deviation**2))
        assert np.count_nonzero(prior.covariance[i]) == 1, "what was set by hand hangs on nothing"


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
        "w0": [0.0] * N_FEATURES,
        "P0": np.eye(N_FEATURES).tolist(),
    }


def with_cell(row: int, column: int, value: object) -> list[list[object]]:
    cells: list[list[object]] = np.eye(N_FEATURES).tolist()
    cells[row][column] = value
    return cells


BAD: dict[str, dict[str, object]] = {
    "another version": {"feature_version": FEATURE_VERSION + 1},
    "no version": {"feature_version": None},
    "features in another order": {"features": NAMES[::-1]},
    "a feature too few": {"features": NAMES[1:], "w0": [0.0] * (N_FEATURES - 1)},
    "a mean too short": {"w0": [0.0] * (N_FEATURES - 1)},
    "a mean of words": {"w0": ["x"] * N_FEATURES},
    "a mean that is no list": {"w0": {}},
    "a mean beyond any float": {"w0": [10**400] * N_FEATURES},
    "a mean that is not finite": {"w0": [float("nan")] * N_FEATURES},
    "a covariance that is infinite": {"P0": with_cell(0, 0, float("inf"))},
    "a covariance that is not square": {"P0": np.eye(N_FEATURES)[1:].tolist()},
    "a ragged covariance": {"P0": [[1.0], [1.0, 2.0]]},
    "a covariance with a hole": {"P0": with_cell(0, 0, None)},
    "an asymmetric covariance": {"P0": with_cell(0, 1, 0.5)},
    "a covariance without width": {"P0": with_cell(3, 3, 0.0)},
    "a negative variance": {"P0": with_cell(3, 3, -1.0)},
    "a variance too narrow to invert": {"P0": with_cell(3, 3, 1e-310)},
}


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
    for w0 in ("text", ["x"] * N_FEATURES, None, np.zeros((N_FEATURES, 1)), [10**400] * N_FEATURES):
        with pytest.raises(InputError):
            Prior(w0, np.eye(N_FEATURES))  # type: ignore[arg-type]


def test_a_prior_does_not_change() -> None:
    w0, covariance = np.zeros(N_FEATURES), np.eye(N_FEATURES)
    prior = Prior(w0, covariance)
    w0[0] = covariance[0, 0] = 9.0
    assert (prior.w0[0], prior.covariance[0, 0]) == (0.0, 1.0), "it holds copies"
    for array in (prior.w0, prior.covariance, prior.precision0):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    root = rng.normal(size=(N_FEATURES, N_FEATURES))
    prior = Prior(rng.normal(size=N_FEATURES), root @ root.T + np.eye(N_FEATURES))
    path = tmp_path / "prior.json"
    prior.dump(path, {"who": 'ä "quoted" line\n', "sets": {}})
    again = Prior.load(path)
    np.testing.assert_allclose(again.w0, prior.w0, atol=5e-7)
    np.testing.assert_allclose(again.covariance, prior.covariance, atol=5e-7)
    assert document(path)["provenance"] == {"who": 'ä "quoted" line\n', "sets": {}}
    again.dump(tmp_path / "again.json", {"who": 'ä "quoted" line\n', "sets": {}})
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert Prior.load(tmp_path / "again.json").digest == again.digest != prior.digest


def test_the_shipped_file_is_what_dump_writes(tmp_path: Path) -> None:
    provenance = document(SHIPPED)["provenance"]
    assert isinstance(provenance, dict)
    Prior.default().dump(tmp_path / "prior.json", provenance)
    assert (tmp_path / "prior.json").read_bytes() == SHIPPED.read_bytes()


# -- fitting -----------------------------------------------------------------------------


def person(rng: np.random.Generator, w: Floats, n_choices: int) -> list[Choice]:
    """Choices among six, and now and then one of two turned down."""
    choices = []
    for n in range(n_choices):
        size = 2 if n % 5 == 0 else 6
        X = rng.normal(size=(N_FEATURES, size)).astype(np.float32)
        taken = int(np.argmax(w @ X + rng.gumbel(size=size)))
        if size == 2:
            choices.append(Choice(X, 1 - taken, -1.0, np.zeros(size)))
        else:
            choices.append(Choice(X, taken, 1.0, np.zeros(size)))
    return choices


def test_fitting_finds_the_population_behind_simulated_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    w0 = rng.normal(size=N_FEATURES) * 0.6
    free = np.array([name not in BY_HAND for name in NAMES])
    w0[~free] = 0.0
    deviation = np.where(np.arange(N_FEATURES) % 2 == 0, 0.6, 0.1) * free
    groups = {
        name: [person(rng, w0 + deviation * rng.normal(size=N_FEATURES), 150) for _ in range(size)]
        for name, size in (("one", 12), ("other", 8))
    }
    monkeypatch.setattr(fit_prior, "people", lambda name, _: groups[name])
    monkeypatch.setattr(fit_prior, "choices_of", lambda choices: choices)
    prior = fit_prior.fit(["one", "other"], Path(), rounds=5)
    error = (prior.w0 - w0)[free]
    assert np.sqrt(np.mean(error**2)) < 0.35 * np.sqrt(np.mean(w0[free] ** 2))
    assert np.corrcoef(prior.w0[free], w0[free])[0, 1] > 0.95
    found = np.sqrt(np.diag(prior.covariance))
    wide, narrow = found[free & (deviation == 0.6)], found[free & (deviation == 0.1)]
    assert np.median(wide) > 1.5 * np.median(narrow), "people differ where they differ"
    assert 0.3 < np.median(wide) < 0.9
    assert np.linalg.eigvalsh(prior.covariance)[0] > 0


def test_choices_to_fit_on_are_those_the_fold_learns_from(tmp_path: Path) -> None:
    tiny.write_retail(tmp_path)
    (log, _) = fit_prior.people("uci-online-retail", tmp_path)
    choices = fit_prior.choices_of(log)
    assert len(choices) == len(log.events) - 1, "all but the first had something to be chosen among"
    assert sum(choice.weight < 0 for choice in choices) == sum(e.kind == "return" for e in log.events) == 1
    for choice in choices:
        assert choice.features.shape == (N_FEATURES, len(choice.offsets))
        assert 0 <= choice.target < choice.features.shape[1] >= 2
        assert np.isfinite(choice.features).all()


class Fitted:
    """Stands in for the fit and notes on which sets it was asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sets: list[tuple[str, ...]] = []
        monkeypatch.setattr(fit_prior, "fit", self.fit)

    def fit(self, sets: Sequence[str], _: Path) -> Prior:
        self.sets.append(tuple(sets))
        return Prior.flat(0.5)


@pytest.mark.parametrize("left_out", OWN_LOG_SETS)
def test_leaving_a_set_out_fits_on_the_others_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    fitted, out = Fitted(monkeypatch), tmp_path / "out.json"
    others = tuple(name for name in OWN_LOG_SETS if name != left_out)
    for name in others:
        (tmp_path / name).mkdir()
        (tmp_path / name / "interactions.csv.gz").touch()
    assert fit_prior.main(["--leave-out", left_out, "--data", str(tmp_path), "--out", str(out)]) == 0
    assert fitted.sets == [others]
    provenance = document(out)["provenance"]
    assert isinstance(provenance, dict)
    assert tuple(provenance["sets"]) == others
    assert Prior.load(out).digest == Prior.flat(0.5).digest


def test_shipping_fits_only_on_what_may_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted, out = Fitted(monkeypatch), tmp_path / "out.json"
    tiny.write_all(tmp_path)
    before = SHIPPED.read_bytes()
    assert fit_prior.main(["--shipped", "--data", str(tmp_path), "--out", str(out)]) == 0
    assert fitted.sets == [tuple(SHIPPED_SETS)]
    assert SHIPPED.read_bytes() == before, "written where it was told to"


def test_a_missing_set_or_no_place_to_write_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted = Fitted(monkeypatch)
    tiny.write_geolife(tmp_path)
    out = tmp_path / "out.json"
    assert fit_prior.main(["--leave-out", "kypo-shell", "--data", str(tmp_path), "--out", str(out)]) == 1
    assert "uci-online-retail" in capsys.readouterr().err
    with pytest.raises(SystemExit) as caught:
        fit_prior.main(["--leave-out", "kypo-shell", "--data", str(tmp_path)])
    assert caught.value.code == 2
    assert fitted.sets == []
    assert not out.exists()


def test_a_fit_on_tiny_sets_gives_a_prior_that_loads(tmp_path: Path) -> None:
    tiny.write_all(tmp_path)
    out = tmp_path / "out.json"
    assert fit_prior.main(["--leave-out", "uci-online-retail", "--data", str(tmp_path), "--out", str(out)]) == 0
    prior = Prior.load(out)
    assert not np.array_equal(prior.w0, np.zeros(N_FEATURES))
