"""What ships with the app: where the model starts before any evidence."""

from typing import TYPE_CHECKING

from recsys.prior.weights import Prior

if TYPE_CHECKING:
    from recsys.prior.pack import Pack

__all__ = ["Pack", "Prior"]


def __getattr__(name: str) -> object:
    if name == "Pack":  # rarely needed, so loaded when asked for
        from recsys.prior.pack import Pack

        return Pack
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
