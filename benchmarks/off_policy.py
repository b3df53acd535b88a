"""Are the estimators right? Policies' values from logs that others wrote, where the truth is known.

Open Bandit (ZOZO) has the same shop under two policies, one of which draws items at random: from the other's log the
random policy's click rate is estimated and compared with what it really got. Random logs are also cut in halves, one
thinned to a log with uneven propensities, the other telling the truth; and taken as a world of their own, from which
logs are drawn whose truth is exact. Last come simulated persons who look at the top of a slate more than at its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import BanditLog, data_folder, load_bandit
from benchmarks.report import Cell, Result, Table
from recsys.evaluate.counterfactual import doubly_robust, fitted_means, ips, snips
from recsys.evaluate.orders import LoggedSlate, value_of_order
from recsys.reports import Estimate, Metric

__all__ = ["off_policy"]

SEED = 20191124
SET = "open-bandit-zozo"
PER = 1000.0  # clicks are given per so many items shown
_LOOKED = np.array([1.0, 0.65, 0.45, 0.3, 0.2])
_CLIP = 100.0
_N_LIKED = 12
_Z = 1.959963984540054

Floats = NDArray[np.float64]


class Rows(NamedTuple):
    """Rows of a log of single items, and a target policy: its probability of every item."""

    action: NDArray[np.intp]
    reward: Floats
    logging: Floats
    target: Floats


class Scale(NamedTuple):
    """How much is done: halves and drawn logs for each campaign, persons, slates of a person, resamples."""

    n_halves: int
    n_logs: int
    n_persons: int
    n_slates: int
    n_resamples: int


FULL = Scale(300, 200, 300, 400, 300)
QUICK = Scale(4, 4, 4, 60, 20)


def _ips(rows: Rows, interval: str = "normal") -> Estimate:
    clip = float((rows.target / rows.logging.min()).max()) if interval == "bernstein" else None  # clips nothing
    wanted = rows.target[rows.action]
    return ips(rows.reward, target=wanted, logging=rows.logging, interval=interval, clip=clip, n_resamples=200)  # type: ignore[arg-type]


def _snips(rows: Rows, interval: str = "normal", clip: float | None = None) -> Estimate:
    wanted = rows.target[rows.action]
    given = {"target": wanted, "logging": rows.logging, "clip": clip}
    return snips(rows.reward, interval=interval, n_resamples=200, **given)  # type: ignore[arg-type]


def _dr(rows: Rows, interval: str = "normal") -> Estimate:
    q = fitted_means(rows.action, rows.reward, n_actions=len(rows.target), strength=1000.0)
    model = {"predicted": q[np.arange(len(rows.action)), rows.action], "expected": q @ rows.target}
    wanted = rows.target[rows.action]
    return doubly_robust(
        rows.reward, target=wanted, logging=rows.logging, interval=interval, n_resamples=200, **model  # type: ignore[arg-type]
    )  # fmt: skip


ESTIMATORS: Mapping[str, Callable[[Rows], Estimate]] = {
    "IPS": _ips,
    "IPS, bootstrap": lambda rows: _ips(rows, "bootstrap"),
    "IPS, empirical Bernstein": lambda rows: _ips(rows, "bernstein"),
    "SNIPS": _snips,
    "SNIPS, bootstrap": lambda rows: _snips(rows, "bootstrap"),
    "doubly robust": _dr,
    "doubly robust, bootstrap": lambda rows: _dr(rows, "bootstrap"),
}
_NORMAL = ("IPS", "SNIPS", "doubly robust")


def off_policy(data: Path | None, *, quick: bool) -> Result:
    """Score the estimators on Open Bandit and on simulated persons.

    Raises
    ------
    MissingDataError
        When the data set is not there; the message names it.
    """
    logs = load_bandit(SET, data_folder(data))
    scale = QUICK if quick else FULL
    tables = [_across(logs), _halves(logs, scale), _worlds(logs, scale), *_persons(scale)]
    return Result("quality/off-policy", tables, {"splits, logs and persons": SEED}, quick)


def _across(logs: Mapping[tuple[str, str], BanditLog]) -> Table:
    """Estimate what the random policy got, from the log of Thompson sampling."""
    rows: list[tuple[Cell, ...]] = []
    named = {name: ESTIMATORS[name] for name in ("IPS", "SNIPS", "SNIPS, bootstrap", "doubly robust")}
    named[f"SNIPS, clipped at {_CLIP:g}"] = lambda log: _snips(log, clip=_CLIP)
    for campaign in _campaigns(logs):
        random, other = logs["random", campaign], logs["bts", campaign]
        truth = _mean(random.reward)
        log = Rows(other.action, other.reward, other.propensity, np.full(random.n_actions, 1.0 / random.n_actions))
        for name, estimate in named.items():
            found = estimate(log)
            agrees = "yes" if found.low <= truth.high and truth.low <= found.high else "no"
            weights = (round(found.n_effective), found.largest_weight, found.mean_weight, found.share_clipped)
            rows.append((f"{campaign}, {name}", _per(found), _times(truth), agrees, *weights))
    columns = ("campaign, estimator", "estimate", "what it got", "intervals meet", "n effective", "largest weight",
               "mean weight", "share clipped")  # fmt: skip
    title = f"clicks per {PER:g} of the random policy, from the log of Bernoulli Thompson sampling"
    notes = [
        "The propensities of Thompson sampling are the publisher's own estimates, by simulation.",
        "A mean weight far from 1 and few effective rows say that the number is not to be relied on.",
    ]
    return Table(title, columns, rows, notes, plot=None)


def _halves(logs: Mapping[tuple[str, str], BanditLog], scale: Scale) -> Table:
    """Thin half of a random log to uneven propensities; the other half, drawn at random, tells the truth."""
    rng = np.random.default_rng(SEED)
    found = _Scores()
    n_clicks: dict[str, list[float]] = {}
    for campaign in _campaigns(logs):
        random = logs["random", campaign]
        for _ in range(scale.n_halves):
            dealt = rng.permutation(len(random.action))
            half, held = dealt[: len(dealt) // 2], dealt[len(dealt) // 2 :]
            for how, logging in (("mild", _mild(random.n_actions, rng)), ("steep", _uneven(random.n_actions, rng))):
                kept = half[rng.random(len(half)) < logging[random.action[half]] / logging.max()]
                n_clicks.setdefault(how, []).append(float(random.reward[kept].sum()))
                for what, target in _targets(random, logs["bts", campaign]).items():
                    _compare(found, f"{how}, {what}", random, kept, held, logging, target)
    title = f"held-out random halves, {scale.n_halves} splits of each campaign, joint 95% interval of both halves"
    table = found.table("propensities, target policy, estimator", title)
    clicks = {how: float(np.mean(values)) for how, values in n_clicks.items()}
    table.notes.append(
        f"Mild: propensities differ by a factor of 3 at most, {clicks['mild']:.1f} clicks in a thinned half on "
        f"average. Steep: half of the mass falls off as 1 / rank, {clicks['steep']:.1f} clicks: with so few an "
        "interval by the normal distribution is too narrow."
    )
    return table


def _compare(
    found: _Scores,
    what: str,
    random: BanditLog,
    kept: NDArray[np.intp],
    held: NDArray[np.intp],
    logging: Floats,
    target: Floats,
) -> None:
    """Note each estimate from the rows kept beside the target policy's value in those held out."""
    rows = Rows(random.action[kept], random.reward[kept], logging[random.action[kept]], target)
    even = np.full(len(held), 1.0 / random.n_actions)
    truth = _ips(Rows(random.action[held], random.reward[held], even, target))
    for name in _NORMAL:
        one = ESTIMATORS[name](rows)
        joint = float(np.hypot(one.high - one.low, truth.high - truth.low)) / 2
        found.add(f"{what}, {name}", one, truth.value, joint)


def _worlds(logs: Mapping[tuple[str, str], BanditLog], scale: Scale) -> Table:
    """Take a random log as the world, draw logs from it with uneven propensities; the truth is exact."""
    rng = np.random.default_rng(SEED + 1)
    found = _Scores()
    for campaign in _campaigns(logs):
        random = logs["random", campaign]
        clicks = np.bincount(random.action, random.reward, random.n_actions)
        rates = clicks / np.maximum(np.bincount(random.action, minlength=random.n_actions), 1)
        targets = _targets(random, logs["bts", campaign])
        for _ in range(scale.n_logs):
            logging = _uneven(random.n_actions, rng)
            action = rng.choice(random.n_actions, size=len(random.action), p=logging)
            reward = (rng.random(len(action)) < rates[action]).astype(np.float64)
            target = targets[str(rng.choice([*targets]))]
            rows = Rows(action, reward, logging[action], target)
            for name, estimate in ESTIMATORS.items():
                one = estimate(rows)
                found.add(name, one, float(target @ rates))
    title = f"logs drawn from each campaign's random log, {scale.n_logs} each, exact truth, 95% intervals"
    return found.table("estimator", title)


def _persons(scale: Scale) -> list[Table]:
    """Ask what the best order would have been worth to simulated persons, and how they look at positions."""
    rng = np.random.default_rng(SEED + 2)
    found, examined, raw = _Scores(), [], []
    for number in range(scale.n_persons):
        slates, liked, truth = _person(scale.n_slates, rng)
        answer = value_of_order(slates, liked, n_resamples=scale.n_resamples, seed=number)
        if answer.shown is None or answer.by_position is None or answer.by_examination is None:
            continue
        found.add("uncorrected: every position looked at alike", answer.shown, truth)
        found.add("by position", answer.by_position, truth)
        found.add("by examination", answer.by_examination, truth)
        examined.append(answer.examination)
        rates = np.mean([slate.reward for slate in slates], axis=0)
        raw.append(rates / max(float(rates[0]), 1e-9))
    unit = f"{scale.n_persons} simulated persons, {scale.n_slates} slates of {len(_LOOKED)} each"
    worth = found.table("estimate", f"choices a slate in the best order, {unit}, 95% intervals", per=1.0)
    rows: list[tuple[Cell, ...]] = [
        (str(n + 1), float(looked), *_spread(np.array(raw)[:, n]), *_spread(np.array(examined)[:, n], float(looked)))
        for n, looked in enumerate(_LOOKED)
    ]
    columns = ("position", "truth", "choice rate to the first, 90% of persons", "examination, 90% of persons", "RMSE")
    return [worth, Table(f"how likely a position is looked at, {unit}", columns, rows, plot=None)]


def _person(n: int, rng: np.random.Generator) -> tuple[list[LoggedSlate], list[Floats], float]:
    """Draw slates by Gumbel noise on what is liked about; give the liking as scores, and the best order's worth."""
    liked = rng.beta(1.5, 2.5, size=_N_LIKED)
    k = len(_LOOKED)
    slates, scores, worth = [], [], 0.0
    utility = 3.0 * liked + rng.normal(size=(n, _N_LIKED))  # the model that showed them knew the person roughly
    order = np.argsort(-(utility + rng.gumbel(size=utility.shape)), axis=1)
    weights = np.take_along_axis(np.exp(utility), order, axis=1)
    left = np.cumsum(weights[:, ::-1], axis=1)[:, ::-1]
    chosen = rng.random((n, k)) < _LOOKED * liked[order[:, :k]]
    for top, p, c in zip(order[:, :k], (weights / left)[:, :k], chosen, strict=True):
        slates.append(LoggedSlate(tuple(map(str, top.tolist())), tuple(p.tolist()), tuple(c.astype(float).tolist())))
        scores.append(liked[top])
        worth += float(np.sort(liked[top])[::-1] @ _LOOKED)
    return slates, scores, worth / n


class _Scores:
    """Estimates beside their truth, by name."""

    def __init__(self) -> None:
        self.rows: dict[str, list[tuple[float, float, float, bool]]] = {}

    def add(self, name: str, found: Estimate, truth: float, half: float | None = None) -> None:
        """Note an estimate; ``half`` the width of its interval if it is not its own."""
        held = found.low <= truth <= found.high if half is None else abs(found.value - truth) <= half
        width = (found.high - found.low) / 2 if half is None else half
        self.rows.setdefault(name, []).append((found.value, truth, width, held))

    def table(self, first: str, title: str, per: float = PER) -> Table:
        rows: list[tuple[Cell, ...]] = []
        for name, kept in self.rows.items():
            value, truth, width, held = (np.array(part, np.float64) for part in zip(*kept, strict=True))
            error = per * (value - truth)
            rmse = float(np.sqrt((error**2).mean()))
            rows.append(
                (name, _share(held), float(error.mean()), rmse, per * float(width.mean()), per * float(truth.mean()))
            )
        columns = (first, "interval holds the truth", "bias", "RMSE", "half the interval", "mean truth")
        notes = [f"Clicks per {per:g} shown."] if per != 1.0 else []
        return Table(title, columns, rows, notes, plot=None)


def _campaigns(logs: Mapping[tuple[str, str], BanditLog]) -> Sequence[str]:
    return sorted({campaign for _, campaign in logs})


def _uneven(n: int, rng: np.random.Generator) -> Floats:
    """Draw propensities: half of the mass even, half falling off by a random order of the items."""
    falling = rng.permutation(1.0 / np.arange(1.0, n + 1))
    return np.asarray(0.5 / n + 0.5 * falling / falling.sum(), np.float64)


def _mild(n: int, rng: np.random.Generator) -> Floats:
    """Draw propensities that differ by a factor of 3 at most."""
    weights = rng.uniform(1.0, 3.0, size=n)
    return np.asarray(weights / weights.sum(), np.float64)


def _targets(random: BanditLog, other: BanditLog) -> dict[str, Floats]:
    """Give target policies that do not look at the clicks which they are judged by."""
    n = random.n_actions
    often = np.bincount(other.action, minlength=n) + 1.0
    rising = np.arange(1.0, n + 1)
    return {
        "random": np.full(n, 1.0 / n),
        "as often as Thompson sampling": often / often.sum(),
        "against Thompson sampling": (1.0 / often) / (1.0 / often).sum(),
        "rising by number": rising / rising.sum(),
    }


def _mean(reward: Floats) -> Metric:
    mean, half = float(reward.mean()), _Z * float(reward.std(ddof=1)) / len(reward) ** 0.5
    return Metric(mean, mean - half, mean + half)


def _share(held: Floats) -> Metric:
    """Give a share with its Wilson interval."""
    n, p = len(held), float(held.mean())
    middle, half = p + _Z**2 / (2 * n), _Z * (p * (1 - p) / n + _Z**2 / (4 * n**2)) ** 0.5
    return Metric(p, (middle - half) / (1 + _Z**2 / n), (middle + half) / (1 + _Z**2 / n))


def _per(found: Estimate) -> Metric:
    return _times(Metric(found.value, found.low, found.high))


def _times(metric: Metric) -> Metric:
    return Metric(PER * metric.mean, PER * metric.low, PER * metric.high)


def _spread(values: Floats, truth: float | None = None) -> tuple[Metric | float, ...]:
    low, high = np.percentile(values, [5, 95])
    middle = Metric(float(values.mean()), float(low), float(high))
    return (middle,) if truth is None else (middle, float(np.sqrt(((values - truth) ** 2).mean())))
