"""A decision from a file: options as formulas of what is not known, and what would be worth asking first."""

from companion.economics.plans.plan import Experiment, Plan, read_plan
from companion.economics.plans.verdict import Decision, decide

__all__ = ["Decision", "Experiment", "Plan", "decide", "read_plan"]
