"""What is known of packs without reading one: how their files begin, and what they say of a candidate."""

from typing import Final

__all__ = ["MAGIC", "PACK_FEATURES"]

MAGIC: Final = b"recsys pack\n"
# Their weights stand in the pack. The last is said of what was used, the others of what never was.
PACK_FEATURES: Final = ("taste", "near", "popular", "liked", "level", "again")
