"""Statistics of model evaluation: intervals, the bootstrap, and comparisons on the same examples."""

from companion.stats.bootstrap import bootstrap_ci
from companion.stats.compare import Comparison, compare_paired
from companion.stats.intervals import Interval
from companion.stats.metrics import metric_ci

__all__ = ["Comparison", "Interval", "bootstrap_ci", "compare_paired", "metric_ci"]
