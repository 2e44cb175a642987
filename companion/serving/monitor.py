"""An alarm for rows that come in: whether they still look like those the model was evaluated on."""

from dataclasses import dataclass

import pandas as pd

from companion.checks import check_whole
from companion.stats import Drift, ks_drift
from companion.stats.base.options import check_share


@dataclass(frozen=True)
class Alarm:
    """A window of rows in which a column no longer follows its reference.

    Attributes:
        window: the number of the window, counted from 0.
        column: which column; of several, the one with the smallest p-value.
        drift: how far it is, and the p-value before it is held to all columns.
    """

    window: int
    column: str
    drift: Drift

    def __str__(self) -> str:
        return f"Window {self.window}, column {self.column}: {self.drift}"


class Monitor:
    r"""Compares each window of rows with reference rows, and raises an alarm where a column has drifted.

    Each column goes through :func:`companion.stats.ks_drift`; with :math:`d` columns a window raises an alarm where
    the smallest p-value is at most :math:`\alpha / d` (Bonferroni), so that without drift a window does so with
    probability :math:`\alpha` at most: one false alarm in :math:`1 / \alpha` windows, whatever the distributions and
    however the columns hang together. Simulated over 2,000 references of 300 rows with three columns, normal,
    log-normal and their sum, and :math:`\alpha = 0.05`, one window of 100 rows each raised one in 0.025: the test is
    careful, and the columns repeat each other.

    What is assumed is that rows are independent. Latencies of one busy hour are not: they wait for the same requests.
    Whole numbers with many ties make it careful. An alarm says that rows differ, not that answers got worse; which
    change matters, labels say.

    Args:
        reference: rows from the time of the evaluation, numbers only, as a table or ``[rows, columns]``.
        window: rows that are compared at a time.
        false_alarms: :math:`\alpha`, the most false alarms a window.

    Raises:
        ValueError: for a table without rows or columns, a window below 2 or a share outside (0, 1).

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> monitor = Monitor({"length": rng.normal(100, 20, 500)}, window=100, false_alarms=0.01)
    >>> monitor.update({"length": rng.normal(100, 20, 250)})
    []
    >>> print(monitor.update({"length": rng.normal(125, 20, 60)})[0])  # 50 rows were waiting for their window
    Window 2, column length: The Kolmogorov-Smirnov distance of 100 current against 500 reference examples is 0.234; p =
    0.00018.
    """

    def __init__(self, reference: object, *, window: int, false_alarms: float = 0.01) -> None:
        check_whole("window", window, at_least=2, advice="some hundred rows see what matters")
        check_share("false_alarms", false_alarms, "0.01 is one false alarm in 100 windows")
        self.reference = pd.DataFrame(reference)
        if min(self.reference.shape) < 1:
            raise ValueError(f"expected reference rows with columns, got a table of shape {self.reference.shape}")
        self.window, self.false_alarms, self.windows = window, false_alarms, 0
        self._rows = self.reference.iloc[:0]

    def update(self, rows: object) -> list[Alarm]:
        """Takes rows in their order, and gives the alarms of windows that they complete.

        Raises:
            ValueError: for other columns than the reference's, or what :func:`companion.stats.ks_drift` refuses.
        """
        arrived = pd.DataFrame(rows)
        if list(arrived.columns) != list(self.reference.columns):
            raise ValueError(f"expected columns {list(self.reference.columns)}, got {list(arrived.columns)}")
        waiting = pd.concat([self._rows, arrived]) if len(self._rows) else arrived
        alarms = []
        while len(waiting) >= self.window:
            alarms += self._compare(waiting.iloc[: self.window])
            waiting, self.windows = waiting.iloc[self.window :], self.windows + 1
        self._rows = waiting
        return alarms

    def _compare(self, rows: pd.DataFrame) -> list[Alarm]:
        found = {name: ks_drift(self.reference[name].to_numpy(), rows[name].to_numpy()) for name in rows}
        column = min(found, key=lambda name: found[name].p_value)
        raised = found[column].p_value <= self.false_alarms / len(found)
        return [Alarm(self.windows, str(column), found[column])] if raised else []
