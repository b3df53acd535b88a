"""For the tests of apps that embed recsys. Nothing in here is loaded by ``import recsys``.

``no_network`` and ``sealed`` are tripwires; ``assert_forgotten`` looks at every byte of the app's files;
``assert_never_known`` compares a recommender with one that never knew; ``check_ranker`` holds an app's own adapter
to the contract; ``PrivacyMachine`` tries whole lives of an app; ``recsys.testing.strategies`` draws items, events
and histories with Hypothesis. The pytest plugin gives the fixtures ``no_network``, ``sealed_dir`` and ``forensic``.
Needs ``pip install "recsys-embedded[testing]"``.
"""

from __future__ import annotations

import typing as _typing
from importlib import import_module as _import_module

if _typing.TYPE_CHECKING:
    from recsys.testing.contract import RANKER_CHECKS, check_ranker, ranker_findings
    from recsys.testing.forensics import Forensic, Trace, assert_forgotten, assert_private, find_traces
    from recsys.testing.machine import PrivacyMachine
    from recsys.testing.tripwire import Attempt, Tripped, Watch, no_network, sealed
    from recsys.testing.twins import assert_never_known

__all__ = [
    "RANKER_CHECKS",
    "Attempt",
    "Forensic",
    "PrivacyMachine",
    "Trace",
    "Tripped",
    "Watch",
    "assert_forgotten",
    "assert_never_known",
    "assert_private",
    "check_ranker",
    "find_traces",
    "no_network",
    "ranker_findings",
    "sealed",
]

_HOMES: _typing.Final = {
    "contract": ("RANKER_CHECKS", "check_ranker", "ranker_findings"),
    "forensics": ("Forensic", "Trace", "assert_forgotten", "assert_private", "find_traces"),
    "machine": ("PrivacyMachine",),
    "tripwire": ("Attempt", "Tripped", "Watch", "no_network", "sealed"),
    "twins": ("assert_never_known",),
}


def __getattr__(name: str) -> object:
    """Load a tool when it is first asked for: some need Hypothesis, and none is needed by the others."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(_import_module(f"recsys.testing.{home}"), name)
    raise AttributeError(f"module 'recsys.testing' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the names that load later too."""
    return sorted({*globals(), *__all__})
