"""Credit scorecards: bins, weights of evidence, points, a decision at a stated cost, and its reasons."""

from companion.cases.scorecard.applicants import MAX_BYTES, MAX_ROWS, read_table
from companion.cases.scorecard.binning import Binning
from companion.cases.scorecard.card import Card, Scorecard
from companion.cases.scorecard.column import ColumnBins
from companion.cases.scorecard.decisions import Decision, score_applicants
from companion.cases.scorecard.evidence import information_value, woe
from companion.cases.scorecard.optimal import best_cuts
from companion.cases.scorecard.points import PointsScale
from companion.cases.scorecard.stored import load_card, save_card
from companion.cases.scorecard.tested import Band, TestedCard, at_base_rate, fit_tested
from companion.cases.scorecard.threshold import CostThreshold, cost_threshold

__all__ = [
    "MAX_BYTES",
    "MAX_ROWS",
    "Band",
    "Binning",
    "Card",
    "ColumnBins",
    "CostThreshold",
    "Decision",
    "PointsScale",
    "Scorecard",
    "TestedCard",
    "at_base_rate",
    "best_cuts",
    "cost_threshold",
    "fit_tested",
    "information_value",
    "load_card",
    "read_table",
    "save_card",
    "score_applicants",
    "woe",
]
