"""Planted leaks: small programs that reach for a network, each another way. Every wall is tried on them.

Each runs on its own with ``python -c`` and, where nothing stops it, ends well (but for those in ``ENDLESS``). They
hold to this machine: port 9 of the loopback address, a name that cannot exist, a path of no daemon. What they do is
what counts, not what becomes of it.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping
from typing import Final

__all__ = ["ENDLESS", "LEAKS", "OUTSIDE_WRITES"]

_NUMBERS: Final = {"x86_64": (41, 42), "aarch64": (198, 203), "riscv64": (198, 203)}  # socket, connect
_SOCKET, _CONNECT = _NUMBERS.get(platform.machine(), (198, 203))
_RAW: Final = "import ctypes; syscall = ctypes.CDLL(None).syscall\n"

LEAKS: Final[dict[str, str]] = {
    "a socket of Python's": """
import socket
with socket.socket() as s:
    s.settimeout(0.2)
    s.connect_ex(("127.0.0.1", 9))
""",
    "a datagram": """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.sendto(b"x", ("127.0.0.1", 9))
""",
    "a question for a name": """
import socket
try:
    socket.getaddrinfo("no-such-host.invalid", 80)
except OSError:
    pass
""",
    "a daemon's path": """
import socket
with socket.socket(socket.AF_UNIX) as s:
    s.connect_ex("/no/such/daemon")
""",
    "C's own connect": """
import ctypes
c = ctypes.CDLL(None)
c.connect(c.socket(2, 1, 0), bytes([2, 0, 0, 9, 127, 0, 0, 1] + [0] * 8), 16)
""",
    "connect by its number, without a socket": f"{_RAW}syscall({_CONNECT}, -1, None, 0)",
    "a socket by its number": f"{_RAW}syscall({_SOCKET}, 2, 1, 0)",
    "io_uring": f"{_RAW}syscall(425, 1, ctypes.create_string_buffer(256))",
    "a child process": """
import subprocess, sys
code = "import socket; socket.socket().close()"
status = subprocess.run([sys.executable, "-c", code]).returncode
sys.exit(128 - status if status < 0 else status)
""",
    "a forked process": """
import os, socket
pid = os.fork()
if pid == 0:
    socket.socket().close()
    os._exit(0)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
raise SystemExit(128 - status if status < 0 else status)
""",
    "LightGBM's machines": """
import lightgbm, numpy
data = lightgbm.Dataset(numpy.eye(40), numpy.arange(40) % 2)
where = {"machines": "127.0.0.1:12400,127.0.0.1:12401", "num_machines": 2, "time_out": 1, "verbosity": -1}
try:
    lightgbm.train({"objective": "binary", **where}, data, 1)
except lightgbm.basic.LightGBMError:
    pass
""",
}
"""What it is, and the program."""

if platform.machine() == "x86_64" and sys.maxsize > 2**32:
    # push rbx; mov eax, 359 (socket there); xor ebx, ebx; xor ecx, ecx; xor edx, edx; int 0x80; pop rbx; ret
    LEAKS["the kernel's 32-bit door"] = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(bytes.fromhex("53 b867010000 31db 31c9 31d2 cd80 5b c3"))
ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""

ENDLESS: Final = frozenset({"LightGBM's machines"})
"""What nothing but a seal ends soon: LightGBM waits two minutes for its machines, and then it crashes."""

OUTSIDE_WRITES: Final[Mapping[str, str]] = {
    "a temporary file": "import tempfile; tempfile.mkstemp(dir={0!r})",
    "a file opened for writing": "open({0!r} + '/x', 'w')",
    "a file made longer or shorter": "import os; os.truncate({0!r} + '/there', 1)",
    "a file taken away": "import os; os.unlink({0!r} + '/there')",
    "a file moved": "import os; os.rename({0!r} + '/there', {0!r} + '/x')",
    "a link": "import os; os.symlink('anywhere', {0!r} + '/x')",
    "a folder": "import os; os.mkdir({0!r} + '/x')",
    "a child process": "import os, sys; sys.exit(os.spawnv(os.P_WAIT, '/bin/touch', ['touch', {0!r} + '/x']))",
    "SQLite's own": "import sqlite3; sqlite3.connect({0!r} + '/x').execute('CREATE TABLE t (x)')",
}
"""Programs that write into the folder filled in for {0}, where there is a file named ``there``."""
