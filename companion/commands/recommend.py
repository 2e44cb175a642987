"""``python -m companion recommend``: ratings in, for each user what, why, beside the most popular."""

import argparse
from pathlib import Path

import pandas as pd

from companion.cases.recommend import Recommendation, read_ratings, recommend, time_test
from companion.commands.options import reader
from companion.commands.terminal import plain

_SHOWN = 10


def add(parser: argparse.ArgumentParser) -> None:
    """Adds the command's options."""
    text = "CSV file with columns user and item, and perhaps rating, time and title"
    parser.add_argument("ratings", type=reader(str, "ratings"), metavar="FILE", help=text)
    for name, kind, default, text in (
        ("user", str, None, f"the only user to print (default: the first {_SHOWN})"),
        ("top", int, 5, "items of a list (default: 5)"),
        ("like-from", float, None, "rating from which on a user likes an item (default: the file's median)"),
        ("out", str, None, "CSV file for a row a recommended item, of all users"),
    ):
        flag, metavar = f"--{name}", {float: "X", str: "TEXT", int: "N"}[kind]
        parser.add_argument(flag, type=reader(kind, flag), default=default, metavar=metavar, help=text)


def run(options: argparse.Namespace) -> None:
    """Reads the ratings, tests the model by time, and prints the lists."""
    if options.out is not None and not Path(options.out).parent.is_dir():
        raise FileNotFoundError(f"expected --out in a folder that exists, got {options.out}")
    ratings = read_ratings(options.ratings)
    found = recommend(ratings, k=options.top, like_from=options.like_from)
    chosen = [each for each in found if each.user == options.user] if options.user is not None else found[:_SHOWN]
    if not chosen:
        raise ValueError(f"expected a user of {options.ratings}, got {options.user!r}, who has no rating there")
    if options.out is not None:
        pd.DataFrame(_rows(found)).to_csv(options.out, index=False)
    print(f"{len(found)} users, {ratings['item'].nunique()} items, {len(ratings)} ratings")
    _print_test(ratings, options.like_from)
    for each in chosen:
        _print_list(each)
    if len(found) > len(chosen):
        print(f"{len(found) - len(chosen)} more users: --user U prints one, --out FILE writes all of them")


def _print_test(ratings: pd.DataFrame, like_from: float | None) -> None:
    if "time" not in ratings.columns:
        print("not tested: without a column time nobody knows whether the model beats the most popular")
        return
    test = time_test(ratings, like_from=like_from)
    if test is None:
        print("not tested: too few users rated something later; show the most popular")
        return
    print(f"tested on {test.n_users} users of the newest fifth of the ratings: NDCG@10 {test.ndcg:.3f}, which is")
    for name, over in (("the most popular", test.over_popular), ("the most popular lately", test.over_recent)):
        print(f"  {over.estimate:+.3f} ({over.low:+.3f} to {over.high:+.3f}) over {name}")
    print("the model wins" if test.wins else "the model is not shown to win: show the most popular, and test again")


def _print_list(each: Recommendation) -> None:
    print(f"user {plain(each.user)}, {each.n_liked} liked{'' if each.n_liked else ': the most popular instead'}")
    for place in each.list:
        why = f", because of {plain(' and '.join(place.because))}" if place.because else ""
        print(f"  {plain(place.item)}, liked by {place.popularity}{why}")
    print(f"  most popular: {plain('; '.join(each.popular))}")


def _rows(found: list[Recommendation]) -> list[dict[str, object]]:
    return [
        {
            "user": each.user,
            "place": place,
            "item": entry.item,
            "because": "; ".join(entry.because),
            "liked_by": entry.popularity,
            "most_popular": popular,
        }
        for each in found
        for place, (entry, popular) in enumerate(zip(each.list, each.popular, strict=True), 1)
    ]
