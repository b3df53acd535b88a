"""Is it any good? Predict-then-learn over a log, the metrics to say so, and what another policy would have got.

Log in, ranks or rewards out, means with intervals. Nothing here is on the hot path.
"""

from recsys.evaluate.counterfactual import doubly_robust, fitted_means, ips, snips
from recsys.evaluate.metrics import (
    acc_at_k,
    block_interval,
    bootstrap_difference,
    bootstrap_interval,
    ndcg,
    ndcg_at_k,
    reciprocal_rank,
)
from recsys.evaluate.orders import LoggedSlate, logged_slates, what_if
from recsys.evaluate.replay import LearnerModel, Model, Outcome, evaluate_log, replay
from recsys.evaluate.rules import MostRecent, MostUsed

__all__ = [
    "LearnerModel",
    "LoggedSlate",
    "Model",
    "MostRecent",
    "MostUsed",
    "Outcome",
    "acc_at_k",
    "block_interval",
    "bootstrap_difference",
    "bootstrap_interval",
    "doubly_robust",
    "evaluate_log",
    "fitted_means",
    "ips",
    "logged_slates",
    "ndcg",
    "ndcg_at_k",
    "reciprocal_rank",
    "replay",
    "snips",
    "what_if",
]
