"""The command line: ``recsys demo | inspect | explain | recommend | forget | export | check``.

It needs the ``cli`` extra; without it every call says so and exits with 2. Nothing in recsys itself imports this room.
"""

from __future__ import annotations

import sys

from recsys.errors import MissingExtraError

__all__ = ["main"]

EXIT_USAGE = 2


def main() -> int:
    """Run the command line on ``sys.argv`` and return the exit code.

    Returns
    -------
    int
        0: fine. 1: what was asked about is not fine (a finding, an unknown item, a busy file). 2: wrong usage or input,
        a missing file, or the ``cli`` extra is not installed.
    """
    try:
        import click  # noqa: F401 (is it there?)
        import rich  # noqa: F401
    except ImportError:
        print(f"recsys: {MissingExtraError('cli')}", file=sys.stderr)  # noqa: T201 (nothing else is there to print with)
        return EXIT_USAGE
    from recsys.cli.app import run

    return run(sys.argv[1:])
