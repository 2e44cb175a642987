"""Which linear layers of a model are hidden: Muon is for these, and not for a model's first and last layers."""

from torch import nn


def hidden_layers(model: nn.Module) -> list[nn.Linear]:
    """The linear layers that lead from hidden numbers to hidden numbers, as the way a model is built shows them.

    They stand in a list of blocks or layers (``nn.ModuleList``, ``nn.Sequential``). A layer outside of all lists is
    not hidden (``lm_head``, a classifier's head, a pooler, a projection), nor is one whose weights are an embedding's.
    Where no matrix comes before a list, its first block or layer is the model's input. Where none comes after it, its
    last one is the output, but for a block of a model with an embedding, whose weights are then the output's.

    Example:
        >>> from companion.models import GPT, GPTConfig, MLP, MLPConfig
        >>> sizes = {"vocab_size": 41, "block_size": 11, "n_layer": 1, "n_head": 2, "n_embd": 16}
        >>> model = GPT(GPTConfig(**sizes, tied=False))
        >>> model.lm_head in hidden_layers(model), len(hidden_layers(model))
        (False, 4)
        >>> hidden_layers(MLP(MLPConfig(sizes=(7, 13, 5, 3))))
        [Linear(in_features=13, out_features=5, bias=True)]
    """
    modules = dict(model.named_modules())
    embeddings = {id(module.weight) for module in modules.values() if isinstance(module, nn.Embedding)}
    blocks = [_block(name, modules) for name, parameter in model.named_parameters() if parameter.ndim >= 2]
    ends = {None, *blocks[:1]}
    if not embeddings or isinstance(modules.get(blocks[-1] or ""), nn.Linear):
        ends.update(blocks[-1:])
    return [
        module
        for name, module in modules.items()
        if isinstance(module, nn.Linear) and id(module.weight) not in embeddings and _block(name, modules) not in ends
    ]


def _block(name: str, modules: dict[str, nn.Module]) -> str | None:
    """The element of the outermost list that what is called ``name`` belongs to; None outside of all lists."""
    parts = name.split(".")
    for depth in range(len(parts)):
        if isinstance(modules.get(".".join(parts[:depth])), nn.ModuleList | nn.Sequential):
            return ".".join(parts[: depth + 1])
    return None
