"""Recommendation: factors by least squares, two towers, free baselines, and a test by time with full ranking."""

from companion.cases.recommend.als import ALS, RatingALS
from companion.cases.recommend.baselines import ItemNeighbors, MostPopular
from companion.cases.recommend.matrices import interactions
from companion.cases.recommend.measures import RankingMeasures, full_ranking
from companion.cases.recommend.ranks import rank_measures, sampled_measures
from companion.cases.recommend.ratings import MAX_PAIRS, read_ratings
from companion.cases.recommend.split import TimeSplit, time_split
from companion.cases.recommend.suggest import Recommendation, Suggestion, liked, recommend
from companion.cases.recommend.tested import TimeTest, time_test
from companion.cases.recommend.two_tower import TwoTower

__all__ = [
    "ALS",
    "MAX_PAIRS",
    "ItemNeighbors",
    "MostPopular",
    "RankingMeasures",
    "RatingALS",
    "Recommendation",
    "Suggestion",
    "TimeSplit",
    "TimeTest",
    "TwoTower",
    "full_ranking",
    "interactions",
    "liked",
    "rank_measures",
    "read_ratings",
    "recommend",
    "sampled_measures",
    "time_split",
    "time_test",
]
