"""What is known of packs without reading one: how their files begin, and what they say of a candidate."""

from typing import Final

__all__ = ["MAGIC", "PACK_FEATURES"]

MAGIC: Final = b"recsys pack\n"
PACK_FEATURES: Final = ("taste", "near", "popular", "level")  # their weights stand in the pack
