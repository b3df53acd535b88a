"""What ships with the app: where the model starts before any evidence."""

from recsys.prior.weights import Prior

__all__ = ["Prior"]
