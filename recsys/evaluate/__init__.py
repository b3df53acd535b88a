"""Is it any good? Predict-then-learn over a log, and the metrics to say so.

Log in, ranks out, means with intervals. Nothing here is on the hot path.
"""

from recsys.evaluate.metrics import (
    acc_at_k,
    block_interval,
    bootstrap_difference,
    bootstrap_interval,
    ndcg,
    ndcg_at_k,
    reciprocal_rank,
)
from recsys.evaluate.replay import LearnerModel, Model, Outcome, evaluate_log, replay
from recsys.evaluate.rules import MostRecent, MostUsed

__all__ = [
    "LearnerModel",
    "Model",
    "MostRecent",
    "MostUsed",
    "Outcome",
    "acc_at_k",
    "block_interval",
    "bootstrap_difference",
    "bootstrap_interval",
    "evaluate_log",
    "ndcg",
    "ndcg_at_k",
    "reciprocal_rank",
    "replay",
]
