"""What a prior pack says of a candidate; the weights of these stand in the pack."""

from typing import Final

__all__ = ["PACK_FEATURES"]

PACK_FEATURES: Final = ("taste", "near", "popular", "unused")
