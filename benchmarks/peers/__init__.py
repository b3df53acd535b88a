"""What a sceptical engineer would use instead, as models for replay; one file a peer.

All but the bandit without features see the same features (:mod:`benchmarks.peers.features`) and draw
the same kind of examples (:mod:`benchmarks.peers.ownlog`), so that they differ in how they learn. Their
settings were tuned lightly, as a user would, on people who are not held aside.
"""

from __future__ import annotations

import importlib.util
import io
import pickle
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

from benchmarks.peers.linucb import HybridLinUCB
from benchmarks.peers.sgd import StochasticGradient
from benchmarks.peers.streaming import RiverLogistic
from benchmarks.peers.thompson import BetaThompson
from benchmarks.peers.trees import LambdaRank
from benchmarks.peers.vowpal import VowpalWabbit
from recsys.evaluate.replay import Model
from recsys.settings import Settings

__all__ = ["PEERS", "Peer", "available", "size_bytes"]


class Peer(NamedTuple):
    """How to make a fresh model, and the import names that it needs."""

    make: Callable[[], Model]
    needs: tuple[str, ...] = ()


# The rows of the quality tables: name, peer.
PEERS: Mapping[str, Peer] = {
    "Beta-Thompson (Firefox relevancy)": Peer(BetaThompson),
    "LinUCB, hybrid": Peer(HybridLinUCB),
    "scikit-learn SGD": Peer(StochasticGradient, ("sklearn",)),
    "river logistic regression": Peer(RiverLogistic, ("river", "pandas")),
    "Vowpal Wabbit, crosses": Peer(VowpalWabbit, ("vowpalwabbit",)),
    "LightGBM LambdaRank, daily": Peer(LambdaRank, ("lightgbm",)),
}


def available() -> tuple[dict[str, Callable[[], Model]], dict[str, str]]:
    """Return the peers that can run here, and for each of the others the reason why not."""
    runs: dict[str, Callable[[], Model]] = {}
    reasons: dict[str, str] = {}
    for name, peer in PEERS.items():
        missing = [module for module in peer.needs if importlib.util.find_spec(module) is None]
        if missing:
            reasons[name] = f"not installed: {', '.join(missing)} (the `bench` extra)"
        else:
            runs[name] = peer.make
    return runs, reasons


def size_bytes(model: Model) -> int:
    """Return how many bytes the trained model needs on disk: its pickle, without what the program knows anyway."""
    kept = io.BytesIO()
    _Pickler(kept, protocol=pickle.HIGHEST_PROTOCOL).dump(model)
    return len(kept.getvalue())


class _Pickler(pickle.Pickler):
    """Leaves out settings and code; Vowpal Wabbit's model counts as what it saves."""

    def reducer_override(self, part: object) -> Any:
        if isinstance(part, Settings):
            return Settings, ()
        if isinstance(part, FunctionType) and part.__name__ == "<lambda>":
            return bool, ()
        if type(part).__module__.startswith("vowpalwabbit"):
            return bytes, (_saved(part),)
        return NotImplemented


def _saved(workspace: object) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        workspace.save(str(path))  # type: ignore[attr-defined]
        return path.read_bytes()
