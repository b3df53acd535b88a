"""Measured claims: how well it ranks, what it costs, against whom. Run ``python -m benchmarks``.

Everything is measured on one core, so the libraries below NumPy are told before it loads.
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
