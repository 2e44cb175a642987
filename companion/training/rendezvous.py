"""How processes find each other, also when ``torchrun`` starts them again.

``torchrun`` keeps one store for all attempts of a job. A process of the second attempt may thus read the address that
one of the first left behind, and wait for the dead until the time is over (pytorch issue 135712). Neither the store nor
the environment tells attempts apart: ``TORCHELASTIC_RESTART_COUNT`` is each machine's own. So the processes agree here
on a part of the store that nobody used before.
"""

import hashlib
import time
import uuid
from datetime import timedelta

from torch.distributed import PrefixStore, Store, rendezvous

_TIMEOUT = timedelta(minutes=30)  # gloo's, too
_PAUSE = 0.05  # seconds between two looks at who is here


def join_group() -> tuple[Store, int, int]:
    """A store for this attempt alone, this process's rank, and how many there are, as ``torchrun`` says."""
    store, rank, size = next(rendezvous("env://"))
    return fresh_part(store, rank, size), rank, size


def fresh_part(store: Store, rank: int, size: int, *, timeout: timedelta = _TIMEOUT) -> Store:
    """The part of ``store`` that exactly the ``size`` processes share that are now in this function.

    Each puts a mark of its own at its rank, and then confirms the marks that it sees. As no process confirms without
    its own mark among them, marks of the dead are never confirmed by all.

    Raises:
        TimeoutError: where not all come within ``timeout``.
    """
    deadline = time.monotonic() + timeout.total_seconds()
    store.set(f"mark/{rank}", uuid.uuid4().hex)
    marks = [f"mark/{other}" for other in range(size)]
    while time.monotonic() < deadline:
        if store.check(marks):
            attempt = hashlib.sha256(b"".join(store.multi_get(marks))).hexdigest()
            store.set(f"{attempt}/{rank}", "here")
            if store.check([f"{attempt}/{other}" for other in range(size)]):
                return PrefixStore(attempt, store)
        time.sleep(_PAUSE)  # someone is late, or a mark is of a process that is gone
    raise TimeoutError(
        f"expected {size} processes to start, waited {timeout} for the others: look at what they printed"
    )
