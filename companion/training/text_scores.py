"""How right a written answer is: exact match and F1 of its words, as SQuAD's official program has them."""

import re
import string
from collections import Counter
from collections.abc import Sequence

from companion.data.checks import refuse_bare_text

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """The text in lower case, without ASCII punctuation, the articles a, an, the, and more than one space at a time.

    Source:
        Rajpurkar et al. 2016, arXiv:1606.05250; the program ``evaluate-v1.1.py``.

    Example:
        >>> normalize_answer("The  Eiffel-Tower, a.k.a. 'la dame'!")
        'eiffeltower aka la dame'
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, answers: Sequence[str]) -> float:
    """1 where the prediction is one of the answers after :func:`normalize_answer`, else 0.

    Raises:
        ValueError: for no answer.

    Example:
        >>> exact_match("the Paris.", ["Paris", "Paris, France"])
        1.0
    """
    return float(normalize_answer(prediction) in map(normalize_answer, _checked(answers)))


def answer_f1(prediction: str, answers: Sequence[str]) -> float:
    r"""How far words overlap, :math:`2 P R / (P + R)`, with the answer that they overlap with most.

    P is the fraction of the prediction's words that the answer has, R that of the answer's words that the prediction
    has, each word as often as it comes, after :func:`normalize_answer`. Where nothing is left of one of the two texts,
    F1 says whether nothing is left of the other either, as in SQuAD 2.0's program; that of 1.1 gives 0.

    Source:
        Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1; Rajpurkar et al. 2018, arXiv:1806.03822.

    Raises:
        ValueError: for no answer.

    Example:
        >>> answer_f1("It is in Paris", ["Paris", "in Paris"])  # P = 2/4, R = 2/2
        0.6666666666666666
    """
    return max(_f1(normalize_answer(prediction).split(), normalize_answer(text).split()) for text in _checked(answers))


def _f1(prediction: list[str], answer: list[str]) -> float:
    if not prediction or not answer:
        return float(prediction == answer)
    shared = (Counter(prediction) & Counter(answer)).total()
    return 2 * shared / (len(prediction) + len(answer))


def _checked(answers: Sequence[str]) -> Sequence[str]:
    refuse_bare_text("answers", answers)
    if not answers:
        raise ValueError("expected at least one answer that is right, got none")
    return answers
