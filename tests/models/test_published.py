import dataclasses

import pytest
import torch

from companion.economics.compute import parameter_count, six_nd
from companion.models import BERT, GPT, PUBLISHED, BERTClassifierConfig, GPTConfig

#: What the releases of GPT-2, Llama 2 and Llama 3 have.
EXACT = {
    "GPT-2 small": 124_439_808,
    "GPT-2 medium": 354_823_168,
    "GPT-2 large": 774_030_080,
    "GPT-2 XL": 1_557_611_200,
    "Llama-2 7B": 6_738_415_616,
    "Llama-2 13B": 13_015_864_320,
    "Llama-2 70B": 68_976_648_192,
    "Llama-3 8B": 8_030_261_248,
    "Llama-3 70B": 70_553_706_496,
    "Llama-3.1 405B": 405_853_388_800,
}
#: Millions of parameters in tables 2.1 and D.1 of Brown et al. 2020.
ROUNDED = {
    "GPT-3 125M": (125, 125),
    "GPT-3 350M": (350, 356),
    "GPT-3 760M": (760, 760),
    "GPT-3 1.3B": (1_300, 1_320),
    "GPT-3 2.7B": (2_700, 2_650),
    "GPT-3 6.7B": (6_700, 6_660),
    "GPT-3 13B": (13_000, 12_850),
    "GPT-3 175B": (175_000, 174_600),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_count_by_formula_is_that_of_the_model(name):
    config = PUBLISHED[name]
    with torch.device("meta"):
        model = GPT(config) if isinstance(config, GPTConfig) else BERT(config)
    assert parameter_count(PUBLISHED[name]) == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize(("name", "count"), EXACT.items())
def test_the_count_is_the_published_one(name, count):
    assert parameter_count(PUBLISHED[name]) == count


@pytest.mark.parametrize(("name", "millions"), ROUNDED.items())
def test_the_count_is_the_rounded_one(name, millions):
    in_2_1, in_d_1 = millions
    count = parameter_count(PUBLISHED[name]) / 1e6
    assert count == pytest.approx(in_2_1, rel=0.018)
    assert count == pytest.approx(in_d_1, rel=0.0035 if name == "GPT-3 1.3B" else 0.002)


@pytest.mark.parametrize(
    ("name", "encoder_and_pooler"),  # transformers.BertModel of bert-base-uncased and bert-large-uncased
    [("BERT base", 109_482_240), ("BERT large", 335_141_888)],
)
def test_bert_has_its_published_size(name, encoder_and_pooler):
    config = BERTClassifierConfig(**vars(PUBLISHED[name]), n_classes=2)
    assert parameter_count(config) - (2 * config.n_embd + 2) == encoder_and_pooler


def test_table_d_1_decides_for_a_width_of_5120():
    as_printed = dataclasses.replace(PUBLISHED["GPT-3 13B"], n_embd=5_140, n_head=20)
    assert round(parameter_count(as_printed) / 1e6) == 12_953


def test_six_nd_gives_the_operations_of_table_d_1():
    count = parameter_count(PUBLISHED["GPT-3 175B"])
    assert six_nd(count, 300 * 10**9) == pytest.approx(3.14e23, rel=0.01)
