"""Several processes on one machine that work together, started from a notebook or a test."""

import multiprocessing
import os
import pickle
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import torch
from joblib import wrap_non_picklable_objects
from torch import distributed

from companion.checks import check_whole


def run_processes(function: Callable[..., Any], size: int, *arguments: Any, seconds: float = 120) -> list[Any]:
    """What ``function(*arguments)`` returns in each of ``size`` processes that form one group of ``torch.distributed``.

    The processes are real: each has a memory of its own, and what they know of each other goes through gloo. They run
    on the CPU with one thread each. ``function`` may be defined in a notebook; a script calls this below
    ``if __name__ == "__main__"``. For training over days take ``torchrun``, which starts what dies again.

    Args:
        function: asks ``distributed.get_rank()`` which process it is in.
        size: how many processes.
        arguments: the same for all processes, copied to each.
        seconds: how long they may take together, once all are started.

    Returns:
        The results in the order of ranks.

    Raises:
        ValueError: for a size below 1.
        RuntimeError: where one of them fails, with its traceback; the others are ended.
        TimeoutError: where they take longer.

    >>> from torch import distributed
    >>> run_processes(distributed.get_rank, 3)
    [0, 1, 2]
    """
    check_whole("size", size, at_least=1, advice="it counts processes")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # imported once, not by each process
    with tempfile.TemporaryDirectory() as folder:
        ends, processes = [], []
        for rank in range(size):
            ours, theirs = context.Pipe(duplex=False)
            # Bytes, for torch hands over tensors as shared memory, which is gone when a process ends.
            job = pickle.dumps((wrap_non_picklable_objects(function), arguments))
            given = (theirs, job, rank, size, folder, seconds)
            processes.append(context.Process(target=_work, args=given, daemon=True))
            processes[-1].start()
            theirs.close()
            ends.append(ours)
        try:
            return _results(ends, seconds, Path(folder))
        finally:
            for process, end in zip(processes, ends, strict=True):
                process.kill()
                process.join()
                end.close()


def _results(ends: list[Connection], seconds: float, folder: Path) -> list[Any]:
    results: dict[int, Any] = {}
    deadline = time.monotonic() + seconds
    while len(results) < len(ends):
        left = max(0.0, deadline - time.monotonic())
        ready = wait([end for rank, end in enumerate(ends) if rank not in results], timeout=left)
        if not ready:
            raise TimeoutError(f"expected results within {seconds} s, got {len(results)} of {len(ends)}: do they wait?")
        for end in ready:
            rank = ends.index(end)  # type: ignore[arg-type]
            results[rank] = _received(ends[rank], rank, folder)
    return [results[rank] for rank in range(len(ends))]


def _received(end: Connection, rank: int, folder: Path) -> Any:
    try:
        failed, result = pickle.loads(end.recv_bytes())
    except EOFError:
        failed, result = True, (folder / f"output-{rank}").read_text()[-2_000:] or "it died without a word"
    if failed:
        raise RuntimeError(f"expected a result of every process, got none of process {rank}: {result}")
    return result


def _work(end: Connection, job: bytes, rank: int, size: int, folder: str, seconds: float) -> None:
    """One process: joins the group, and sends back what the function returns."""
    # What gloo says while it connects is no output of ours: a file holds it, in case the process dies.
    with open(f"{folder}/output-{rank}", "wb", buffering=0) as output:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
            os.dup2(output.fileno(), stream.fileno())
    torch.set_num_threads(1)
    try:
        store = distributed.FileStore(f"{folder}/store", size)
        limit = timedelta(seconds=2 * seconds)  # whoever started us gives up first, and says so
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=limit)
        function, arguments = pickle.loads(job)
        end.send_bytes(pickle.dumps((False, function(*arguments))))
        distributed.barrier()  # nobody leaves while others still read from it
        distributed.destroy_process_group()
    except Exception:
        end.send_bytes(pickle.dumps((True, traceback.format_exc())))
