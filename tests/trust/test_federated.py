"""One local step is the centralized one, sums come out although no message tells anything, records are counted."""

import hashlib

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import kstest
from torch import nn

from companion.trust import fedavg, k_anonymity, mask, pseudonymize, secure_sum


def test_one_step_of_all_clients_is_one_step_on_all_data():
    torch.manual_seed(0)
    x, y = torch.randn(60, 5, dtype=torch.float64), torch.randint(3, (60,))
    start = nn.Linear(5, 3, dtype=torch.float64).state_dict()

    def stepped(rows):
        model = nn.Linear(5, 3, dtype=torch.float64)
        model.load_state_dict(start)
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        torch.optim.SGD(model.parameters(), lr=0.5).step()
        return {name: tensor.detach() for name, tensor in model.state_dict().items()}

    parts = [slice(0, 10), slice(10, 25), slice(25, 60)]
    averaged = fedavg([stepped(part) for part in parts], [10, 15, 35])
    whole = stepped(slice(0, 60))
    assert all(torch.allclose(averaged[name], whole[name], atol=1e-14, rtol=0) for name in whole)


def seeds_of(n, seed=0):
    upper = np.triu(np.random.default_rng(seed).integers(2**63, size=(n, n)), 1)
    return upper + upper.T


def test_the_sum_comes_out_and_a_message_looks_random():
    rng = np.random.default_rng(1)
    values = rng.normal(0, 100, (5, 2_000))
    seeds = seeds_of(5)
    sent = [mask(row, k, seeds) for k, row in enumerate(values)]
    assert secure_sum(sent) == pytest.approx(values.sum(axis=0), abs=5 / 2**24)
    for message in sent:
        assert kstest(message / 2.0**64, "uniform").pvalue > 1e-3
    partial = secure_sum(sent[:4])  # one is missing: nothing can be read
    assert np.abs(partial - values[:4].sum(axis=0)).min() > 1


def test_codes_link_and_a_plain_hash_is_guessed():
    names = pd.Series(["Ada", "Bob", None, "Ada"])
    codes = pseudonymize(names, b"0123456789abcdef")
    assert codes[0] == codes[3] != codes[1]
    assert codes.isna().tolist() == [False, False, True, False]
    assert codes[0] != pseudonymize(names, b"another key, as long")[0]
    assert codes[0] != hashlib.sha256(b"Ada").hexdigest()[:32]


def test_groups_are_counted_with_missing_values_as_one():
    table = pd.DataFrame({"zip": ["1", "1", None, None, "2"], "born": [1980, 1980, 1990, 1990, 1980]})
    assert k_anonymity(table, ["zip", "born"]).tolist() == [2, 2, 2, 2, 1]
    assert k_anonymity(table, ["born"]).min() == 2


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: fedavg([], []), "positive number of examples"),
        (lambda: fedavg([{"a": torch.ones(2)}], [0]), "number of examples of each client of at least 1"),
        (lambda: fedavg([{"a": torch.ones(2)}, {"a": torch.ones(3)}], [1, 1]), "same weights"),
        (lambda: mask(np.ones(2), 3, seeds_of(3)), "client 3"),
        (lambda: mask(np.ones(2), 0, np.array([[0, 1], [2, 0]])), "symmetric"),
        (lambda: mask(np.array([2.0**31]), 0, seeds_of(2)), "scale them"),
        (lambda: secure_sum([]), "a message"),
        (lambda: pseudonymize(pd.Series(["a"]), b"short"), "16 bytes"),
        (lambda: k_anonymity(pd.DataFrame({"a": [1]}), ["b"]), "columns of the table"),
        (lambda: k_anonymity(pd.DataFrame({"a": [1]}), []), "got none"),
    ],
)
def test_refusals(make, said):
    with pytest.raises(ValueError, match=said):
        make()
