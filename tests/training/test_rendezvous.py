"""Processes that agree on a part of a store, beside what earlier ones left there."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import TCPStore

from companion.training import rendezvous


@pytest.fixture
def store():
    """The store that outlives the processes."""
    return TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)


def connect(store):
    return TCPStore("127.0.0.1", store.port, is_master=False, wait_for_workers=False)


def meet(store, size, *, late=()):
    """The parts that processes get, each over a connection of its own; ``late`` ones come after many looks."""

    def process(rank):
        time.sleep(0.5 * (rank in late))
        return rendezvous.fresh_part(connect(store), rank, size, timeout=timedelta(seconds=60))

    with ThreadPoolExecutor(size) as pool:
        return list(pool.map(process, range(size)))


@pytest.mark.parametrize("late", [(), (0,), (2,), (0, 1)])
def test_all_share_a_part_that_those_before_did_not_write_to(store, late):
    for attempt in range(3):
        parts = meet(store, 3, late=late if attempt else ())
        assert not any(part.check(["address"]) for part in parts), "an earlier attempt's"
        parts[1].set("address", f"of attempt {attempt}")
        assert {part.get("address") for part in parts} == {f"of attempt {attempt}".encode()}


def test_a_job_may_go_on_with_fewer_and_with_more(store):
    for size in (3, 1, 2, 4):
        parts = meet(store, size)
        assert not any(part.check(["address"]) for part in parts)
        parts[0].set("address", "")
        assert all(part.check(["address"]) for part in parts)


def test_who_is_left_alone_says_so(store):
    meet(store, 2)
    with pytest.raises(TimeoutError, match="expected 2 processes to start, waited 0:00:01 for the others"):
        rendezvous.fresh_part(connect(store), 1, 2, timeout=timedelta(seconds=1))
