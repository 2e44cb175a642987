"""companion.data.pairs: what is made, that it can be read back, and that no pair stands on both sides."""

import datetime
import re

import pytest
import torch

from companion.data import CharacterVocabulary, date_pairs, pair_batches, reversal_pairs
from companion.data.pairs import END, PAD, START

MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
PATTERNS = (
    r"(?P<month>\d\d)/(?P<day>\d\d)/(?P<year>\d{4})",
    r"(?P<day>\d+)\.(?P<month>\d+)\.(?P<year>\d{4})",
    r"(?P<year>\d{4})年(?P<month>\d+)月(?P<day>\d+)日",
    r"(?:(?P<weekday>[A-Z]\w+day), )?(?P<day>\d+) (?P<month>[A-Z]\w+) (?P<year>\d{4})",
    r"(?P<month>[A-Z]\w+) (?P<day>\d+), (?P<year>\d{4})",
)


def read_date(text):
    """The date by a reader of our own; exactly one pattern fits."""
    [match] = [match for pattern in PATTERNS if (match := re.fullmatch(pattern, text))]
    month = match["month"]
    number = int(month) if month.isdigit() else MONTHS.index(month[:3].lower()) + 1
    date = datetime.date(int(match["year"]), number, int(match["day"]))
    if match.groupdict().get("weekday"):
        assert date.isoweekday() == 1 + ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].index(match["weekday"][:3])
    return date


def test_dates_can_be_read_back():
    pairs = date_pairs(1_999, seed=3)
    for source, target in pairs:
        assert read_date(source).isoformat() == target
    assert len({target for _, target in pairs}) == 1_999
    used = [next(i for i, pattern in enumerate(PATTERNS) if re.fullmatch(pattern, source)) for source, _ in pairs]
    assert [used.count(i) > 200 for i in range(len(PATTERNS))] == [True] * 5


def test_every_day_can_be_drawn():
    targets = sorted(target for _, target in date_pairs(36_525, seed=0))
    assert (targets[0], targets[-1], len(set(targets))) == ("1950-01-01", "2049-12-31", 36_525)


def test_reversed_strings():
    pairs = reversal_pairs(151, seed=3, alphabet="abc", longest=5)
    assert len(set(pairs)) == 151
    assert all(target == "".join(reversed(source)) and set(source) <= set("abc") for source, target in pairs)
    assert {len(source) for source, _ in pairs} == {1, 2, 3, 4, 5}


@pytest.mark.parametrize("make", [date_pairs, reversal_pairs])
def test_a_seed_gives_the_same_pairs(make):
    assert make(53, seed=1) == make(53, seed=1)
    assert make(53, seed=1) != make(53, seed=2)


def test_rows_are_the_pairs():
    pairs = date_pairs(101, seed=0)
    batches, vocabulary = pair_batches(pairs, validation=0.2)
    source, target_in, target_out = (
        torch.cat(both) for both in zip(batches.train, batches.validation_set, strict=True)
    )
    assert [len(batches.train[0]), len(batches.validation_set[0])] == [81, 20]
    assert list(zip(vocabulary.decode(source), vocabulary.decode(target_out), strict=True)) == pairs
    assert vocabulary.decode(target_in) == vocabulary.decode(target_out)
    assert source.shape == (101, max(len(text) for text, _ in pairs))
    assert target_in.shape == target_out.shape == (101, 11)
    assert (target_in[:, 0] == START).all()
    assert (target_out[:, -1] == END).all()
    assert torch.equal(target_in[:, 1:], target_out[:, :-1])
    assert {tensor.dtype for tensor in (source, target_in, target_out)} == {torch.int64}


def test_shorter_targets_end_and_then_pad():
    batches, vocabulary = pair_batches([("ab", "ba"), ("c", "c")], validation=0.5)
    [a, b, c] = vocabulary.encode(["abc"])[0].tolist()
    assert [tensor.tolist() for tensor in batches.train] == [[[a, b]], [[START, b, a]], [[b, a, END]]]
    assert [tensor.tolist() for tensor in batches.validation_set] == [
        [[c, PAD]], [[START, c, PAD]], [[c, END, PAD]]
    ]  # fmt: skip


def test_no_pair_and_no_day_stands_on_both_sides():
    batches, vocabulary = pair_batches(date_pairs(499, seed=0))
    train, held_out = (set(vocabulary.decode(rows[2])) for rows in (batches.train, batches.validation_set))
    assert len(train) == 449
    assert len(held_out) == 50
    assert not train & held_out


def test_decoding_stops_at_the_end_mark():
    vocabulary = CharacterVocabulary(["cab"])
    assert (len(vocabulary), vocabulary.characters) == (6, "abc")
    assert vocabulary.decode(torch.tensor([[3, 4, END, 5], [START, 5, PAD, PAD], [END, 3, 3, 3]])) == ["ab", "c", ""]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: date_pairs(36_526, seed=0), r"expected n from 1 to 36525 \(how many different days .* got 36526"),
        (lambda: date_pairs(0, seed=0), "got 0"),
        (lambda: reversal_pairs(8, seed=0, alphabet="ab", longest=3), r"expected n from 1 to 7 .* strings .* got 8"),
        (lambda: pair_batches([("a", "b"), ("a", "b")]), "expected each pair once"),
        (lambda: pair_batches([("a", "b")]), "pairs on both sides, got 0.1 of 1 pairs"),
        (lambda: pair_batches([("a", "b"), ("b", "a")], validation=0.0), "got 0.0 of 2 pairs"),
        (lambda: CharacterVocabulary(["ab"]).encode(["abz"]), "expected only the characters 'ab', got 'z'"),
    ],
)
def test_bad_requests_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
