"""Which parameters each optimizer moves."""

from itertools import chain

import pytest
import torch
from torch import nn

from companion.models import (
    CLIP,
    GPT,
    MLP,
    CLIPConfig,
    ConvNet,
    ConvNetConfig,
    GPTConfig,
    MLPConfig,
    ResNet,
    ResNetConfig,
    Seq2Seq,
    Seq2SeqConfig,
    Transformer,
    TransformerConfig,
)
from companion.training import TrainConfig
from companion.training.optimizers import make_optimizers


def by_muon(model, **options):
    config = TrainConfig(steps=2, batch_size=1, optimizer="muon", **options)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    optimizers = make_optimizers(model, config)
    moved = [[id(p) for group in each.param_groups for p in group["params"]] for each in optimizers]
    assert sorted(chain(*moved)) == sorted(id(p) for p in model.parameters() if p.requires_grad)  # each by one
    muon = [ids for each, ids in zip(optimizers, moved, strict=True) if isinstance(each, torch.optim.Muon)]
    return {names[each] for ids in muon for each in ids}


def linear(model):
    return {f"{name}.weight" for name, module in model.named_modules() if isinstance(module, nn.Linear)}


def gpt(**options):
    return GPT(GPTConfig(vocab_size=41, block_size=11, n_layer=2, n_head=2, n_embd=16, **options))


TEXT = {"source_vocab": 11, "target_vocab": 13}
MODELS = {
    "gpt": (gpt(), set()),
    "untied gpt": (gpt(tied=False), {"lm_head.weight"}),
    "transformer": (Transformer(TransformerConfig(**TEXT, n_embd=16, n_head=2, n_layer=1)), set()),
    "seq2seq": (Seq2Seq(Seq2SeqConfig(**TEXT, n_embd=7, n_hidden=17)), {"score", "combine", "head"}),
    "mlp": (MLP(MLPConfig(sizes=(7, 13, 5, 11, 3))), {"layers.0", "layers.3"}),
    "convnet": (ConvNet(ConvNetConfig()), {"head"}),
    "resnet": (ResNet(ResNetConfig()), {"head"}),
    "clip": (CLIP(CLIPConfig(vocab_size=11, block_size=7)), {"image_tower.projection", "text_tower.projection"}),
}


@pytest.mark.parametrize("name", MODELS)
def test_muon_moves_the_hidden_layers_of_the_zoo(name):
    model, ends = MODELS[name]
    ends = {end if end.endswith(".weight") else f"{end}.weight" for end in ends}
    assert ends <= linear(model)
    assert by_muon(model) == linear(model) - ends


def test_a_head_in_a_sequence_moves_by_adamw_tied_or_not():
    block = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 5))
    model = nn.Sequential(nn.Embedding(11, 5), block, nn.Linear(5, 11))
    assert by_muon(model) == {"1.0.weight", "1.2.weight"}
    model[2].weight = model[0].weight
    assert by_muon(model) == {"1.0.weight", "1.2.weight"}


def test_a_plain_layer_and_what_is_frozen_are_not_hidden():
    assert by_muon(nn.Linear(3, 5)) == set()
    model = gpt()
    model.get_submodule("h.0.mlp.c_fc").weight.requires_grad_(False)
    assert by_muon(model) == linear(model) - {"h.0.mlp.c_fc.weight"}
