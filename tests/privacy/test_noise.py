"""The noise is what its formula says, by every string of bits and in the large, and it is made of integers."""

from __future__ import annotations

import ast
import math
import random
import secrets
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys import privacy
from recsys.privacy import noise
from recsys.privacy.noise import Bits, below, bernoulli_exp, discrete_laplace
from tests.privacy.bounds import chi_square, chi_square_bound, clopper_pearson, outcomes, probability, tail

ALPHA = 1e-6  # of all chi-square tests here together
SCALES = [Fraction(1, 3), Fraction(1), Fraction(3, 2), Fraction(4), Fraction(20), Fraction(7, 5)]
scales = st.builds(Fraction, st.integers(1, 10**6), st.integers(1, 10**6))


def draws(scale: Fraction, n: int, seed: int, sampler: Callable[[Fraction, Bits], int] = discrete_laplace) -> list[int]:
    bits = random.Random(seed).getrandbits
    return [sampler(scale, bits) for _ in range(n)]


# Three floors, each tried over every course that it can take and standing on the one below: a number from bits,
# a coin from numbers, the noise from both. What is too unlikely to follow is left open and said.


def equally(n: int) -> list[float]:
    return [1.0 / n] * n


def as_wanted(found: Mapping[int, float], left_open: float, wanted: Mapping[int, float]) -> bool:
    """Whether outcomes may have these probabilities, where what is left open may belong to any of them."""
    return all(found.get(x, 0.0) - 1e-12 <= p <= found.get(x, 0.0) + left_open + 1e-12 for x, p in wanted.items())


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_a_number_below_another_is_drawn_uniformly(n: int) -> None:
    found, left_open = outcomes(lambda choose: below(n, lambda k: choose(equally(2**k))), least=1e-4)
    print(f"below {n}: {left_open:.2g} is left open")
    assert left_open < 0.01
    assert found.keys() == set(range(n))
    assert as_wanted(found, left_open, dict.fromkeys(range(n), 1.0 / n))


@pytest.fixture
def from_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of bits whole numbers are chosen."""
    monkeypatch.setattr(noise, "below", lambda n, choose: choose(equally(n)))


@pytest.fixture
def from_coins(monkeypatch: pytest.MonkeyPatch, from_numbers: None) -> None:  # noqa: ARG001 - stands on it
    """In place of bits whole numbers and coins are chosen."""
    monkeypatch.setattr(
        noise, "bernoulli_exp", lambda a, b, choose: choose([1.0 - math.exp(-a / b), math.exp(-a / b)]) == 1
    )


@pytest.mark.usefixtures("from_numbers")
@pytest.mark.parametrize(("a", "b"), [(0, 1), (1, 1), (1, 2), (2, 3), (5, 7)])
def test_a_coin_falls_exactly_as_often_as_it_should(a: int, b: int) -> None:
    found, left_open = outcomes(lambda choose: bernoulli_exp(a, b, choose), least=1e-5)
    print(f"exp(-{a}/{b}): {left_open:.2g} is left open")
    assert left_open < 0.002
    assert as_wanted(found, left_open, {True: math.exp(-a / b), False: 1.0 - math.exp(-a / b)})


@pytest.mark.usefixtures("from_coins")
@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(1), Fraction(3, 2), Fraction(2)], ids=str)
def test_every_course_of_a_draw_together_gives_the_closed_form(scale: Fraction) -> None:
    found, left_open = outcomes(lambda choose: discrete_laplace(scale, choose), least=1e-6)
    print(f"scale {scale}: {left_open:.2g} is left open")
    assert left_open < 0.03
    assert as_wanted(found, left_open, {x: probability(x, scale) for x in range(-60, 61)})


OFF: dict[str, Callable[[Bits], int]] = {
    "another scale": lambda choose: discrete_laplace(Fraction(2), choose),
    "zero with both signs": lambda choose: (
        discrete_laplace(Fraction(1), choose) or discrete_laplace(Fraction(1), choose)
    ),
    "one-sided": lambda choose: abs(discrete_laplace(Fraction(1), choose)),
}


@pytest.mark.usefixtures("from_coins")
@pytest.mark.parametrize("fault", OFF)
def test_noise_with_a_planted_fault_is_told_by_its_courses(fault: str) -> None:
    found, left_open = outcomes(OFF[fault], least=1e-6)
    assert left_open < 0.002
    assert not as_wanted(found, left_open, {x: probability(x, Fraction(1)) for x in range(-60, 61)})


@pytest.mark.usefixtures("from_numbers")
def test_a_coin_with_a_fault_is_told_from_the_exact_one() -> None:
    found, left_open = outcomes(lambda choose: bernoulli_exp(3, 5, choose), least=1e-5)
    assert not as_wanted(found, left_open, {True: math.exp(-4 / 7)})


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_many_draws_are_as_the_closed_form_says(scale: Fraction) -> None:
    statistic, n_free = chi_square(draws(scale, 12_000, seed=7), scale)
    print(f"scale {scale}: chi-square {statistic:.1f} at {n_free} degrees of freedom")
    assert chi_square_bound(statistic, n_free) > ALPHA / len(SCALES)


FAULTS: dict[str, Callable[[Fraction, Bits], int]] = {
    "half the scale": lambda scale, bits: discrete_laplace(scale / 2, bits),
    "one-sided": lambda scale, bits: abs(discrete_laplace(scale, bits)),
    "zero twice": lambda scale, bits: discrete_laplace(scale, bits) or discrete_laplace(scale, bits),
    "rounded floats": lambda scale, bits: round(_float_laplace(float(scale), bits)),
    "a tenth more": lambda scale, bits: discrete_laplace(scale * Fraction(11, 10), bits),
}


def _float_laplace(scale: float, bits: Bits) -> float:
    u = (bits(53) + 0.5) / 2**53 - 0.5
    return -scale * math.copysign(math.log(1.0 - 2.0 * abs(u)), u)


@pytest.mark.parametrize("fault", FAULTS)
def test_planted_noise_of_another_kind_fails_the_same_test(fault: str) -> None:
    scale = Fraction(3, 2)
    statistic, n_free = chi_square(draws(scale, 12_000, seed=7, sampler=FAULTS[fault]), scale)
    assert chi_square_bound(statistic, n_free) < ALPHA / len(SCALES)


@given(scale=scales)
def test_a_draw_is_an_integer_whatever_the_scale(scale: Fraction) -> None:
    """D5."""
    assert type(discrete_laplace(scale, secrets.randbits)) is int


def test_the_closed_form_sums_to_one() -> None:
    for scale in SCALES:
        total = sum(probability(x, scale) for x in range(-50, 51)) + 2 * tail(51, scale)
        assert math.isclose(total, 1.0)


@pytest.mark.parametrize(("k", "n"), [(0, 50), (50, 50), (1, 400), (5_000, 20_000), (3, 7)])
def test_the_binomial_interval_is_the_library_s(k: int, n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    low, high = clopper_pearson(k, n, 0.999)
    wanted = stats.binomtest(k, n).proportion_ci(0.999, method="exact")
    assert math.isclose(low, wanted.low, abs_tol=1e-7)
    assert math.isclose(high, wanted.high, abs_tol=1e-7)


@pytest.mark.parametrize(("statistic", "n_free"), [(10.0, 20), (30.0, 20), (90.0, 20), (200.0, 60)])
def test_the_chi_square_bound_is_never_below_the_p_value(statistic: float, n_free: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert chi_square_bound(statistic, n_free) >= stats.chi2.sf(statistic, n_free)


# -- no float ---------------------------------------------------------------------

PATH = [Path(privacy.__file__).with_name(name) for name in ("noise.py", "query.py", "aggregate.py")]
_FLOATING = frozenset({"cmath", "decimal", "math", "numpy", "random", "statistics"})


def floats_in(text: str) -> list[str]:
    """What in a module could make a floating-point number: constants, division, powers, `float`, `math` and its kin."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, (float, complex)):
            found.append(f"line {node.lineno}: a constant")
        elif isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, (ast.Div, ast.Pow)):
            if not all(
                isinstance(part, ast.Constant) for part in (getattr(node, "left", None), getattr(node, "right", None))
            ):
                found.append(f"line {node.lineno}: division or a power")
        elif isinstance(node, ast.Name) and node.id in ("float", "complex", "round"):
            found.append(f"line {node.lineno}: {node.id}")
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"line {node.lineno}: {name}" for name in names if name.split(".")[0] in _FLOATING]
    return found


@pytest.mark.parametrize("path", PATH, ids=lambda path: path.name)
def test_no_floating_point_number_is_on_the_path_of_the_noise(path: Path) -> None:
    """D5."""
    assert floats_in(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "planted",
    ["x = 0.5", "x = a / b", "x /= 2", "import math", "from numpy import random", "y = float(x)", "x = a ** b"],
)
def test_a_planted_float_is_found(planted: str) -> None:
    assert floats_in(planted) != []
