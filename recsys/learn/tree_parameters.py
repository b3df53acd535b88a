"""Which parameters the trees may be grown with: an allow-list, because LightGBM takes far more than a learner needs.

Among its 140 parameters are a TCP stack (``machines``, ``local_listen_port``), files that it reads and writes
(``data``, ``output_model``, ``config``) and other devices, each with several names, all handed over as one text of
``name=value`` words into which a value can smuggle another. So a name is passed on when it stands in ``PARAMETERS``,
a value when it has the exact type and range that stand there; no value is free text. LightGBM itself is not imported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, cast

from recsys.errors import InputError

__all__ = ["FORCED", "PARAMETERS", "Parameter", "Value", "checked"]

Value = bool | int | float | str


class Parameter(NamedTuple):
    """What one parameter may be: an exact type, with a range of numbers (both ends included) or a choice of values."""

    type: type[bool | int | float | str]
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[Value, ...] = ()


# One thread, in one order, without a word: the same log gives the same trees, and the host's cores stay its own.
FORCED: Final[Mapping[str, Value]] = MappingProxyType({"num_threads": 1, "deterministic": True, "verbosity": -1})

# By LightGBM's first name for each; other names for the same are refused, so that nothing is said twice.
# No bagging: it would make the trees depend on the order of rows.
PARAMETERS: Final[Mapping[str, Parameter]] = MappingProxyType(
    {
        "objective": Parameter(str, choices=("binary", "lambdarank", "rank_xendcg")),
        "num_leaves": Parameter(int, 2, 1_024),
        "max_depth": Parameter(int, 1, 64),
        "min_data_in_leaf": Parameter(int, 0, 1_000_000),
        "min_sum_hessian_in_leaf": Parameter(float, 0.0, 1e6),
        "min_gain_to_split": Parameter(float, 0.0, 1e6),
        "learning_rate": Parameter(float, 1e-6, 1.0),
        "lambda_l1": Parameter(float, 0.0, 1e6),
        "lambda_l2": Parameter(float, 0.0, 1e6),
        "path_smooth": Parameter(float, 0.0, 1e6),
        "max_bin": Parameter(int, 2, 255),
        "min_data_in_bin": Parameter(int, 1, 1_000_000),
        "bin_construct_sample_cnt": Parameter(int, 100, 1_000_000),
        "feature_fraction": Parameter(float, 0.01, 1.0),
        "lambdarank_truncation_level": Parameter(int, 1, 10_000),
        "lambdarank_norm": Parameter(bool),
        "force_col_wise": Parameter(bool),
        "feature_pre_filter": Parameter(bool),
        "seed": Parameter(int, 0, 2**31 - 1),
        **{name: Parameter(type(value), choices=(value,)) for name, value in FORCED.items()},
    }
)


def checked(params: Mapping[str, object]) -> dict[str, Value]:
    """Return the parameters as they may be given to LightGBM, with those of ``FORCED`` among them.

    Parameters
    ----------
    params : mapping
        Names of ``PARAMETERS`` to values of exactly the type that stands there; a float may be given as an int.

    Raises
    ------
    InputError
        When a name is not on the list, or its value is of another type, outside the range, or not finite.
        ``field`` is the name if it is on the list, else ``"params"``.
    """
    allowed: dict[str, Value] = {}
    for name, value in params.items():
        if type(name) is not str or name not in PARAMETERS:
            raise InputError("params: a name that is not on the list of tree parameters", field="params")
        allowed[name] = _value(name, PARAMETERS[name], value)
    return {**allowed, **FORCED}


def _value(name: str, parameter: Parameter, value: object) -> Value:
    # Exact types: a subclass can have a text of its own, and True is not a number of leaves.
    if type(value) not in ((int, float) if parameter.type is float else (parameter.type,)):
        raise InputError(f"{name}: a value of type {parameter.type.__name__} is needed", field=name)
    if parameter.choices and value not in parameter.choices:
        raise InputError(f"{name}: one of {', '.join(map(str, parameter.choices))} is needed", field=name)
    # Written so that NaN, which is in no range, fails it.
    if isinstance(value, (int, float)) and not parameter.low <= value <= parameter.high:
        raise InputError(f"{name}: a number from {parameter.low} to {parameter.high} is needed", field=name)
    plain = cast("Value", value)
    return float(plain) if parameter.type is float else plain
