"""Running a program that nobody has read: in a process of its own, with limits, and where Linux allows it no network.

What holds: time, processor time, memory and the size of each file are limited; the program has an empty folder to work
in, none of our environment, and its output goes nowhere. With the system's ``unshare``, it has no network and all that
it started ends with it. What does not hold: it can read what you can read, and write where you can write. For programs
that may mean harm, run all of this in a container or a virtual machine.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import cache
from typing import Literal

Outcome = Literal["passed", "failed", "timeout"]

#: User, network and process namespaces of its own; ``--kill-child`` ends all that it started.
_ISOLATED = ("unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")
_LIMITED = """
import os, resource, sys
cpu, memory, files = map(int, sys.argv[1:4])
for limit, value in ((resource.RLIMIT_CPU, cpu), (resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, files),
                     (resource.RLIMIT_CORE, 0), (resource.RLIMIT_NOFILE, 64)):
    resource.setrlimit(limit, (value, value))
told, nowhere = os.dup(1), os.open(os.devnull, os.O_RDWR)
program, done = sys.stdin.read().split("\\0")
for stream in (0, 1, 2):
    os.dup2(nowhere, stream)
sys.argv = [""]
exec(compile(program, "program", "exec"), {"__name__": "__main__"})
os.write(told, done.encode())
"""


@cache
def has_no_network() -> bool:
    """Whether programs run here without a network: where the system has ``unshare`` and lets this user use it.

    Example:
        >>> has_no_network() in (True, False)
        True
    """
    if shutil.which(_ISOLATED[0]) is None:
        return False
    return subprocess.run([*_ISOLATED, "true"], capture_output=True, check=False).returncode == 0


def run_limited(program: str, *, seconds: float = 10, memory: int = 2**29, file_size: int = 2**20) -> Outcome:
    """Runs a Python program: ``passed`` where it came to its end, ``failed`` where it raised, left or broke a limit.

    Args:
        program: its source.
        seconds: of the clock and of the processor, at most; then it is ``timeout``.
        memory: bytes of address space.
        file_size: bytes of each file that it writes.

    Raises:
        OSError: where no process can be started; the limits are POSIX's.
        ValueError: for a program with a zero byte, which Python cannot read.

    Example:
        >>> run_limited("assert 1 + 1 == 2"), run_limited("assert 1 + 1 == 3")
        ('passed', 'failed')
    """
    if "\0" in program:
        raise ValueError("expected a program without zero bytes, got one")
    done = secrets.token_hex(16)  # that the program came to its end: leaving with status 0 is not that
    limits = map(str, (int(seconds) + 1, memory, file_size))
    isolated = _ISOLATED if has_no_network() else ()
    command = [*isolated, sys.executable, "-I", "-S", "-X", "utf8", "-c", _LIMITED, *limits]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder,
            encoding="utf8", env={"PATH": os.defpath}, start_new_session=True,
        ) as process,
    ):  # fmt: skip
        try:
            told, _ = process.communicate(f"{program}\0{done}", timeout=seconds)
        except subprocess.TimeoutExpired:
            return "timeout"
        finally:
            with contextlib.suppress(ProcessLookupError):  # it has ended, and all that it started
                os.killpg(process.pid, signal.SIGKILL)
    return "passed" if told == done else "failed"
