import numpy as np
import pytest
import torch
from scipy import stats

from companion.models.sampling import keep_likeliest, sample

LOGITS = torch.tensor([[2.0, -1.0, 0.5, 1.5, -3.0, 0.0, 1.0], [0.0, 3.0, -2.0, 1.0, 0.25, -1.0, 2.0]])


@pytest.mark.parametrize("top_k", [1, 3, 7, 50])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 1.0])
def test_filters_equal_those_of_transformers(top_k, top_p):
    processors = pytest.importorskip("transformers").generation.logits_process
    theirs = processors.TopKLogitsWarper(top_k)(None, LOGITS.clone())
    theirs = processors.TopPLogitsWarper(top_p)(None, theirs)
    torch.testing.assert_close(keep_likeliest(LOGITS, top_k=top_k, top_p=top_p), theirs)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_tempered_distribution(temperature):
    generator = torch.Generator().manual_seed(0)
    n = 20_000
    drawn = sample(LOGITS[:1].expand(n, -1), temperature=temperature, generator=generator)
    expected = (LOGITS[0] / temperature).softmax(dim=-1).double().numpy() * n
    assert stats.chisquare(np.bincount(drawn, minlength=7), expected * n / expected.sum()).pvalue > 1e-3


def test_temperature_zero_is_greedy_and_a_seed_repeats():
    assert sample(LOGITS, temperature=0).tolist() == [0, 1]
    first, second = (sample(LOGITS.repeat(50, 1), generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)


def test_equal_logits_are_kept_to_the_exact_probability():
    assert keep_likeliest(torch.zeros(1, 4), top_p=0.5).isfinite().sum() == 2


@pytest.mark.parametrize(
    "options", [{"temperature": -1}, {"temperature": float("nan")}, {"top_k": 0}, {"top_p": 0}, {"top_p": 1.5}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"expected {next(iter(options))}"):
        sample(LOGITS, **options)
