"""Bills of an API and of a machine: a published one to the last digit, and what the list does not know."""

import sys

import numpy as np
import pandas as pd
import pytest

from companion.economics import TokenPrices, api_prices, cost_per_token, hosting_cost


def test_a_published_bill():
    # 1,000 tokens at .15, 9,000 from the cache at .075, 500 written at .60 dollars a million
    prices = api_prices("gpt-4o-mini", "openai")
    assert prices.bill(read=10_000, cached=9_000, written=500) == pytest.approx(0.001125, rel=1e-12)
    assert "genai-prices" in prices.source


def test_the_list_s_own_sum_agrees():
    genai_prices = pytest.importorskip("genai_prices")
    usage = genai_prices.Usage(input_tokens=12_345, cache_read_tokens=345, output_tokens=678)
    theirs = genai_prices.calc_price(usage, model_ref="gpt-4o", provider_id="openai").total_price
    ours = api_prices("gpt-4o", "openai").bill(read=12_345, cached=345, written=678)
    assert ours == pytest.approx(float(theirs), rel=1e-12)


def test_unknown_models_and_prices_that_depend_are_refused():
    with pytest.raises(ValueError, match="expected a model and provider of genai-prices"):
        api_prices("no such model", "openai")
    with pytest.raises(ValueError, match="expected one price a token"):
        api_prices("gemini-2.5-pro", "google")  # dearer beyond 200,000 tokens


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    with pytest.raises(ImportError, match=r"large-models-companion\[economics\]"):
        api_prices("gpt-4o-mini", "openai")


def test_a_bill_refuses_more_cached_than_read():
    prices = TokenPrices(1.0, 1.0, 0.5, "mine")
    with pytest.raises(ValueError, match="a part of the 10 tokens"):
        prices.bill(read=10, cached=11, written=0)
    with pytest.raises(ValueError, match="written"):
        prices.bill(read=10, written=-1)


def test_an_idle_machine_costs_the_same():
    draws = cost_per_token([2.0, 4.0], 1_000, [0.5, 1.0])
    assert draws == pytest.approx([2 / 1.8e6, 4 / 3.6e6])
    for wrong in ((0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 1, 1.01), (1, 1, np.nan)):
        with pytest.raises(ValueError, match="expected"):
            cost_per_token(*wrong)


def test_draws_of_pandas_are_paired_by_label_or_refused():
    price, rate = pd.Series([1.0, 2.0], index=["a", "b"]), pd.Series([10.0, 20.0], index=["b", "a"])
    with pytest.raises(ValueError, match="hourly_price and tokens_per_second with the same index"):
        cost_per_token(price, rate)
    with pytest.raises(ValueError, match="hourly_price and service with the same index"):
        hosting_cost(500_000, hourly_price=price, service=rate / 100, seconds=1.0)
