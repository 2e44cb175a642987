"""What the linear layers inside a GPT's blocks are called in its folder, so that adapters can be exchanged."""

from dataclasses import dataclass

from companion.models.gpt_config import GPTConfig
from companion.models.hub import gpt2, llama


@dataclass(frozen=True)
class LayerPart:
    """Rows of one of our linear layers that are a layer of its own elsewhere.

    Attributes:
        path: of the layer elsewhere, such as ``model.layers.0.self_attn.q_proj``.
        rows: number of its outputs.
    """

    path: str
    rows: int

    @property
    def name(self) -> str:
        """The last part of the path, by which adapters choose their layers."""
        return self.path.rpartition(".")[2]


def layer_parts(config: GPTConfig) -> dict[str, tuple[LayerPart, ...]]:
    """The parts of each linear layer inside the blocks, in the order of its outputs, by our path of the layer.

    A Llama's queries, keys and values are three layers, which are one of ours; a GPT-2's are one in both.
    """
    shapes = _rows(config)
    parts: dict[str, tuple[LayerPart, ...]] = {}
    for layer in range(config.n_layer):
        for ours, rows in shapes.items():
            path = f"h.{layer}.{ours}"
            if llama.fits(config):
                theirs = llama.layer_path(path)
                apart = [theirs.replace("qkv_proj", f"{part}_proj") for part in "qkv"]
                names = apart if "qkv_proj" in theirs else [theirs]
            else:
                prefix = "transformer." if gpt2.fits(config) else ""
                names, rows = [prefix + path], (sum(rows),)
            parts[path] = tuple(LayerPart(name, count) for name, count in zip(names, rows, strict=True))
    return parts


def _rows(config: GPTConfig) -> dict[str, tuple[int, ...]]:
    """The outputs of each linear layer of a block, apart for queries, keys and values."""
    heads = tuple(count * config.head_dim for count in (config.n_head, config.kv_heads, config.kv_heads))
    gate = {"mlp.c_gate": (config.inner,)} if config.feed_forward == "swiglu" else {}
    return {
        "attn.c_attn": heads,
        "attn.c_proj": (config.n_embd,),
        **gate,
        "mlp.c_fc": (config.inner,),
        "mlp.c_proj": (config.n_embd,),
    }
