"""Whatever evaluates a model gives every module the mode back that it had."""

import numpy as np
import pytest
import torch
from torch import nn

from companion.data import TensorBatches, TokenBatches
from companion.models import GAN, GPT, GANConfig, GPTConfig, Seq2Seq, Seq2SeqConfig, Transformer, TransformerConfig
from companion.models.modes import evaluating
from companion.training import token_losses, validate


def gpt():
    return GPT(GPTConfig(vocab_size=41, block_size=11, n_layer=2, n_head=2, n_embd=16, dropout=0.5))


def tokens(*shape, high=41):
    return torch.randint(3, high, shape)


def seq2seq():
    return Seq2Seq(Seq2SeqConfig(source_vocab=11, target_vocab=13, n_embd=7, n_hidden=17))


def transformer():
    return Transformer(TransformerConfig(source_vocab=11, target_vocab=13, n_embd=16, n_head=2, n_layer=1))


TEXT = np.arange(97) % 41
CALLS = {
    "generate": (gpt, lambda model: model.generate(tokens(2, 3), 4)),
    "token_losses": (gpt, lambda model: token_losses(model, TEXT)),
    "validate": (gpt, lambda model: validate(model, TokenBatches(TEXT, TEXT, block_size=11), 2)),
    "translate": (seq2seq, lambda model: model.generate(tokens(2, 5, high=11), max_new_tokens=4)),
    "transformer": (transformer, lambda model: model.generate(tokens(2, 5, high=11), tokens(2, 1, high=13), 4)),
    "sample": (lambda: GAN(GANConfig(shape=(1, 16, 16), hidden=(6, 3))), lambda model: model.sample(2, seed=0)),
}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("training", [True, False])
def test_what_evaluates_gives_the_modes_back(name, training):
    build, call = CALLS[name]
    model = build().train(training)
    frozen = list(model.modules())[-1].eval()  # as somebody sets a batch norm that is not to learn
    before = [module.training for module in model.modules()]
    call(model)
    assert [module.training for module in model.modules()] == before
    assert not frozen.training


def test_the_modes_come_back_after_an_error():
    model = nn.Sequential(nn.Dropout(), nn.Linear(2, 2)).train()

    class Broken(TensorBatches):
        def validation(self, batch_size):
            raise OSError("the disk went")

    model.loss = lambda x: model(x).mean()
    with pytest.raises(OSError, match="disk"):
        validate(model, Broken((torch.ones(3, 2),)), 3)
    assert model.training
    with evaluating(model):
        assert not model[0].training
    assert model[0].training
