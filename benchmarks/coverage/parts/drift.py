"""Tests of drift, of samples without any."""

from functools import partial

import numpy as np

from benchmarks.coverage.case import Case, holds, seed
from companion.stats import ks_drift, mmd_drift, population_stability_index

Generator = np.random.Generator
EXACT = {"allowed": (0.025, 0.06), "reason": "3 to 6% stated"}


def cases() -> list[Case]:
    """All of them."""

    def ks(rng: Generator, n: int, m: int) -> float:
        return ks_drift(rng.standard_t(3, size=n), rng.standard_t(3, size=m)).p_value

    def ks_of_ties(rng: Generator) -> float:
        return ks_drift(rng.integers(0, 5, 100), rng.integers(0, 5, 100)).p_value

    def psi(rng: Generator, n: int, m: int) -> float:
        return population_stability_index(
            rng.normal(size=n), rng.normal(size=m), n_resamples=499, seed=seed(rng)
        ).p_value

    def psi_of_text(rng: Generator) -> float:
        before, now = (rng.choice(["a", "b", "c"], 100, p=[0.6, 0.3, 0.1]) for _ in range(2))
        return population_stability_index(before, now, n_resamples=499, seed=seed(rng)).p_value

    def mmd(rng: Generator, n: int, m: int) -> float:
        return mmd_drift(
            rng.standard_t(3, size=(n, 5)), rng.standard_t(3, size=(m, 5)), n_resamples=199, seed=seed(rng)
        ).p_value

    tied = {"allowed": (0.0, 0.03), "reason": "0.01 stated: ties make it too careful"}
    sizes, data = [(20, 20), (211, 101)], "Student's t, 3 degrees of freedom"
    return [
        *(holds("ks_drift", data, f"{n} and {m}", partial(ks, n=n, m=m), **EXACT) for n, m in sizes),
        holds("ks_drift", "whole numbers from 0 to 4", "100 and 100", ks_of_ties, **tied),
        *(holds("population_stability_index", "normal", f"{n} and {m}", partial(psi, n=n, m=m), **EXACT)
          for n, m in sizes),
        holds("population_stability_index", "three categories", "100 and 100", psi_of_text, **EXACT),
        *(holds("mmd_drift", f"{data}, 5 features", f"{n} and {m}", partial(mmd, n=n, m=m), samples=1_500, **EXACT)
          for n, m in sizes),
    ]  # fmt: skip
