"""Pairs of short strings for models that write one sequence for another: synthetic, made here from a seed.

``date_pairs`` has something to learn that is almost real: which characters of the source matter depends on how the
date is written. ``reversal_pairs`` has one rule and needs attention: the first character written is the last one read.
"""

import datetime
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from companion.data.checks import refuse_bare_text
from companion.data.tensors import TensorBatches

#: Ids of the three marks that every :class:`CharacterVocabulary` has.
PAD, START, END = 0, 1, 2
_MARKS = 3

Pair = tuple[str, str]

# English names of our own: those of the standard library follow the machine's locale.
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_FIRST, _LAST = datetime.date(1950, 1, 1), datetime.date(2049, 12, 31)
#: No two ways can be mistaken for each other: with full stops the day comes first, with slashes the month.
_WAYS = (
    "{day} {month} {year}",
    "{month} {day}, {year}",
    "{short} {day}, {year}",
    "{weekday}, {day} {month} {year}",
    "{day}.{number}.{year}",
    "{number:02}/{day:02}/{year}",
    "{year}年{number}月{day}日",
)


class CharacterVocabulary:
    """Characters and their ids: 0 pads, 1 starts and 2 ends a target, and the characters of ``texts`` follow, sorted.

    Args:
        texts: whose characters are to have ids.

    Example:
        >>> vocabulary = CharacterVocabulary(["bad", "cab"])
        >>> len(vocabulary), vocabulary.encode(["cab"]).tolist()
        (7, [[5, 3, 4]])
        >>> vocabulary.decode(vocabulary.encode(["cab", "a"]))
        ['cab', 'a']
    """

    def __init__(self, texts: Sequence[str]) -> None:
        refuse_bare_text("texts", texts)
        self.characters = "".join(sorted(set("".join(texts))))
        self._ids = {character: i for i, character in enumerate(self.characters, start=_MARKS)}

    def __len__(self) -> int:
        """Number of ids, the three marks among them: a model's vocabulary."""
        return _MARKS + len(self.characters)

    def encode(self, texts: Sequence[str]) -> Int[Tensor, "batch time"]:
        """The ids of each text, int64, padded at the end to the longest.

        Raises:
            ValueError: where a character has no id.
        """
        refuse_bare_text("texts", texts)
        unknown = sorted(set("".join(texts)) - set(self.characters))
        if unknown:
            raise ValueError(f"expected only the characters {self.characters!r}, got {''.join(unknown)!r}")
        return _padded([[self._ids[character] for character in text] for text in texts])

    def decode(self, ids: Int[Tensor, "batch time"]) -> list[str]:
        """The text of each row, up to its end mark or its padding."""
        rows = (row[: next((i for i, token in enumerate(row) if token in (PAD, END)), None)] for row in ids.tolist())
        return ["".join(self.characters[token - _MARKS] for token in row if token != START) for row in rows]


def date_pairs(n: int, *, seed: int) -> list[Pair]:
    """Dates written in one of seven ways, and as ISO 8601 writes them: ``("Mar 7, 2021", "2021-03-07")``. Synthetic.

    Days are drawn uniformly from 1950 to 2049 without repetition, so that a day of the validation set was never seen
    in training in any way.

    Args:
        n: number of pairs, at most the 36,525 days of these hundred years.
        seed: the same seed gives the same pairs.

    Raises:
        ValueError: where ``n`` is below 1 or there are not so many days.

    Example:
        >>> date_pairs(2, seed=0)
        [('January 23, 2035', '2035-01-23'), ('Sep 12, 2013', '2013-09-12')]
    """
    days = (_LAST - _FIRST).days + 1
    _check_number(n, days, "days")
    rng = np.random.default_rng(seed)
    chosen = zip(rng.choice(days, n, replace=False), rng.integers(len(_WAYS), size=n), strict=True)
    return [_date_pair(_FIRST + datetime.timedelta(days=int(day)), _WAYS[way]) for day, way in chosen]


def reversal_pairs(n: int, *, seed: int, alphabet: str = "abcdefgh", longest: int = 8) -> list[Pair]:
    """Random strings and the same backwards: ``("bad", "dab")``. Synthetic; no string occurs twice.

    Lengths are drawn uniformly from 1 to ``longest``, then characters uniformly; a string that has occurred is drawn
    anew, so that the shortest lengths, which have few strings, are rarer than the others.

    Args:
        n: number of pairs, at most half of the strings that there are.
        seed: the same seed gives the same pairs.
        alphabet: the characters.
        longest: characters a string, at most.

    Raises:
        ValueError: where ``n`` is below 1 or there are not so many strings.

    Example:
        >>> reversal_pairs(3, seed=0)
        [('feccaaa', 'aaaccef'), ('gf', 'fg'), ('eehffeeh', 'heeffhee')]
    """
    _check_number(n, sum(len(alphabet) ** length for length in range(1, longest + 1)) // 2, "strings")
    rng = np.random.default_rng(seed)
    texts: dict[str, None] = {}  # a set that keeps the order
    while len(texts) < n:
        characters = rng.integers(len(alphabet), size=rng.integers(1, longest, endpoint=True))
        texts["".join(alphabet[i] for i in characters)] = None
    return [(text, text[::-1]) for text in texts]


def pair_batches(pairs: Sequence[Pair], *, validation: float = 0.1) -> tuple[TensorBatches, CharacterVocabulary]:
    """Pairs as the rows (source, target_in, target_out) that the loss of a sequence-to-sequence model takes.

    Rows are int64 ids, [pairs, longest source] and twice [pairs, longest target + 1]: ``target_in`` begins with the
    start mark, ``target_out`` ends with the end mark. One vocabulary serves sources and targets.

    Args:
        pairs: what to encode, in random order; no pair may occur twice.
        validation: the proportion of the pairs, the last ones, that is kept for validation; at least one pair.

    Raises:
        ValueError: where a pair occurs twice, or ``validation`` leaves no pair on one side.

    Example:
        >>> data, vocabulary = pair_batches(reversal_pairs(100, seed=0))
        >>> source, target_in, target_out = data.batch(0, 4, seed=0)
        >>> vocabulary.decode(source)[0] == vocabulary.decode(target_out)[0][::-1]
        True
    """
    if len(set(pairs)) < len(pairs):
        raise ValueError("expected each pair once, got one twice: it could stand in training and in validation")
    held_out = max(1, round(len(pairs) * validation))
    if not 0 < validation < 1 or held_out >= len(pairs):
        raise ValueError(f"expected validation to leave pairs on both sides, got {validation} of {len(pairs)} pairs")
    sources, targets = [source for source, _ in pairs], [target for _, target in pairs]
    vocabulary = CharacterVocabulary(sources + targets)
    target = vocabulary.encode(targets)
    lengths = torch.tensor([len(text) for text in targets])
    target_in = torch.cat([torch.full((len(pairs), 1), START), target], dim=1)
    target_out = torch.cat([target, torch.full((len(pairs), 1), PAD)], dim=1)
    target_out[torch.arange(len(pairs)), lengths] = END
    rows = (vocabulary.encode(sources), target_in, target_out)
    train, rest = zip(*(tensor.split([len(pairs) - held_out, held_out]) for tensor in rows), strict=True)
    return TensorBatches(train, rest), vocabulary


def _date_pair(date: datetime.date, way: str) -> Pair:
    month = _MONTHS[date.month - 1]
    source = way.format(
        day=date.day, month=month, short=month[:3], number=date.month, year=date.year, weekday=_DAYS[date.weekday()]
    )
    return source, date.isoformat()


def _padded(rows: list[list[int]]) -> Int[Tensor, "batch time"]:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row, dtype=torch.int64) for row in rows], batch_first=True)


def _check_number(n: int, most: int, of: str) -> None:
    if not 1 <= n <= most:
        raise ValueError(f"expected n from 1 to {most} (how many different {of} can be drawn), got {n}")
