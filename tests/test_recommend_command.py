"""``python -m companion recommend``: lists, reasons, a test by time, and what is refused in one line."""

import re

import numpy as np
import pandas as pd
import pytest

from companion.__main__ import main
from companion.cases.recommend import read_ratings, recommend, time_split, time_test


def drawn(with_taste):
    """120 users in 4 groups, or in none, who each rate 12 of 80 items, one after the other."""
    rng = np.random.default_rng(0)
    rows = []
    for user in range(120):
        odds = np.where(np.arange(80) // 20 == user % 4, 9.0 if with_taste else 1.0, 1.0)
        for step, item in enumerate(rng.choice(80, 12, replace=False, p=odds / odds.sum())):
            rows.append((f"u{user}", f"i{item}", float(rng.integers(3, 6)), user * 100 + step))
    return pd.DataFrame(rows, columns=["user", "item", "rating", "time"])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ratings")
    taste = drawn(True)
    taste.to_csv(folder / "taste.csv", index=False)
    drawn(False).to_csv(folder / "noise.csv", index=False)
    taste.drop(columns=["time", "rating"]).to_csv(folder / "bare.csv", index=False)
    taste.drop(columns="item").to_csv(folder / "narrow.csv", index=False)
    taste.head(1).to_csv(folder / "one.csv", index=False)
    taste.head(40).astype({"rating": object}).assign(rating="good").to_csv(folder / "words.csv", index=False)
    taste.head(40).assign(time="yesterday").to_csv(folder / "days.csv", index=False)
    taste.head(40).assign(item=[*taste["item"][:39], None]).to_csv(folder / "hole.csv", index=False)
    (folder / "empty.csv").write_text("")
    (folder / "picture.csv").write_bytes(b"\x89PNG\xff\x00")
    return folder


def test_with_taste_the_model_wins_and_says_why(files, capsys):
    assert main(["recommend", str(files / "taste.csv"), "--out", str(files / "lists.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "120 users, 80 items, 1440 ratings"
    assert "the model wins" in lines
    kept = pd.read_csv(files / "lists.csv")
    group = kept["user"].str[1:].astype(int) % 4
    assert (kept["item"].str[1:].astype(int) // 20 == group).mean() > 0.5
    assert (kept["most_popular"].str[1:].astype(int) // 20 == group).mean() < 0.3
    liked = pd.read_csv(files / "taste.csv").query("rating >= 4").groupby("user")["item"].agg(set)
    for row in kept[kept["because"].notna()].itertuples():
        assert set(row.because.split("; ")) <= liked[row.user]
    assert not set(zip(kept["user"], kept["item"], strict=True)) & set(
        zip(*pd.read_csv(files / "taste.csv")[["user", "item"]].to_numpy().T, strict=True)
    )


def test_without_taste_it_is_not_shown_to_win(files, capsys):
    assert main(["recommend", str(files / "noise.csv"), "--top", "2", "--user", "u7"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("the model is not shown to win") for line in lines)
    assert sum(line.startswith("user ") for line in lines) == 1
    assert lines[-1].startswith("119 more users")


def test_without_times_nothing_is_claimed(files, capsys):
    assert main(["recommend", str(files / "bare.csv")]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("not tested: without a column time")


def test_dates_are_seconds_and_numbers_are_names(tmp_path):
    path = tmp_path / "dates.csv"
    path.write_text("user_id,item_id,timestamp\n007,1,1970-01-02\n8,2,1970-01-01T00:00:05\n")
    table = read_ratings(path)
    assert table["time"].tolist() == [86400, 5]
    assert table["user"].tolist() == ["007", "8"]


def test_who_liked_nothing_gets_the_most_popular():
    table = drawn(True)
    table.loc[table["user"] == "u3", "rating"] = 1.0
    found = next(each for each in recommend(table) if each.user == "u3")
    assert found.n_liked == 0
    assert tuple(each.item for each in found.list) == found.popular
    assert all(each.because == () for each in found.list)


def test_who_liked_nothing_is_tested_with_the_most_popular():
    table = drawn(True)
    given = time_split(table, table["time"].quantile(0.8)).given.index
    table.loc[table.index.isin(given), "rating"] = 1.0
    assert time_test(table, like_from=4) is None  # both lists are the same


def test_few_users_are_no_test():
    assert time_test(drawn(True).head(60)) is None
    with pytest.raises(ValueError, match="a column time"):
        time_test(drawn(True).drop(columns="time"))


def test_what_a_terminal_would_obey_is_not_printed(files, capsys):
    table = drawn(True).head(60)
    table.assign(item=table["item"] + "\x1b[2J<script>").to_csv(files / "hostile.csv", index=False)
    assert main(["recommend", str(files / "hostile.csv")]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "?[2J<script>" in out


def test_too_many_pairs_are_refused(files, monkeypatch):
    monkeypatch.setattr("companion.cases.recommend.ratings.MAX_PAIRS", 1000)
    with pytest.raises(ValueError, match="at most 1,000 pairs of them, got 120 users and 80 items"):
        read_ratings(files / "taste.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "expected a CSV file of ratings, got nowhere.csv"),
        (["narrow.csv"], "expected one column user and one column item"),
        (["one.csv"], "at least two users and two items"),
        (["words.csv"], "expected numbers as ratings, got 'good' in data row 1"),
        (["days.csv"], "dates such as 2026-11-30 as times, got 'yesterday' in data row 1"),
        (["hole.csv"], "expected item in every row of hole.csv, got none in data row 40"),
        (["empty.csv"], "expected a name for every column"),
        (["picture.csv"], "expected text in UTF-8"),
        (["taste.csv", "--top", "0"], "at least one place, got 0"),
        (["taste.csv", "--like-from", "9"], "expected ratings of at least 9.0, got none above 5.0"),
        (["bare.csv", "--like-from", "3"], "expected a column rating"),
        (["taste.csv", "--user", "nobody"], "expected a user of taste.csv, got 'nobody'"),
        (["taste.csv", "--out", "no/such/folder.csv"], "expected --out in a folder that exists"),
    ],
)
def test_what_a_user_can_put_right_is_one_line(files, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(files)
    assert main(["recommend", *arguments]) == 2
    errors = capsys.readouterr().err
    assert re.fullmatch("error: expected .*\n", errors)
    assert re.search(message, errors)
