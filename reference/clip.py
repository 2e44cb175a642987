"""CLIP beside ``torch.nn.Sequential`` and ``torch.nn.TransformerEncoder``, with cosines divided out at the end."""

import torch
from torch import Tensor, nn

from companion.models import CLIP, CLIPConfig
from reference.attention import Rename, by_our_names, copy_and_read
from reference.case import Case
from reference.transformer import PARTS


class Reference(nn.Module):
    """Torch's own layers; vectors meet before they are brought to length 1."""

    def __init__(self, config: CLIPConfig) -> None:
        super().__init__()
        channels = zip((config.image_channels, *config.channels), config.channels, strict=False)
        layers = [(nn.Conv2d(*pair, kernel_size=3, stride=2, padding=1), nn.GELU()) for pair in channels]
        self.convolutions = nn.Sequential(*(part for layer in layers for part in layer), nn.Flatten())
        self.image_projection = nn.Linear(config.sides[-1] ** 2 * config.channels[-1], config.embed, bias=False)
        self.words = nn.Embedding(config.vocab_size, config.n_embd)
        self.positions = nn.Embedding(config.block_size, config.n_embd)
        block = nn.TransformerEncoderLayer(
            config.n_embd, config.n_head, config.n_hidden, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.text = nn.TransformerEncoder(
            block, config.n_layer, nn.LayerNorm(config.n_embd), enable_nested_tensor=False
        )
        self.text_projection = nn.Linear(config.n_embd, config.embed, bias=False)
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor, tokens: Tensor) -> Tensor:
        """The logits of each image."""
        padding = tokens == 0
        places = self.positions(torch.arange(tokens.shape[1]))
        hidden = self.text(self.words(tokens) + places, src_key_padding_mask=padding)
        x = self.image_projection(self.convolutions(images))
        y = self.text_projection(hidden.masked_fill(padding[:, :, None], torch.nan).nanmean(dim=1))
        return torch.exp(self.log_scale) * (x @ y.T) / torch.outer(x.norm(dim=1), y.norm(dim=1))


def rename(config: CLIPConfig) -> Rename:
    """From the tensors of :class:`Reference` to views by our names."""
    places = {
        "image_tower.projection": "image_projection",
        "text_tower.projection": "text_projection",
        "text_tower.words": "words",
        "text_tower.positions": "positions",
        "text_tower.encoder.norm": "text.norm",
    }
    places |= {f"image_tower.convolutions.{i}": f"convolutions.{2 * i}" for i in range(len(config.channels))}
    for layer in range(config.n_layer):
        blocks = (f"text_tower.encoder.blocks.{layer}", f"text.layers.{layer}")
        places |= {f"{blocks[0]}.{a}": f"{blocks[1]}.{b}" for a, b in PARTS["encoder"].items()}

    def by_name(theirs: dict[str, Tensor]) -> dict[str, Tensor]:
        ours = {"log_scale": theirs["log_scale"]}
        for a, b in places.items():
            found = {name.removeprefix(f"{b}."): t for name, t in theirs.items() if name.startswith(f"{b}.")}
            found = by_our_names(found) if b.endswith("attn") else found
            ours |= {f"{a}.{leaf}": tensor for leaf, tensor in found.items()}
        return ours

    return by_name


def case(*, large: bool = False) -> Case:
    """Two towers; large: 64 images of 64×64 pixels with texts of 32 words, four blocks 256 wide."""
    sizes = (
        {"vocab_size": 1_009, "block_size": 32, "image_size": 64, "channels": (32, 64, 128), "embed": 128,
         "n_embd": 256, "n_head": 8, "n_layer": 4, "n_hidden": 1_024}
        if large
        else {"vocab_size": 31, "block_size": 11, "image_size": 13, "channels": (5, 7), "embed": 17,
              "n_embd": 21, "n_head": 3, "n_layer": 2, "n_hidden": 19}
    )  # fmt: skip
    pairs, time = (64, 32) if large else (3, 7)
    model = CLIP(CLIPConfig(**sizes))
    theirs = Reference(model.config)
    images = torch.randn(pairs, 3, model.config.image_size, model.config.image_size)
    tokens = torch.randint(1, model.config.vocab_size, (pairs, time))
    tokens = tokens * (torch.arange(time) < torch.arange(2, 2 + pairs).clamp(max=time)[:, None])
    return Case(
        model=model,
        inputs=(images, tokens),
        batch=(images, tokens),
        reference=theirs,
        reference_name="torch.nn.Sequential and TransformerEncoder",
        reference_gradients=copy_and_read(model, theirs, rename(model.config)),
        sizes={"images": pairs, "texts": pairs, "time": time},
    )
