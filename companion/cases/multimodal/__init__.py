"""Pictures for words and words for a picture, among OpenMoji's pictograms: two towers, letters, free baselines."""

from companion.cases.multimodal.concepts import concept_groups, split_concepts
from companion.cases.multimodal.looks import color_histograms, look_vectors, outline_histograms, thumbnails
from companion.cases.multimodal.matching import (
    NOTICE,
    PICTURE_WEIGHT,
    LetterIndex,
    Match,
    MatchAnswer,
    Matcher,
    describe_tests,
    draw_matches,
    matcher,
    text_vectors,
)
from companion.cases.multimodal.misspelling import misspell
from companion.cases.multimodal.pairs import PictogramPairs, as_pictures, photograph
from companion.cases.multimodal.reading import read_picture
from companion.cases.multimodal.towers import TwoTowers, chinese_characters, contrastive_loss, load_towers

__all__ = [
    "NOTICE",
    "PICTURE_WEIGHT",
    "LetterIndex",
    "Match",
    "MatchAnswer",
    "Matcher",
    "PictogramPairs",
    "TwoTowers",
    "as_pictures",
    "chinese_characters",
    "color_histograms",
    "concept_groups",
    "contrastive_loss",
    "describe_tests",
    "draw_matches",
    "load_towers",
    "look_vectors",
    "matcher",
    "misspell",
    "outline_histograms",
    "photograph",
    "read_picture",
    "split_concepts",
    "text_vectors",
    "thumbnails",
]
