"""Pictures for words, and words for a picture, among 1,391 pictograms that each have a picture and names.

Words are held against names, a picture against pictures:

- words: the mean of two cosines, of letters (TF-IDF over pieces of two to four, with the best of a pictogram's names)
  and of meaning (the towers' vectors of the words and of the English name);
- a picture: the cosine of the towers' vectors of the picture and of the pictogram's;
- both: the score of the words plus twice that of the picture, a weight chosen on pictograms that were trained on.

Across, words with pictures, the towers can compare too (:meth:`Matcher.look_scores`): that is what is left where
pictures have no names. Where they have, it makes the answer worse, as the chapter measures.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from safetensors.torch import load_file
from sklearn.feature_extraction.text import TfidfVectorizer
from tokenizers import Tokenizer
from torch import Tensor

from companion.cases.multimodal.pairs import as_pictures
from companion.cases.multimodal.reading import read_picture
from companion.cases.multimodal.towers import SIDE, TwoTowers, is_chinese, load_towers
from companion.data import OPENMOJI_CREDIT, Pictogram, draw_pictograms, pictograms
from companion.models import SentenceEncoder, embed_texts, minilm
from companion.stats import Interval, proportion_ci

#: What stands beside each answer.
NOTICE = f"{OPENMOJI_CREDIT}. Trained on 1,113 drawings: of photographs of real things it knows nothing."
#: Letters of a text, at most.
MOST_LETTERS = 200

#: What the score of a picture counts beside that of words.
PICTURE_WEIGHT = 2.0

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Match:
    """A pictogram that fits.

    Attributes:
        pictogram: its picture and its names.
        score: up to 1 for words or a picture, up to 3 for both.
    """

    pictogram: Pictogram
    score: float


@dataclass(frozen=True)
class MatchAnswer:
    """What fits best.

    Attributes:
        matches: the best first.
        right: how often the first was right for tested queries whose best score lay in the same third, with its
            interval. They were made by a program: other names of pictograms not trained on, their pictures spoiled.
    """

    matches: tuple[Match, ...]
    right: Interval


class Matcher:
    """Finds pictograms by words, by a picture, or by both.

    Example:
        >>> from companion.cases.multimodal import matcher
        >>> matcher().match("a red car").matches[0].pictogram.english
        'automobile'
    """

    def __init__(self) -> None:
        self.pictograms = pictograms()
        self.towers = load_towers()
        self._characters = set("".join(each.chinese for each in self.pictograms))
        self.letters = LetterIndex([each.names for each in self.pictograms])
        drawn = as_pictures(draw_pictograms([each.character for each in self.pictograms], size=SIDE))
        with torch.no_grad():
            self.looks = self.towers.encode_pictures(drawn)
        self.names = load_file(_FOLDER / "names.safetensors")["names"].float()

    def match(self, words: str | None = None, picture: str | Path | None = None, *, k: int = 5) -> MatchAnswer:
        """The pictograms that fit best.

        Args:
            words: English or Chinese.
            picture: a file, as :func:`read_picture` takes it.
            k: how many.

        Raises:
            ValueError: for neither words nor picture, words without letters, too many letters, letters of other
                scripts, Chinese of which no character is known; and as :func:`read_picture`.
            FileNotFoundError: where there is no such file, or the sentence encoder is not installed.
        """
        if words is None and picture is None:
            raise ValueError("expected words, a picture or both, got neither")
        scores = np.zeros(len(self.pictograms))
        if words is not None:
            _check_words(words, self._characters)
            scores += self.name_scores([words])[0]
        if picture is not None:
            weight = 1.0 if words is None else PICTURE_WEIGHT
            scores += weight * self.picture_scores(as_pictures(read_picture(picture)[None]))[0]
        places = np.argsort(-scores, kind="stable")[:k]
        matches = tuple(Match(self.pictograms[i], float(scores[i])) for i in places)
        kind = "both" if words is not None and picture is not None else "words" if picture is None else "picture"
        return MatchAnswer(matches, _tested(kind, matches[0].score))

    def name_scores(self, texts: Sequence[str]) -> Float[np.ndarray, "text pictogram"]:
        """How well each pictogram's names fit each text: the mean of letters and meaning."""
        meaning = (text_vectors(self.towers, texts) @ self.names.T).numpy()
        return (self.letters.scores(texts) + meaning) / 2

    def look_scores(self, texts: Sequence[str]) -> Float[np.ndarray, "text pictogram"]:
        """How well each pictogram's picture fits each text, its names unread."""
        return (text_vectors(self.towers, texts) @ self.looks.T).numpy()

    def picture_scores(self, pictures: Float[Tensor, "picture 3 32 32"]) -> Float[np.ndarray, "picture pictogram"]:
        """How well each pictogram's picture fits each picture from 0 to 1."""
        with torch.no_grad():
            return (self.towers.encode_pictures(pictures) @ self.looks.T).numpy()


def draw_matches(answer: MatchAnswer, *, size: int = 96) -> Image.Image:
    """The matches side by side, the best on the left, each ``size`` pixels wide."""
    drawn = draw_pictograms([each.pictogram.character for each in answer.matches], size=size)
    return Image.fromarray(np.concatenate(list(drawn), axis=2).transpose(1, 2, 0))


def describe_tests(answer: MatchAnswer) -> str:
    """What the answer promises, in words.

    Example:
        >>> describe_tests(MatchAnswer((), proportion_ci(80, 93)))
        'right in 86% of tests with such a score (78% to 92%)'
    """
    right = answer.right
    return f"right in {right.estimate:.0%} of tests with such a score ({right.low:.0%} to {right.high:.0%})"


class LetterIndex:
    """Texts found by their letters, typing errors and all: cosines of TF-IDF over pieces of two to four letters.

    Args:
        texts: for each item several, of which the best counts.

    Example:
        >>> index = LetterIndex([["automobile", "car"], ["pear"]])
        >>> index.scores(["automobil", "a pear"]).argmax(axis=1).tolist()
        [0, 1]
    """

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        self._starts = np.cumsum([0, *(len(each) for each in texts[:-1])])
        self._vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4))
        self._vectors = self._vectorizer.fit_transform([text for each in texts for text in each])

    def scores(self, queries: Sequence[str]) -> Float[np.ndarray, "query item"]:
        """The cosine of each query with each item's best text, from 0 to 1."""
        cosines = (self._vectorizer.transform(queries) @ self._vectors.T).toarray()
        return np.maximum.reduceat(cosines, self._starts, axis=1)


def text_vectors(towers: TwoTowers, texts: Sequence[str]) -> Float[Tensor, "text embed"]:
    """The towers' vectors of English or Chinese texts, by MiniLM or by characters.

    Chinese of which no character was trained on becomes zeros.
    """
    found = torch.empty(len(texts), towers.english.out_features)
    chinese = torch.tensor([is_chinese(text) for text in texts])
    with torch.no_grad():
        if chinese.any():
            of_chinese = [text for text in texts if is_chinese(text)]
            found[chinese] = towers.encode_chinese(towers.number_characters(of_chinese))
        if not chinese.all():
            vectors = embed_texts(*_minilm(), [text for text in texts if not is_chinese(text)])
            found[~chinese] = towers.encode_english(vectors)
    return found


def _check_words(text: str, characters: set[str]) -> None:
    if not 0 < len(text.strip()) <= MOST_LETTERS or not re.search(r"[^\W_]", text):
        raise ValueError(f"expected words, 1 to {MOST_LETTERS} letters, got {text.strip()[:20]!r} of {len(text):,}")
    if is_chinese(text):
        if not characters & set(text):
            raise ValueError(f"expected Chinese with a character of some name, got none of them in {text[:20]!r}")
    elif unknown := sorted({each for each in text if each.isalpha() and not _is_latin(each)}):
        raise ValueError(f"expected English or Chinese words, got letters of another script: {''.join(unknown)[:20]}")


def _is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith("LATIN")


def _tested(kind: str, score: float) -> Interval:
    """How often the first match was right for tested queries with a best score in the same third as this one."""
    tests = json.loads((_FOLDER / "tests.json").read_text(encoding="utf-8"))[kind]
    third = int(np.searchsorted(tests["edges"], score))
    return proportion_ci(tests["right"][third], tests["n"][third])


@cache
def _minilm() -> tuple[SentenceEncoder, Tokenizer]:
    return minilm()


@cache
def matcher() -> Matcher:
    """The matcher, made once."""
    return Matcher()
