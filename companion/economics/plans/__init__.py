"""A decision from a file: options as formulas of what is not known, and what would be worth asking first."""

from companion.economics.plans.plan import DecisionPlan, Experiment, read_plan
from companion.economics.plans.verdict import Verdict, decide

__all__ = ["DecisionPlan", "Experiment", "Verdict", "decide", "read_plan"]
