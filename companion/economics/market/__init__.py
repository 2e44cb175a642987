"""Whether enough people want it: surveys and their weights, what they would pay, a market's size, which idea first."""

from companion.economics.market.choosing import smaa, value_of_information
from companion.economics.market.sampling import design_effect, rake, sample_ratio_mismatch
from companion.economics.market.surveys import DemandCurve, net_promoter_score, willingness_to_pay
from companion.economics.market.totals import MarketSize, total_market

__all__ = [
    "DemandCurve",
    "MarketSize",
    "design_effect",
    "net_promoter_score",
    "rake",
    "sample_ratio_mismatch",
    "smaa",
    "total_market",
    "value_of_information",
    "willingness_to_pay",
]
