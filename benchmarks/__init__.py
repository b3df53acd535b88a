"""Measured claims: how well it ranks, what it costs, against whom. Run ``python -m benchmarks``."""
