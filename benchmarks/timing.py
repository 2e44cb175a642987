"""Contestants that take turns, so that a machine whose speed drifts drifts for all."""

import statistics
import time
from collections.abc import Callable

import torch


class Timed:
    """Seconds of each round of one contestant."""

    def __init__(self, name: str, work: Callable[[], object]) -> None:
        self.name, self.work, self.seconds = name, work, list[float]()

    def round(self, device: torch.device) -> None:
        """Does the work once, to its end."""
        started = time.perf_counter()
        self.work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        self.seconds.append(time.perf_counter() - started)

    @property
    def median(self) -> float:
        """Seconds of the middle round."""
        return statistics.median(self.seconds)


def run(timed: list[Timed], rounds: int, device: torch.device) -> list[Timed]:
    """Two rounds to warm up, then ``rounds`` that count, the contestants in turn."""
    for _ in range(rounds + 2):
        for each in timed:
            each.round(device)
    for each in timed:
        del each.seconds[:2]
    return timed
