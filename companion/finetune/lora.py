r"""Low-rank adaptation (Hu et al. 2022, arXiv:2106.09685): a trained matrix stays, a product of two thin ones moves.

For a linear layer with weights :math:`W_0` of shape [out, in], rank :math:`r` and a constant :math:`\alpha`,

.. math:: y = W_0 x + \frac{\alpha}{r} B A x, \qquad A \in \mathbb{R}^{r \times \text{in}}, \quad
    B \in \mathbb{R}^{\text{out} \times r}

:math:`B` starts at 0, so the model starts as it was. Departure from the paper, as in peft: :math:`A` starts uniform, as
torch's linear layers do, not normal. Where queries, keys and values are one layer of ours and three of Llama's, each
has its own :math:`A` and :math:`B`, as in peft.

Axes: in, out (numbers before and after a layer); rank.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes, is_number
from companion.models import GPT
from companion.models.hub.layers import LayerPart, layer_parts
from companion.models.hub.llama import fits as fits_llama


@dataclass(frozen=True, kw_only=True)
class LoRAConfig:
    """Which layers get an adapter, and how large it is; the fields are peft's.

    Attributes:
        r: rank of each adapter.
        lora_alpha: what the product is multiplied by, times ``r``: twice the rank doubles no step.
        lora_dropout: probability with which inputs of the adapter are dropped in training.
        target_modules: names of layers, as the model's folder has them: ``q_proj``, ``k_proj``, ``v_proj``, ``o_proj``,
            ``gate_proj``, ``up_proj``, ``down_proj`` of a Llama; ``c_attn``, ``c_proj``, ``c_fc`` of a GPT-2. None
            for queries and values (of a GPT-2 ``c_attn``), as in the paper.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> LoRAConfig(r=4, lora_alpha=8).scaling
        2.0
    """

    r: int = 8
    lora_alpha: float = 16
    lora_dropout: float = 0.0
    target_modules: Sequence[str] | None = None

    def __post_init__(self) -> None:
        check_sizes(self, "r")
        if not is_number(self.lora_alpha) or not 0 < self.lora_alpha < math.inf:
            raise ValueError(f"expected lora_alpha above 0, got {self.lora_alpha!r}")
        if not is_number(self.lora_dropout) or not 0 <= self.lora_dropout < 1:
            raise ValueError(f"expected lora_dropout from 0 to below 1, got {self.lora_dropout!r}")
        if isinstance(self.target_modules, str) or (self.target_modules is not None and not self.target_modules):
            raise ValueError(f"expected target_modules as a list of names, got {self.target_modules!r}")
        if self.target_modules is not None:
            object.__setattr__(self, "target_modules", tuple(self.target_modules))

    @property
    def scaling(self) -> float:
        """What multiplies the product of the two matrices."""
        return self.lora_alpha / self.r


class LoRALinear(nn.Module):
    """A frozen linear layer, and adapters for some of its outputs.

    Args:
        base: the layer; its parameters are frozen.
        parts: what each stretch of its outputs is called elsewhere, in order; together they are all outputs.
        config: of the adapters.

    Example:
        >>> parts = LayerPart("q", 5), LayerPart("v", 4)
        >>> layer = LoRALinear(nn.Linear(6, 9), parts, LoRAConfig(target_modules=["v"]))
        >>> layer(torch.ones(2, 6)).shape, [tuple(p.shape) for p in layer.parameters() if p.requires_grad]
        (torch.Size([2, 9]), [(8, 6), (4, 8)])
    """

    def __init__(self, base: nn.Linear, parts: Sequence[LayerPart], config: LoRAConfig) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.parts = tuple(parts)
        self.scaling = config.scaling
        self.dropout = nn.Dropout(config.lora_dropout) if config.lora_dropout else nn.Identity()
        chosen = [part for part in parts if config.target_modules is None or part.name in config.target_modules]
        empty = partial(torch.empty, device=base.weight.device)  # in fp32: half precision would lose small steps
        self.lora_A = nn.ParameterDict({part.name: nn.Parameter(empty(config.r, base.in_features)) for part in chosen})
        self.lora_B = nn.ParameterDict({part.name: nn.Parameter(empty(part.rows, config.r)) for part in chosen})
        for matrix in self.lora_A.values():
            nn.init.kaiming_uniform_(matrix, a=math.sqrt(5))
        for matrix in self.lora_B.values():
            nn.init.zeros_(matrix)
        self.train(base.training)  # a layer is made in training mode: of a model that only answers, inputs would drop

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """What the layer gives, with what the adapters add to it."""
        y, thin = self.base(x), self.dropout(x)
        if len(self.parts) == 1:
            return y + self._added(self.parts[0].name, thin).to(y.dtype)
        pieces = zip(self.parts, y.split([part.rows for part in self.parts], dim=-1), strict=True)
        return torch.cat(
            [rows + self._added(part.name, thin).to(y.dtype) if part.name in self.lora_A else rows
             for part, rows in pieces], dim=-1
        )  # fmt: skip

    def _added(self, name: str, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch rows"]:
        a = self.lora_A[name]
        return F.linear(F.linear(x.to(a.dtype), a), self.lora_B[name]) * self.scaling

    def extra_repr(self) -> str:
        """What shapes do not show, for ``print``, and for a run that asks whether it goes on with the same model."""
        return f"{', '.join(self.lora_A)}, scaling={self.scaling}"

    @torch.no_grad()
    def merged(self) -> nn.Linear:
        """The layer with the adapters added to its weights, which are changed in place."""
        for part, rows in zip(self.parts, self.base.weight.split([part.rows for part in self.parts]), strict=True):
            if part.name in self.lora_A:
                rows += (self.scaling * self.lora_B[part.name] @ self.lora_A[part.name]).to(rows.dtype)
        return self.base


def add_lora(model: GPT, config: LoRAConfig | None = None) -> GPT:
    """Freezes a GPT and puts adapters beside its layers, in place; :func:`companion.training.fit` then trains these.

    Draws from torch's global generator: seed it, for the same start.

    Args:
        model: a GPT without adapters.
        config: of the adapters; None for the defaults.

    Returns:
        The same model.

    Raises:
        ValueError: for a model that has adapters already, or a name that is none of its layers.

    Example:
        >>> from companion.models import GPTConfig
        >>> model = GPT(GPTConfig(vocab_size=257, block_size=64, n_layer=2, n_head=4, n_embd=32))
        >>> model = add_lora(model, LoRAConfig(r=2, target_modules=["c_attn", "c_proj"]))
        >>> sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
        1408
    """
    config = LoRAConfig() if config is None else config
    check_plain(model)
    parts = layer_parts(model.config)
    known = sorted({part.name for each in parts.values() for part in each})
    targets = _default_targets(model) if config.target_modules is None else config.target_modules
    if unknown := [name for name in targets if name not in known]:
        raise ValueError(f"expected target_modules among {', '.join(known)}, got {', '.join(unknown)}")
    chosen = LoRAConfig(
        r=config.r, lora_alpha=config.lora_alpha, lora_dropout=config.lora_dropout, target_modules=targets
    )
    model.requires_grad_(False)
    for path, each in parts.items():
        if any(part.name in targets for part in each):
            parent, _, name = path.rpartition(".")
            layer = LoRALinear(model.get_submodule(path), each, chosen)  # type: ignore[arg-type]  # they are linear
            setattr(model.get_submodule(parent), name, layer)
    return model


def merge_and_unload(model: GPT) -> GPT:
    """Adds the adapters to the weights and takes them off, in place: a plain GPT, all of whose weights are trainable.

    Merged, a model costs nothing more to run, and :meth:`companion.models.GPT.save_pretrained` writes it for others.
    Logits change by rounding only.

    Raises:
        ValueError: for a model without adapters.

    Example:
        >>> from companion.models import GPTConfig
        >>> model = add_lora(GPT(GPTConfig(vocab_size=257, block_size=64, n_layer=2, n_head=4, n_embd=32)))
        >>> tokens = torch.arange(10)[None]
        >>> before = model(tokens)
        >>> bool((merge_and_unload(model)(tokens) - before).abs().max() < 1e-6)
        True
    """
    layers = lora_layers(model)
    if not layers:
        raise ValueError("expected a model with adapters, got one that has none: add_lora(model) or load_adapter first")
    for path, layer in layers.items():
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, layer.merged())
    return model.requires_grad_(True)


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """The layers with adapters, by their paths."""
    return {path: layer for path, layer in model.named_modules() if isinstance(layer, LoRALinear)}


def check_plain(model: GPT) -> None:
    """Refuses a model that has adapters, or whose layers are no linear ones of torch's, such as a quantized one."""
    if lora_layers(model):
        raise ValueError("expected a model without adapters, got one that has some: merge_and_unload(model) first")
    for path in layer_parts(model.config):
        if not isinstance(layer := model.get_submodule(path), nn.Linear):
            kind = type(layer).__name__
            raise ValueError(f"expected a plain model, got {kind} as {path}: adapt it, merge, and quantize then")


def _default_targets(model: GPT) -> tuple[str, ...]:
    if fits_llama(model.config):
        return ("q_proj", "v_proj")
    return ("c_attn",)
