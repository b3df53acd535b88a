"""The pytest plugin of ``recsys.testing``: the fixtures ``no_network``, ``sealed_dir`` and ``forensic``.

``pip install "recsys-embedded[testing]"`` registers it. It stands beside the package, not in it: a plugin is loaded
before anything is measured or tested, and importing it must not import recsys, nor NumPy. Until a
test asks for a fixture, one look-up a test is all it does. ``pytest -p no:recsys_pytest`` leaves it out.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from recsys.testing.forensics import Forensic
    from recsys.testing.plugin import Guards
    from recsys.testing.tripwire import Watch

_GUARDS = pytest.StashKey["Guards"]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Let what failed in another fixture be told there, and not once more when ours end."""
    try:
        return (yield)
    except BaseException:
        _tell_what_was_swallowed(item, "setup")
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test fail for what its fixtures noticed, also when the app swallowed the error."""
    try:
        result = yield
    except BaseException:
        _tell_what_was_swallowed(item, "call")
        raise
    guards = item.stash.get(_GUARDS, None)
    if guards is not None:
        try:
            guards.verify()
        except AssertionError as error:
            pytest.fail(str(error), pytrace=False)  # the place that matters stands in the message
    return result


def _tell_what_was_swallowed(item: pytest.Item, when: str) -> None:
    guards = item.stash.get(_GUARDS, None)
    if guards is not None and (told := guards.swallowed()):
        item.add_report_section(when, "recsys", told)


def _guards(request: pytest.FixtureRequest) -> Guards:
    from recsys.testing.plugin import Guards

    guards: Guards = request.node.stash.setdefault(_GUARDS, Guards())
    return guards


@pytest.fixture
def no_network(request: pytest.FixtureRequest) -> Generator[Watch]:
    """Fail the test when anything that could reach a network is tried, even if the error is swallowed.

    ``no_network.allow("subprocess.Popen")`` lets one of Python's audit events happen. A tripwire, not a
    sandbox: see ``recsys.testing.no_network``.
    """
    with _guards(request).no_network() as watch:
        yield watch


@pytest.fixture
def sealed_dir(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """Give a folder; fail the test when anything is written outside it, or a file in it can be read by others.

    What pytest, Hypothesis and Python's bytecode cache write is not held against the test; what
    the test itself writes is, so ask for this fixture alone, or open the rest before.
    """
    with _guards(request).sealed_dir(tmp_path_factory.mktemp("sealed")) as folder:
        yield folder


@pytest.fixture
def forensic(request: pytest.FixtureRequest) -> Forensic:
    """Look for what must be gone: ``watch(folder)``, ``needles(title="...")``, ``assert_held()``, ``assert_gone()``.

    With ``sealed_dir`` that folder is watched already. A test that gives needles and never asks for them fails.
    """
    return _guards(request).forensic(
        request.getfixturevalue("sealed_dir") if "sealed_dir" in request.fixturenames else None
    )
