"""The house rules hold, and each of their guards catches a sample that breaks it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import pytest

import recsys
from tests import house
from tests.house import REASONS, Source

PACKAGE = Path(__file__).parents[1] / "recsys"
MODULES = house.sources(PACKAGE)

Guard = Callable[[Source], list[str]]


def lightgbm_outside_trees(source: Source) -> list[str]:
    return house.import_only_in(source, "lightgbm", ["recsys.learn.trees"])


def privacy_by_itself(source: Source) -> list[str]:
    """A host that wants an aggregate imports it; nothing of ours brings it along."""
    return house.import_only_in(source, "recsys.privacy", ["recsys.privacy"])


GUARDS: list[Guard] = [
    house.too_long,
    house.upward_imports,
    house.heavy_imports,
    house.code_runners,
    house.networked_imports,
    house.outward_calls,
    lightgbm_outside_trees,
    privacy_by_itself,
]

LONG_FUNCTION = "def f():\n" + "    x = 1\n" * house.MAX_FUNCTION_LINES
FAULTS: list[tuple[Guard, str, str]] = [
    (house.too_long, "recsys.rank.a", "x = 1\n" * (house.MAX_MODULE_LINES + 1)),
    (house.too_long, "recsys.rank.a", LONG_FUNCTION),
    (
        house.too_long,
        "recsys.rank.a",
        "class C:\n" + LONG_FUNCTION.replace("\n", "\n    ").replace("def", "    def", 1),
    ),
    (house.upward_imports, "recsys.errors", "from recsys.types import Item"),
    (house.upward_imports, "recsys.log.store", "from recsys.learn.fold import fold"),
    (house.upward_imports, "recsys.log.store", "def f():\n    import recsys.rank.arrange"),
    (house.upward_imports, "recsys.learn.fold", "from recsys import log"),
    (house.upward_imports, "recsys.learn", "from recsys.rank import arrange"),
    (house.upward_imports, "recsys.rank.arrange", "import recsys.log.store as store"),
    (house.upward_imports, "recsys.new", "import recsys.log\nimport recsys.learn\nimport recsys.rank"),
    (house.upward_imports, "recsys.privacy.aggregate", "from recsys.live import Live"),
    (house.heavy_imports, "recsys.learn.fold", "import pandas"),
    (house.heavy_imports, "recsys.learn.fold", "from scipy import sparse"),
    (house.heavy_imports, "recsys.rank.arrange", "import click"),
    (house.heavy_imports, "recsys.rank.arrange", "class C:\n    import socket"),
    (house.heavy_imports, "recsys.rank.arrange", "try:\n    import urllib.request\nexcept ImportError:\n    pass"),
    (house.heavy_imports, "recsys.rank.arrange", "from concurrent import futures"),
    (house.heavy_imports, "recsys.rank.arrange", "from .candidates import candidates"),
    (house.code_runners, "recsys.learn.checkpoint", "import pickle"),
    (house.code_runners, "recsys.learn.checkpoint", "def f():\n    from joblib import load"),
    (house.code_runners, "recsys.learn.checkpoint", "x = eval('1')"),
    (house.code_runners, "recsys.learn.checkpoint", "exec('x = 1')"),
    (house.code_runners, "recsys.learn.checkpoint", "np.load(f, allow_pickle=True)"),
    (house.code_runners, "recsys.learn.checkpoint", "import shelve, marshal"),
    (house.networked_imports, "recsys.learn.fold", "def f():\n    import socket"),
    (house.networked_imports, "recsys.cli.demo", "def f():\n    from urllib import request"),
    (house.networked_imports, "recsys.rank.arrange", "def f():\n    from concurrent.futures import ThreadPoolExecutor"),
    (house.networked_imports, "recsys.rank.arrange", "def f():\n    from logging import handlers"),
    (house.networked_imports, "recsys.cli.demo", "if TYPE_CHECKING:\n    import subprocess"),
    (house.networked_imports, "recsys.log.store", "import tempfile"),
    (house.networked_imports, "recsys.log.store", "def f():\n    import ctypes.util"),
    (house.networked_imports, "recsys.learn.trees", "def f():\n    from joblib import Parallel"),
    (house.networked_imports, "recsys.publish.build", "def f():\n    import dask.bag"),
    (house.networked_imports, "recsys.recommender", "def f():\n    from distributed import Client"),
    (house.outward_calls, "recsys.learn.trees", "fit(X, n_jobs=2)"),
    (house.outward_calls, "recsys.learn.trees", "fit(X, **{'n_jobs': -1})"),
    (house.outward_calls, "recsys.learn.trees", "def f(n_jobs=1):\n    pass"),
    (house.outward_calls, "recsys.cli.demo", "os.system('ls')"),
    (house.outward_calls, "recsys.cli.demo", "from os import posix_spawn as go\n__import__('socket')"),
    (house.outward_calls, "recsys.cli.demo", "importlib.import_module('sock' + 'et')"),
    (lightgbm_outside_trees, "recsys.learn.fold", "def f():\n    import lightgbm"),
    (privacy_by_itself, "recsys.recommender", "def f():\n    from recsys.privacy import Aggregate"),
    (privacy_by_itself, "recsys", "from recsys import privacy"),
]

SOUND = '''"""Says what it is for.

{filler}"""
from typing import TYPE_CHECKING
import numpy as np
from recsys.types import Item
if TYPE_CHECKING:
    import pandas

def f():
    """Does it.

    {filler}"""
    import scipy
    return np.load("x", allow_pickle=False)
'''.format(filler="more\n" * house.MAX_MODULE_LINES)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_every_module_keeps_the_house_rules(guard: Guard) -> None:
    assert MODULES
    assert [finding for source in MODULES for finding in guard(source)] == []


@pytest.mark.parametrize(
    ("guard", "module", "text"), FAULTS, ids=[f"{g.__name__}-{i}" for i, (g, _, _) in enumerate(FAULTS)]
)
def test_a_guard_catches_a_planted_fault(guard: Guard, module: str, text: str) -> None:
    assert guard(Source(module, text)) != []


def test_every_exception_is_one_that_is_still_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(house, "REASONS", {})
    guards = (house.networked_imports, house.outward_calls)
    found = [finding.split() for source in MODULES for guard in guards for finding in guard(source)]
    assert {(place.split(":")[0], word.split(".")[0]) for place, _, word in found} == set(REASONS)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.__name__)
def test_a_guard_lets_a_sound_module_pass(guard: Guard) -> None:
    assert guard(Source("recsys.rank.sound", SOUND)) == []


def test_every_guard_has_a_planted_fault() -> None:
    assert {guard.__name__ for guard, _, _ in FAULTS} == {guard.__name__ for guard in GUARDS}


def public_modules() -> list[str]:
    return ["recsys", "recsys.privacy", *(["recsys.testing"] if (PACKAGE / "testing" / "__init__.py").exists() else [])]


@pytest.mark.parametrize("name", public_modules())
def test_every_public_name_says_how_stable_it_is(name: str) -> None:
    module = importlib.import_module(name)
    namespace = {public: getattr(module, public) for public in module.__all__}
    assert house.undocumented(namespace, module.__all__) == []


def test_a_public_name_that_says_nothing_of_stability_is_found() -> None:
    def silent() -> None:
        pass

    def vague() -> None:
        """Do something. Stability: who knows."""

    def sound() -> None:
        """Do something.

        Stability: stable
        """

    namespace = {"silent": silent, "vague": vague, "sound": sound, "LIMIT": 3}
    assert [line.split()[0] for line in house.undocumented(namespace, namespace)] == ["silent", "vague"]


@pytest.mark.parametrize("name", public_modules())
def test_the_public_names_are_sorted(name: str) -> None:
    assert house.misordered(list(importlib.import_module(name).__all__)) == []


def test_unsorted_or_doubled_public_names_are_found() -> None:
    assert house.misordered(["LIMIT", "Alpha", "Beta", "alpha"]) == []
    for names in (["Beta", "Alpha"], ["Alpha", "Alpha"], ["alpha", "Beta"]):
        assert house.misordered(names) != []


def test_the_public_names_are_complete() -> None:
    modules = {source.module.split(".")[1] for source in MODULES if "." in source.module}
    visible = {name for name in dir(recsys) if not name.startswith("_")} - modules - {"annotations"}
    assert visible == {name for name in recsys.__all__ if not name.startswith("_")}


@pytest.mark.parametrize("name", ["errors", "settings", "types"])
def test_every_class_of_the_public_modules_is_public(name: str) -> None:
    module = importlib.import_module(f"recsys.{name}")
    classes = {public for public in module.__all__ if house.is_documentable(getattr(module, public))}
    assert classes
    assert classes <= set(recsys.__all__)
