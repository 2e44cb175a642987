"""A GPT with all its matrices in 8 or 4 bits, in memory and on disk."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn

from companion.compress.embedding import QuantizedEmbedding
from companion.compress.linear import QuantizedLinear
from companion.models import GPT
from companion.models.hub.folder import read_json
from companion.models.hub.gpt import own_config
from companion.models.hub.unfilled import unfilled
from companion.models.hub.weights import load_weights, named_weights

_CONFIG, _WEIGHTS = "config.json", "model.safetensors"


def quantize(model: GPT, *, bits: int = 8, group_size: int = 64, moments: Mapping[str, Tensor] | None = None) -> GPT:
    """Puts a GPT's matrices into 8 or 4 bits, in place: for writing on the CPU, smaller and faster.

    Embeddings and output layer get 8 bits in either case: the output layer decides between tokens, and llama.cpp keeps
    it finer as well. Normalizations, biases and learned positions stay as they are. What was pruned stays 0 in 8 bits;
    in 4 bits it does not, for a group's scale starts at its least weight.

    Args:
        model: a plain GPT on the CPU, which is changed.
        bits: of the layers inside the blocks: 8, with a scale a row; or 4, with scale and offset a group. Groups of 32
            give the assistant of :func:`companion.models.smollm2` its own 4-bit weights back.
        group_size: with 4 bits, inputs that share a scale: 32, 64, 128 or 256.
        moments: of the inputs of each layer, from :func:`input_moments`, to round the layers inside the blocks by
            :func:`gptq`; None rounds to the nearest.

    Returns:
        The same model, in evaluation mode.

    Raises:
        ValueError: for a model that has been quantized or has adapters, sits on another device, or whose sizes the
            kernels do not take, or moments that lack a layer; the model is as it was then.

    Example:
        >>> import torch
        >>> from companion.models import GPTConfig
        >>> config = GPTConfig(vocab_size=101, block_size=16, n_layer=2, n_head=4, n_embd=64)
        >>> model = quantize(GPT(config), bits=4)
        >>> model.generate(torch.tensor([[1, 2, 3]]), 5, seed=0).shape
        torch.Size([1, 8])
    """
    layers = _linear_layers(model)
    if moments is not None and layers.keys() - moments.keys():
        lacking = sorted(layers.keys() - moments.keys())
        raise ValueError(f"expected moments of each layer, got none of {lacking[:2]}: input_moments(model, tokens)")
    given = {} if moments is None else moments
    made = {
        path: QuantizedLinear.from_linear(each, bits=bits, group_size=group_size, moments=given.get(path))
        for path, each in layers.items()
    }
    table = QuantizedEmbedding.from_embedding(model.wte)
    head = table.head() if model.lm_head is None else QuantizedLinear.from_linear(model.lm_head)
    return _put(model, made, table, head)


def model_bytes(model: nn.Module) -> int:
    """What a model's parameters and buffers take in memory; what two layers share counts once.

    Example:
        >>> model_bytes(nn.Linear(10, 7))
        308
    """
    tensors = [*model.parameters(), *model.buffers()]
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())


def save_quantized(model: GPT, folder: str | Path) -> None:
    """Writes a quantized GPT, as small as it is in memory: ``config.json`` and ``model.safetensors``.

    Raises:
        ValueError: for a model that is not quantized.

    Example:
        >>> import tempfile
        >>> import torch
        >>> from companion.models import GPTConfig
        >>> config = GPTConfig(vocab_size=101, block_size=16, n_layer=2, n_head=4, n_embd=64)
        >>> model, folder = quantize(GPT(config)), tempfile.mkdtemp()
        >>> save_quantized(model, folder)
        >>> tokens = torch.tensor([[1, 2, 3]])
        >>> with torch.no_grad():
        ...     print(torch.equal(load_quantized(folder)(tokens), model(tokens)))
        True
    """
    layer = next((each for each in model.modules() if isinstance(each, QuantizedLinear)), None)
    if layer is None:
        raise ValueError("expected a quantized model, got a plain one: quantize(model) first, or model.save_pretrained")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    told = {"bits": layer.bits, "group_size": layer.group_size}
    config = {"model_type": "companion_gpt_quantized", "quantization": told, **dataclasses.asdict(model.config)}
    save_file({name: tensor.contiguous() for name, tensor in named_weights(model).items()}, folder / _WEIGHTS)
    (folder / _CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf8")


def load_quantized(folder: str | Path) -> GPT:
    """The GPT that :func:`save_quantized` wrote, in evaluation mode; weights in float32 never exist.

    Raises:
        FileNotFoundError: where one of the files is missing.
        ValueError: for another kind of folder, or weights that do not fit its config.
    """
    folder = Path(folder)
    told = read_json(folder / _CONFIG)
    if told.get("model_type") != "companion_gpt_quantized":
        raise ValueError(f"expected a folder that save_quantized wrote, got model_type {told.get('model_type')!r}")
    config = own_config(told)
    with unfilled():  # each weight is replaced
        model = GPT(config)
    made = {
        path: QuantizedLinear(each.in_features, each.out_features, bias=each.bias is not None, **told["quantization"])
        for path, each in _linear_layers(model).items()
    }
    table = QuantizedEmbedding(config.vocab_size, config.n_embd)
    head = table.head() if config.tied else QuantizedLinear(config.n_embd, config.vocab_size)
    _put(model, made, table, head)
    # Copied, since a file's tensors begin anywhere in memory, and the kernels take aligned ones.
    weights = {name: tensor.clone() for name, tensor in load_weights(folder / _WEIGHTS).items()}
    tied = {f"lm_head.{name}": weights[f"wte.{name}"] for name in ("codes", "scales")} if config.tied else {}
    try:
        model.load_state_dict(weights | tied, assign=True)
    except RuntimeError as error:  # torch's, which names what is missing, unknown or of another shape
        raise ValueError(f"expected the weights that {folder / _CONFIG} tells of, got others: {error}") from error
    return model


def _linear_layers(model: GPT) -> dict[str, nn.Linear]:
    """The linear layers inside the blocks, by their paths."""
    if not isinstance(model.wte, nn.Embedding) or any("lora_" in name for name, _ in model.named_parameters()):
        raise ValueError("expected a plain GPT, got one that is quantized or has adapters: merge these first")
    return {f"h.{path}": each for path, each in model.h.named_modules() if isinstance(each, nn.Linear)}


def _put(model: GPT, layers: dict[str, QuantizedLinear], table: QuantizedEmbedding, head: QuantizedLinear) -> GPT:
    for path, layer in layers.items():
        model.set_submodule(path, layer)
    model.set_submodule("wte", table)
    model.lm_head = head  # type: ignore[assignment]  # it takes the place of a linear layer
    return model.eval()
