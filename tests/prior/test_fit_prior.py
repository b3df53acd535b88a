"""Fitting finds the weights behind choices, on the sets it was told to use, and says so in the file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import fit_prior, packaged
from benchmarks.data import Log
from benchmarks.fit_prior import BY_HAND, OWN_LOG_SETS, SHIPPED_SETS, Choices
from recsys.learn.choice import REGIMES
from recsys.learn.features import FEATURES, N_FEATURES
from recsys.learn.fold import fold_all, new_state
from recsys.prior import Prior
from recsys.settings import Settings
from tests.benchmarks import tiny
from tests.learn.histories import DAY, uses
from tests.prior.test_prior import SHIPPED, document

Floats = NDArray[np.float64]

NAMES = [feature.name for feature in FEATURES]


def person(rng: np.random.Generator, w: Floats, n_choices: int) -> Choices | None:
    """Choices among six, and now and then one of two turned down; the first stands for two alike."""
    if not n_choices:
        return None
    sizes = np.where(np.arange(n_choices) % 5, 6, 2)
    first = sizes.cumsum() - sizes
    offsets = np.zeros(sizes.sum())
    offsets[first] = np.log(2.0)
    X = rng.normal(size=(N_FEATURES, sizes.sum())).astype(np.float32)
    utility = w @ X + offsets + rng.gumbel(size=sizes.sum())
    taken = np.array([int(np.argmax(each)) for each in np.split(utility, first[1:])])
    refused = sizes == 2
    return Choices(X, sizes, np.where(refused, 1 - taken, taken), np.where(refused, -1.0, 1.0), offsets)


def population(rng: np.random.Generator, free: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """What a population wants on average, and how much its people differ: much in every other weight."""
    w0 = rng.normal(size=N_FEATURES) * 0.6 * free
    return w0, np.where(np.arange(N_FEATURES) % 2 == 0, 0.6, 0.1) * free


def test_fitting_finds_the_population_behind_simulated_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    free = np.array([name not in BY_HAND for name in NAMES])
    truth = [population(rng, free) for _ in REGIMES]

    def simulated(n_choices: int) -> list[Choices | None]:
        """So many choices that begin a session, and more within; without any there is nothing to fit on."""
        counts = (n_choices, 150)
        drawn = [w0 + deviation * rng.normal(size=N_FEATURES) for w0, deviation in truth]
        return [person(rng, w, n) for w, n in zip(drawn, counts, strict=True)]

    sizes = {"one": 12, "other": 8}
    groups = {name: [simulated(150 if n else 0) for n in range(size)] for name, size in sizes.items()}
    groups["nothing"] = [[None, None]]
    monkeypatch.setattr(fit_prior, "people", lambda name, _: groups[name])
    monkeypatch.setattr(fit_prior, "choices_of", lambda choices: choices)
    prior = fit_prior.fit(["one", "other", "nothing"], Path(), rounds=5)
    for (w0, deviation), mean, covariance in zip(truth, prior.w0, prior.covariance, strict=True):
        error = (mean - w0)[free]
        assert np.sqrt(np.mean(error**2)) < 0.35 * np.sqrt(np.mean(w0[free] ** 2))
        assert np.corrcoef(mean[free], w0[free])[0, 1] > 0.95
        found = np.sqrt(np.diag(covariance))
        wide, narrow = found[free & (deviation == 0.6)], found[free & (deviation == 0.1)]
        assert np.median(wide) > 1.5 * np.median(narrow), "people differ where they differ"
        assert 0.3 < np.median(wide) < 0.9
        assert np.linalg.eigvalsh(covariance)[0] > 0


def test_choices_to_fit_on_are_those_the_fold_learns_from(tmp_path: Path) -> None:
    tiny.write_retail(tmp_path)
    (log, _) = fit_prior.people("uci-online-retail", tmp_path)
    of_regimes = fit_prior.choices_of(log)
    assert len(of_regimes) == len(REGIMES)
    held = [choices for choices in of_regimes if choices is not None]
    assert held
    state = new_state(Prior.flat(), Settings())
    fold_all(state, log.events)
    assert sum(len(choices.sizes) for choices in held) == state.n_choices
    n_refused = sum(int((choices.weights < 0).sum()) for choices in held)
    assert n_refused == sum(e.kind == "return" for e in log.events) == 1
    for choices in held:
        assert choices.features.shape == (N_FEATURES, choices.sizes.sum()) == (N_FEATURES, len(choices.offsets))
        assert len(choices.sizes) == len(choices.targets) == len(choices.weights)
        assert (choices.sizes >= 2).all()
        assert ((choices.targets >= 0) & (choices.targets < choices.sizes)).all()
        assert np.isfinite(choices.features).all()


def test_a_regime_without_choices_has_none_to_fit_on() -> None:
    within = Log("someone", uses("abcab", every_s=60.0), np.ones(5, np.bool_))
    beginning, rest = fit_prior.choices_of(within)
    assert beginning is None
    assert rest is not None
    assert len(rest.sizes) == 4, "all but the first had something to be chosen among"
    apart = Log("someone", uses("abcab", every_s=DAY), np.ones(5, np.bool_))
    beginning, rest = fit_prior.choices_of(apart)
    assert rest is None
    assert beginning is not None
    assert len(beginning.sizes) == 4


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
    monkeypatch.setattr(packaged, "is_installed", lambda name: name in others)
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


def test_a_fit_on_tiny_sets_gives_a_prior_that_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow reads the packaged sets")
    tiny.write_all(tmp_path)
    tiny.write_packages(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(packaged, "MIN_EVENTS", 16)
    out = tmp_path / "out.json"
    assert fit_prior.main(["--leave-out", "uci-online-retail", "--data", str(tmp_path), "--out", str(out)]) == 0
    prior = Prior.load(out)
    free = np.array([name not in BY_HAND for name in NAMES])
    assert prior.w0[:, free].any(axis=1).all(), "something was found of each regime"
