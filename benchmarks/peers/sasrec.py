"""SASRec (Kang and McAuley 2018): self-attention over what was used, in order; the strong peer on a server.

Settings are those that RecBole uses for it: 64 hidden units (an inner layer of 256), two layers, two heads, dropout
0.5, the last 50 uses, cross-entropy over the whole catalogue, Adam at 0.001. One person in sixteen is kept from the
training to say when to stop: after three passes without gain, or 40 in all, where RecBole waits for longer. It needs
torch.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SasRec", "missing"]

_SEED: Final = 5
_HIDDEN, _INNER, _LAYERS, _HEADS = 64, 256, 2, 2
_DROPOUT, _LENGTH, _RATE = 0.5, 50, 1e-3
_EPOCHS, _PATIENCE = 40, 3
_BATCH: Final = 16  # pieces of people's logs, each of up to 50 choices
_DEVIATION: Final = 0.02  # of the weights at the beginning
_KEPT: Final = 16  # every so many-th person says when to stop


def missing() -> dict[str, str]:
    """Say why SASRec cannot run here; nothing when it can."""
    return {} if importlib.util.find_spec("torch") else {"SASRec (torch)": "not installed: torch"}


class SasRec:
    """A peer that knows a crowd, as those of :mod:`benchmarks.peers.crowd`, and the order of what was used."""

    def __init__(self, histories: Sequence[NDArray[np.intp]], n_items: int, epochs: int = _EPOCHS) -> None:
        import torch

        torch.manual_seed(_SEED)
        torch.set_num_threads(1)
        self._torch: Any = torch
        self._n_items = n_items
        self._net = _net(torch, n_items)
        kept = [items for n, items in enumerate(histories) if n % _KEPT == 0]
        self._train(_pieces([items for n, items in enumerate(histories) if n % _KEPT]), _pieces(kept), epochs)

    def scores(self, used: NDArray[np.intp]) -> NDArray[np.floating[Any]]:
        """Score every item for someone who used these, the oldest first; shape (n_items,)."""
        torch = self._torch
        row = np.zeros((1, _LENGTH), np.int64)
        last = used[-_LENGTH:]
        row[0, : len(last)] = last + 1
        with torch.no_grad():
            hidden = self._net(torch.tensor(row.tolist()))[0, len(last) - 1]
            given = self._net.scores(hidden)
        return np.array(given.tolist(), np.float64)

    def _train(self, pieces: NDArray[np.int64], kept: NDArray[np.int64], epochs: int) -> None:
        torch, net = self._torch, self._net
        optimiser = torch.optim.Adam(net.parameters(), lr=_RATE)
        rng = np.random.default_rng(_SEED)
        best, since, state = np.inf, 0, None
        for _ in range(epochs):
            net.train()
            order = rng.permutation(len(pieces))
            for begin in range(0, len(order), _BATCH):
                loss = self._loss(pieces[order[begin : begin + _BATCH]])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
            net.eval()
            with torch.no_grad():
                now = float(self._loss(kept)) if len(kept) else 0.0
            if now < best:
                best, since = now, 0
                state = {name: value.clone() for name, value in net.state_dict().items()}
            else:
                since += 1
            if since >= _PATIENCE:
                break
        net.load_state_dict(state)
        net.eval()

    def _loss(self, rows: NDArray[np.int64]) -> Any:
        torch = self._torch
        batch = torch.tensor(rows.tolist())
        asked, wanted = batch[:, :-1], batch[:, 1:]
        there = wanted > 0
        return torch.nn.functional.cross_entropy(self._net.scores(self._net(asked)[there]), wanted[there] - 1)


def _pieces(histories: Sequence[NDArray[np.intp]]) -> NDArray[np.int64]:
    """Cut logs into rows of 51, each beginning with the last use of the one before; 0 stands for nothing."""
    rows = []
    for items in histories:
        for begin in range(0, max(len(items) - 1, 0), _LENGTH):
            piece = items[begin : begin + _LENGTH + 1] + 1
            rows.append(np.pad(piece, (0, _LENGTH + 1 - len(piece))))
    return np.array(rows, np.int64).reshape(len(rows), _LENGTH + 1)


def _net(torch: Any, n_items: int) -> Any:
    nn = torch.nn

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.items = nn.Embedding(n_items + 1, _HIDDEN, padding_idx=0)
            self.places = nn.Embedding(_LENGTH, _HIDDEN)
            layer = nn.TransformerEncoderLayer(
                _HIDDEN, _HEADS, _INNER, _DROPOUT, activation="gelu", layer_norm_eps=1e-12, batch_first=True
            )
            self.layers = nn.TransformerEncoder(layer, _LAYERS, enable_nested_tensor=False)
            self.first, self.dropped = nn.LayerNorm(_HIDDEN, eps=1e-12), nn.Dropout(_DROPOUT)
            later = torch.ones(_LENGTH, _LENGTH, dtype=torch.bool).triu(1)
            self.register_buffer("later", later)
            for name, value in self.named_parameters():
                if value.dim() > 1:
                    nn.init.normal_(value, std=_DEVIATION)
                elif name.endswith("bias"):
                    nn.init.zeros_(value)

        def forward(self, rows: Any) -> Any:
            """Give what each place of each row says of the next; nothing stands only at the end of a row."""
            hidden = self.dropped(self.first(self.items(rows) + self.places.weight))
            return self.layers(hidden, mask=self.later)

        def scores(self, hidden: Any) -> Any:
            return hidden @ self.items.weight[1:].T

    return Net()
