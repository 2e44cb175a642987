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


def test_the_race_is_that_of_multinomial():
    logits = torch.randn(53, 101, generator=torch.Generator().manual_seed(1))
    drawn = sample(logits, temperature=0.7, generator=torch.Generator().manual_seed(3))
    probabilities = (logits / 0.7).softmax(dim=-1)
    theirs = torch.multinomial(probabilities, 1, generator=torch.Generator().manual_seed(3))[:, 0]
    assert torch.equal(drawn, theirs)


def test_equal_logits_are_kept_to_the_exact_probability():
    assert keep_likeliest(torch.zeros(1, 4), top_p=0.5).isfinite().sum() == 2


DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("probabilities", "top_p", "count"),
    [
        ((0.5, 0.3, 0.1, 0.1), 0.8, 2),
        ((0.5, 0.3, 0.1, 0.1), 0.5, 1),
        ((0.1, 0.5, 0.1, 0.3), 0.9, 3),
        ((0.4, 0.3, 0.2, 0.1), 0.9, 3),
        ((0.05, 0.9, 0.05), 0.9, 1),
        ((0.25, 0.25, 0.25, 0.25), 0.75, 3),
        ((0.5, 0.3, 0.1, 0.1), 0.79, 2),
        ((0.5, 0.3, 0.1, 0.1), 0.81, 3),
        ((0.5, 0.3, 0.1, 0.1), 1e-12, 1),
    ],
)
def test_the_smallest_set_that_reaches_p_is_kept_in_every_dtype(dtype, probabilities, top_p, count):
    logits = torch.tensor([probabilities], dtype=torch.float64).log().to(dtype)
    kept = keep_likeliest(logits, top_p=top_p)
    assert kept.dtype is dtype
    assert kept.isfinite().sum() == count
    assert kept[0, logits[0].argmax()] == logits.max()
    drawn = sample(logits.expand(500, -1), top_p=top_p, generator=torch.Generator().manual_seed(0))
    assert len(drawn.unique()) == count


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_p_of_one_loses_nothing(dtype):
    logits = torch.linspace(0, -80, 5_003).to(dtype)[None]
    assert torch.equal(keep_likeliest(logits, top_p=1.0), logits)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("top_p", [0.05, 0.6, 0.95, 0.999])
def test_the_kept_set_is_the_smallest_over_many_tokens(dtype, top_p):
    logits = torch.randn(11, 1_009, generator=torch.Generator().manual_seed(1)).mul(3).to(dtype)
    p, kept = logits.double().softmax(dim=-1), keep_likeliest(logits, top_p=top_p).isfinite()
    reached = (p * kept).sum(dim=-1)
    least = p.masked_fill(~kept, 1).min(dim=-1).values
    assert (reached >= top_p * (1 - torch.finfo(dtype).eps * (1 - top_p)) - 1e-12).all()
    assert (reached - least < top_p).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("temperature", [1e-4, 1e-8, 1e-40, 1e-300])
def test_tiny_temperatures_are_greedy(dtype, temperature):
    drawn = sample(LOGITS.to(dtype), temperature=temperature, top_p=0.9, top_k=3)
    assert torch.equal(drawn, sample(LOGITS, temperature=0))


def test_a_huge_temperature_draws_evenly_and_never_what_is_masked():
    masked = LOGITS[:1].masked_fill(torch.arange(7) == 3, -torch.inf).expand(7_000, -1)
    drawn = sample(masked, temperature=1e300, generator=torch.Generator().manual_seed(0))
    counts = np.bincount(drawn, minlength=7)
    assert counts[3] == 0
    assert stats.chisquare(np.delete(counts, 3)).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0, 1e-8, 1.0])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_no_numbers_are_refused(temperature, value):
    bad = LOGITS.clone()
    bad[1, 4] = value
    with pytest.raises(ValueError, match="expected logits with a finite largest value, got NaN or infinity"):
        sample(bad, temperature=temperature)
    with pytest.raises(ValueError, match="expected logits with a finite largest value"):
        sample(torch.full((1, 3), -torch.inf), temperature=temperature)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
@pytest.mark.parametrize("options", [{"top_k": 0}, {"top_p": 0}, {"top_p": 1.5}, {"top_p": float("nan")}])
def test_filters_out_of_range_are_refused_at_any_temperature(options, temperature):
    with pytest.raises(ValueError, match=f"expected {next(iter(options))}"):
        sample(LOGITS, temperature=temperature, **options)
    with pytest.raises(ValueError, match=f"expected {next(iter(options))}"):
        keep_likeliest(LOGITS, **options)


@pytest.mark.parametrize(
    "options", [{"temperature": float("inf")}, {"temperature": -1}, {"temperature": float("nan")}, {"top_k": 0}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"expected {next(iter(options))}"):
        sample(LOGITS, **options)
