"""The records that answer a question about the log or the model: explanations, profiles, receipts, sizes.

They load when one is first needed. As in :mod:`recsys.types`, no ``repr`` shows content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recsys.types import Event, Reason

__all__ = [
    "Counterfactual",
    "Estimate",
    "Evaluation",
    "Explanation",
    "Finding",
    "Habit",
    "Metric",
    "PackTrees",
    "Profile",
    "Receipt",
    "Stats",
    "Term",
    "TreeDecision",
    "TreeStage",
    "TreeStats",
]


@dataclass(frozen=True, slots=True, repr=False)
class Term:
    """One feature's part in a score.

    ``contribution = weight * (value - average)``, where ``average`` is the
    feature's mean over the candidates.

    Stability: stable
    """

    feature: str
    group: str
    value: float
    average: float
    weight: float
    contribution: float

    def __repr__(self) -> str:
        return f"Term({self.feature}, {self.contribution:+.3f})"


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """Every term of one item's score, and the events behind it.

    Parameters
    ----------
    item_id : str
        The host's id.
    score, average_score : float
        The item's score and the mean over all candidates; their difference is the sum of the terms' contributions.
    rank : int
        The item's place among all candidates, from 1.
    n_candidates : int
        How many candidates there are.
    terms : tuple of Term
        Every feature, in the model's order, then the person's own steering.
    reasons : tuple of Reason
        The terms in groups, worded, strongest first.
    events : tuple of Event
        The item's events, newest first, at most 100.

    Stability: stable
    """

    item_id: str
    score: float
    average_score: float
    rank: int
    n_candidates: int
    terms: tuple[Term, ...]
    reasons: tuple[Reason, ...]
    events: tuple[Event, ...]

    def __repr__(self) -> str:
        return f"Explanation(<redacted>, score={self.score:.4g}, n_events={len(self.events)})"


@dataclass(frozen=True, slots=True, repr=False)
class Habit:
    """One thing that was learnt about the person, readable.

    Stability: provisional
    """

    text: str
    item_id: str
    share: float
    n_events: int
    last_at: float | None

    def __repr__(self) -> str:
        return f"Habit(<redacted>, share={self.share:.3f}, n_events={self.n_events})"


@dataclass(frozen=True, slots=True, repr=False)
class Profile:
    """What was learnt, readable.

    Parameters
    ----------
    n_events, n_items : int
        Events that were learnt from, and items in them. :class:`Stats` counts all that the log holds.
    habits : tuple of Habit
        The items used most lately, the strongest sequences, the clearest rhythms.
    weights : mapping of str to (float, float)
        Each feature's weight and its posterior standard deviation: for what begins a session, as
        ``"uses_day, beginning"``, and for what comes next within it, as ``"uses_day, within"``.
    prior_weights : mapping of str to float
        Where each weight started.
    steers : mapping of str to float
        The person's own corrections, by item id or tag, -1 to 1.

    Stability: stable
    """

    n_events: int
    n_items: int
    habits: tuple[Habit, ...]
    weights: Mapping[str, tuple[float, float]]
    prior_weights: Mapping[str, float]
    steers: Mapping[str, float]

    def __repr__(self) -> str:
        return f"Profile(<redacted>, n_events={self.n_events}, n_items={self.n_items})"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a ``forget`` did.

    Parameters
    ----------
    status : str
        ``"erased"``: the events are gone from the log, from everything learnt and from the bytes of our files.
        ``"pending"``: they are gone from the log and from everything learnt, but their bytes may still stand in the
        file; that is finished by the next ``maintain`` or ``forget``, or first thing at the next opening.
    reason : str
        Why it is pending; empty otherwise. ``"reader"``: something else, a reader most likely, uses the file as it
        was before. ``"busy"``: another process keeps writing to it. ``"full"``: the disk is. ``"failed"``: the file
        could not be written. ``"found"``: bytes were found that should not be there. ``"aside"``: a log that was set
        aside is open, or cannot be deleted.
    n_events, n_slate_rows, n_checkpoints, n_items : int
        Rows deleted, per table.
    n_set_aside : int
        Damaged files set aside earlier that were deleted: they cannot be searched for what to forget.
    rebuilt : tuple of str
        What was made anew: ``"state"``, all that was learnt; ``"checkpoint"``, a copy of it in the file; ``"file"``.
    n_refolded : int
        Events folded again to rebuild what had been learnt.
    n_files, size_bytes : int
        The files that were read through for what was forgotten, and their bytes.
    ms : float
        Milliseconds it took.
    n_stages : int
        Stages of trees that knew of it and were deleted; ``maintain`` grows them anew.

    Stability: provisional
    """

    status: str
    reason: str
    n_events: int
    n_slate_rows: int
    n_checkpoints: int
    n_items: int
    n_set_aside: int
    rebuilt: tuple[str, ...]
    n_refolded: int
    n_files: int
    size_bytes: int
    ms: float
    n_stages: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of ``check``.

    ``severity`` is ``"ok"``, ``"warning"`` or ``"error"``; ``what`` names the
    thing that was checked; ``message`` says what was found and what to do.

    Stability: stable
    """

    severity: str
    what: str
    message: str


@dataclass(frozen=True, slots=True)
class Metric:
    """A mean over scored events with a bootstrap interval: ``low <= mean <= high``.

    Stability: stable
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Predict, then learn, over the own log.

    ``metrics[ranker][metric]``, where ``ranker`` is ``"recsys"``, ``"most used"`` or
    ``"most recent"`` and ``metric`` is ``"acc@1"``, ``"acc@5"``, ``"ndcg@10"`` or ``"mrr"``.
    ``"recsys"`` is what serves. With ``Settings(trees=True)`` and LightGBM, ``n_by_trees`` of the
    choices were ranked by the sum of the linear model and trees, and the ranker ``"without trees"``
    is the linear model alone.

    Stability: stable
    """

    n_events: int
    n_scored: int
    metrics: Mapping[str, Mapping[str, Metric]]
    n_by_trees: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A policy's value, estimated from a log that another policy wrote: ``low <= value <= high``.

    Parameters
    ----------
    value, low, high : float
        Mean reward a round, and its interval.
    n : int
        Rounds in the log.
    n_effective : float
        ``(Σ w)² / Σ w²`` over rounds: how many rounds of the target policy's own they are about worth. In (0, n].
    mean_weight : float
        About 1 where the logging policy could do all that the target policy does; clearly below, where it could not.
    largest_weight : float
        Of a single row.
    share_clipped : float
        Of the rows, in [0, 1].
    estimator, interval : str
        Which were used, such as ``"snips"`` and ``"normal"``.

    Stability: provisional
    """

    value: float
    low: float
    high: float
    n: int
    n_effective: float
    mean_weight: float
    largest_weight: float
    share_clipped: float
    estimator: str
    interval: str


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """What another order of the slates that were shown would have been worth, in choices a slate.

    Parameters
    ----------
    reason : str
        Why there is no answer; empty when there is one. ``"slates"``: no slate of two items or more was shown.
        ``"overlap"``: all were shown by score alone (``explore=0``), so nothing was left to chance and the log cannot
        say. ``"choices"``: nothing was chosen from them.
    n_slates, n_used, n_choices : int
        Slates of two items or more, those of them whose order was left to chance, and the items chosen from these.
    examination : tuple of float
        How likely each position was to be looked at, the likeliest as 1; empty without an answer.
    shown : Estimate or None
        Choices a slate, as they were shown.
    by_position : Estimate or None
        Choices a slate in the other order, from those that stood where that order would have put them.
    by_examination : Estimate or None
        The same from all choices, given the examination of positions: narrower, and right if an item is chosen when
        it is looked at and wanted.
    gain : Metric or None
        ``by_examination - shown``, with its interval.

    Stability: provisional
    """

    reason: str
    n_slates: int
    n_used: int
    n_choices: int
    examination: tuple[float, ...]
    shown: Estimate | None
    by_position: Estimate | None
    by_examination: Estimate | None
    gain: Metric | None


@dataclass(frozen=True, slots=True)
class TreeDecision:
    """What served from a stage of trees to the next one, and the evidence on which that was decided.

    Parameters
    ----------
    stage : int
        From 1.
    n_learnt : int
        Choices learnt when the stage began: 256, and 128 more for each stage.
    n_trees : int
        Trees of the stage.
    serves : bool
        Whether the sum of both models served; else the linear model did, alone.
    n_choices : int
        Choices that were judged, after the eight stages before.
    gain, standard_error : float
        Mean NDCG@10 that the sum had over the linear model on them, with its standard error; both 0 where too little
        was known. The sum serves where the gain is more than two and a half of these errors.

    Stability: provisional
    """

    stage: int
    n_learnt: int
    n_trees: int
    serves: bool
    n_choices: int
    gain: float
    standard_error: float


@dataclass(frozen=True, slots=True)
class TreeStage:
    """What the trees of one stage were worth on the choices that came after it: mean NDCG@10.

    Stability: provisional
    """

    number: int
    n_choices: int
    linear: float
    trees: float
    both: float


@dataclass(frozen=True, slots=True)
class PackTrees:
    """Whether the trees that came with a pack join the score, and how they fared on the own log.

    Parameters
    ----------
    serves : bool
        Until they were worse than none, by a standard error, over the last 1,024 choices; and again when they no longer
        are.
    n_trees : int
    n_choices : int
        Choices that were judged, before anything was learnt from them.
    linear, both : float
        Mean NDCG@10 without and with them over these choices.
    gain : Metric
        The difference with its interval; all 0 while too little is known.

    Stability: provisional
    """

    serves: bool
    n_trees: int
    n_choices: int
    linear: float
    both: float
    gain: Metric


@dataclass(frozen=True, slots=True)
class TreeStats:
    """Which model serves, with ``Settings(trees=True)``, and why.

    Every number is of choices that the trees had not seen; each is judged by the trees of the stage before it.

    Parameters
    ----------
    serves : bool
        Whether the trees join the score: the sum was clearly better than the linear model alone.
    stage : int
        The newest that is complete; 0 before the first.
    growing : int
        The one that ``maintain`` grows next; 0 when none is due.
    n_trees, size_bytes : int
        Trees of the newest stage, and bytes of all that are kept in the file.
    n_choices : int
        Choices that were judged.
    linear, trees, both : float
        Mean NDCG@10 of the linear model, the trees alone and their sum over these choices.
    gain : Metric
        What the sum has over the linear model, with its interval; all 0 while too little is known.
    history : tuple of TreeStage
        The stages that were judged, oldest first.
    decisions : tuple of TreeDecision
        What served at which stage and why, oldest first, the newest last: of all stages so far, or where older ones are
        no longer known, of the last 5 at least; 14 at most. Equal for equal logs once the trees are grown.
    pack : PackTrees or None
        The trees that a pack brought; None where there are none.

    Stability: provisional
    """

    serves: bool
    stage: int
    growing: int
    n_trees: int
    size_bytes: int
    n_choices: int
    linear: float
    trees: float
    both: float
    gain: Metric
    history: tuple[TreeStage, ...]
    decisions: tuple[TreeDecision, ...] = ()
    pack: PackTrees | None = None


@dataclass(frozen=True, slots=True)
class Stats:
    """Sizes and counts, no content. Without consent they are of what the file holds from before.

    Parameters
    ----------
    size_bytes : int
        Of the file and those beside it.
    n_events : int
        Events learnt from; without consent, events in the log.
    n_items, n_known_items : int
        Items in the catalogue, and those together with the ones that only the log knows.
    n_checkpoints, checkpoint_bytes, state_bytes : int
        Copies of what was learnt in the file, their bytes, and the bytes of what was learnt in memory.
    schema_version, feature_version : int
        That this recsys writes.
    paused : bool
        Between ``pause`` and ``resume``.
    erasure_pending : bool
        Whether bytes of what was forgotten may still stand in the file: ``maintain`` erases them.
    trees : TreeStats, optional
        Which model serves and why; None without ``Settings(trees=True)``, and without consent.

    ``n_events`` is what the log holds, whether it is learnt from or not.

    Stability: stable
    """

    size_bytes: int
    n_events: int
    n_items: int
    n_known_items: int
    n_checkpoints: int
    checkpoint_bytes: int
    state_bytes: int
    schema_version: int
    feature_version: int
    paused: bool
    erasure_pending: bool
    trees: TreeStats | None = None
