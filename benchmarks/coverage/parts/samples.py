"""Copies among samples that a generator made."""

from functools import partial

import numpy as np

from benchmarks.coverage.case import Case, covers
from companion.stats import Interval, copying_ci


def cases() -> list[Case]:
    """All of them."""

    def found(rng: np.random.Generator, features: int, samples: int, copies: float, closest: float) -> Interval:
        train, held_out = rng.normal(size=(2, 100, features))
        new = rng.normal(size=(samples, features))
        copied = round(copies * samples)
        new[:copied] = train[rng.integers(100, size=copied)] + 1e-3
        return copying_ci(new, train, held_out, closest=closest)

    careful = {"allowed": (0.93, 1.0), "reason": "too careful with many copies, as stated"}
    return [
        covers(
            "copying_ci",
            f"normal, {features} features, {copies:.0%} copies",
            f"{samples:,} samples",
            partial(found, features=features, samples=samples, copies=copies, closest=closest),
            copies,
            options=f"closest={closest:g}",
            samples=2_000,
            **(careful if copies > 0.3 else {}),
        )
        for features, samples, copies, closest in [
            (2, 100, 0.0, 1.0),
            (2, 1_000, 0.0, 1.0),
            (20, 300, 0.0, 1.0),
            (5, 1_000, 0.0, 0.1),
            (5, 300, 0.2, 1.0),
            (5, 300, 0.6, 1.0),
        ]
    ]
