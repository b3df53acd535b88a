"""Which shared objects a program has loaded, and which of C's calls for networks and processes each of them asks for.

This is the proof for what was not executed: an object that does not import ``connect`` cannot call it by name.
Raw system calls (``syscall``) and ``dlopen`` are in half of all libraries and say nothing of what for; those the seal
stops. ``EXPECTED`` is the list of the objects that may ask, each with what and why; whatever else asks is a finding.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["EXPECTED", "NETWORK", "PROCESSES", "Known", "asked_for", "loaded_by", "unexpected", "why_not"]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


NETWORK: Final = _names(
    "accept accept4 bind connect getaddrinfo gethostbyaddr gethostbyaddr_r gethostbyname gethostbyname2 "
    "gethostbyname_r getifaddrs getnameinfo listen recv recvfrom recvmmsg recvmsg res_query res_search send sendmmsg "
    "sendmsg sendto socket socketpair"
)
PROCESSES: Final = _names(
    "clone execl execle execlp execv execve execveat execvp execvpe fexecve fork forkpty popen posix_spawn "
    "posix_spawnp ptrace system vfork"
)


class Known(NamedTuple):
    """What an object may ask for, why it does, and whether the core may have it loaded."""

    symbols: frozenset[str]
    reason: str
    in_core: bool = False


# By the file's name, as a shell matches it.
EXPECTED: Final[Mapping[str, Known]] = {
    "libpython3*": Known(PROCESSES | NETWORK, "os.fork, os.execv, os.system; in some builds _socket too", in_core=True),
    "python3*": Known(PROCESSES | NETWORK, "the same, where the interpreter is one file", in_core=True),
    "libcrypto*.so*": Known(
        NETWORK, "hashlib's; the sockets are of OpenSSL's BIO, which hashlib does not make", in_core=True
    ),
    "libgfortran*.so*": Known(
        frozenset({"fork", "system"}), "Fortran's EXECUTE_COMMAND_LINE, under NumPy's LAPACK", in_core=True
    ),
    "_socket.*": Known(NETWORK, "Python's sockets; joblib imports them with asyncio"),
    "_posixsubprocess.*": Known(PROCESSES, "Python's subprocess; joblib imports it"),
    "libssl*.so*": Known(NETWORK, "Python's ssl; joblib imports it with asyncio"),
    "libuuid.so*": Known(
        frozenset({"connect", "socket"}), "Python's uuid; it would ask a daemon of the machine for a number"
    ),
    "_psutil_*": Known(
        _names("getifaddrs getnameinfo socket"),
        "Dask's look at the machine; LightGBM imports Dask where it is installed",
    ),
    "lib_lightgbm.so": Known(
        _names("accept bind connect getifaddrs listen recv send socket"),
        "training on many machines, which recsys.learn.tree_parameters keeps shut",
    ),
    "libarrow*.so*": Known(
        NETWORK | PROCESSES, "remote file systems; pandas and LightGBM load pyarrow where there is one"
    ),
    "libparquet*.so*": Known(NETWORK, "the same"),
    "_sqlite3.*": Known(NETWORK, "sqlcipher3 carries OpenSSL's libcrypto, BIO and all; SQLCipher uses its ciphers"),
}

_PRINT_LOADED: Final = """
with open("/proc/self/maps") as maps:
    for line in maps:
        words = line.split(maxsplit=5)
        if "x" in words[1] and len(words) == 6 and words[5].startswith("/"):
            print("loaded:", words[5].strip())
"""


def why_not() -> str | None:
    """Return why no symbols can be read here, or None when they can."""
    if not sys.platform.startswith("linux"):
        return "no symbols: the list of what a process has loaded is Linux's"
    return None if shutil.which("nm") else "no symbols: nm (binutils) is not installed"


def loaded_by(code: str, *arguments: str) -> list[Path]:
    """Run `code` in a fresh Python; return the files that it has mapped to execute, the interpreter's own first."""
    command = [sys.executable, "-c", code + _PRINT_LOADED, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    lines = [line.removeprefix("loaded: ") for line in done.stdout.splitlines() if line.startswith("loaded: ")]
    return [Path(line) for line in dict.fromkeys(lines)]


def asked_for(objects: Iterable[Path]) -> dict[Path, frozenset[str]]:
    """Return which symbols of ``NETWORK`` and ``PROCESSES`` each object imports; without those that import none."""
    found: dict[Path, set[str]] = {}
    command = ["nm", "-D", "--undefined-only", "-A", *map(str, objects)]
    for line in subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines():
        where, symbol = re.split(r": +U ", line, maxsplit=1)[0], line.split()[-1].split("@")[0]
        if symbol in NETWORK | PROCESSES:
            found.setdefault(Path(where), set()).add(symbol)
    return {path: frozenset(symbols) for path, symbols in found.items()}


def unexpected(
    asked: Mapping[Path, frozenset[str]], expected: Mapping[str, Known] = EXPECTED, *, core: bool = False
) -> list[str]:
    """Return the objects that ask for what the list does not allow them, one line an object."""
    found = []
    for path, symbols in asked.items():
        allowed = {
            symbol
            for pattern, known in expected.items()
            if fnmatch(path.name, pattern) and (known.in_core or not core)
            for symbol in known.symbols
        }
        if symbols - allowed:
            found.append(f"{path.name} asks for {', '.join(sorted(symbols - allowed))}")
    return found
