r"""Two towers for pictograms and their names: convolutions on one side, English or Chinese text on the other.

With :math:`x_i` the vector of picture i and :math:`y_i` that of its name, both of length 1, and N pairs a batch, the
loss of one language is CLIP's (:class:`companion.models.CLIP`), the mean of both directions; that of both languages is
their mean. English comes as the vector that a frozen all-MiniLM-L6-v2 gives it, after which one matrix is learned, as
in Zhai et al. 2022, "LiT: Zero-shot transfer with locked-image text tuning", with the sides exchanged. A Chinese text
is the mean of vectors learned for its characters.

Axes: picture; text; channel, height, width; character (position in a text, padded with 0); embed (the shared space).
"""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from jaxtyping import Float, Int
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from companion.models import CLIPConfig
from companion.models.clip import ImageTower

#: Pixels a side of what the picture tower sees.
SIDE = 32
_MINILM = 384
_LARGEST_SCALE = 100.0
_HAN = re.compile(r"[\u3400-\u9fff]")


class TwoTowers(nn.Module):
    """A picture tower, and a text tower for each of two languages.

    Args:
        characters: the Chinese characters that have vectors.
        channels: of the convolutions, each of which halves the side.
        embed: width of the shared space.

    Example:
        >>> towers = TwoTowers("梨汽车")
        >>> pictures, chinese = torch.rand(2, 3, 32, 32), towers.number_characters(["梨", "汽车"])
        >>> (towers.encode_pictures(pictures) @ towers.encode_chinese(chinese).T).shape
        torch.Size([2, 2])
    """

    #: Why a batch cannot be divided.
    joins_examples: ClassVar[str] = "the loss of TwoTowers compares each pair with all others of the batch"

    def __init__(self, characters: str, *, channels: tuple[int, ...] = (24, 48, 96), embed: int = 64) -> None:
        super().__init__()
        self.characters = characters
        sizes = CLIPConfig(vocab_size=1, block_size=1, image_size=SIDE, channels=channels, embed=embed)
        self.pictures = ImageTower(sizes)
        self.english = nn.Linear(_MINILM, embed, bias=False)
        self.chinese = nn.Embedding(len(characters) + 1, embed, padding_idx=0)
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def loss(
        self,
        pictures: Float[Tensor, "batch 3 32 32"],
        english: Float[Tensor, "batch 384"],
        chinese: Int[Tensor, "batch character"],
    ) -> Float[Tensor, ""]:
        """The mean of both languages' contrastive losses, in nats."""
        seen = self.encode_pictures(pictures)
        texts = (self.encode_english(english), self.encode_chinese(chinese))
        return torch.stack([contrastive_loss(self.scale * seen @ each.T) for each in texts]).mean()

    def n_targets(self, pictures: Tensor, english: Tensor, chinese: Tensor) -> int:
        """The number of pairs: what the mean of :meth:`loss` is over."""
        return len(pictures)

    def encode_pictures(self, pictures: Float[Tensor, "picture 3 32 32"]) -> Float[Tensor, "picture embed"]:
        """Vectors of length 1 of pictures from 0 to 1."""
        return F.normalize(self.pictures(2 * pictures - 1), dim=1)

    def encode_english(self, vectors: Float[Tensor, "text 384"]) -> Float[Tensor, "text embed"]:
        """Vectors of length 1 of what MiniLM made of English texts."""
        return F.normalize(self.english(vectors), dim=1)

    def encode_chinese(self, numbers: Int[Tensor, "text character"]) -> Float[Tensor, "text embed"]:
        """Vectors of length 1 of the numbers that :meth:`number_characters` gives."""
        return F.normalize(self.chinese(numbers).sum(dim=1), dim=1)

    def number_characters(self, texts: Sequence[str]) -> Int[Tensor, "text character"]:
        """The numbers of the Chinese characters that are known, padded with 0; others are passed over."""
        rows = [[self.characters.index(each) + 1 for each in text if each in self.characters] for text in texts]
        return nn.utils.rnn.pad_sequence([torch.tensor(row or [0]) for row in rows], batch_first=True)

    @property
    def scale(self) -> Float[Tensor, ""]:
        """What cosines are multiplied by, at most 100."""
        return self.log_scale.clamp(max=math.log(_LARGEST_SCALE)).exp()


def contrastive_loss(logits: Float[Tensor, "n n"]) -> Float[Tensor, ""]:
    """The mean cross-entropy, in nats, of finding each row's own column, on the diagonal, and each column's own row.

    Example:
        >>> round(float(contrastive_loss(torch.zeros(8, 8))), 4)  # who knows nothing pays log 8
        2.0794
    """
    own = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2


def is_chinese(text: str) -> bool:
    """Whether a text has a Chinese character.

    Example:
        >>> is_chinese("一辆红色的汽车"), is_chinese("a red car")
        (True, False)
    """
    return _HAN.search(text) is not None


def chinese_characters(texts: Sequence[str]) -> str:
    """The Chinese characters of texts, each once, in their order.

    Example:
        >>> chinese_characters(["梨", "汽车 OK"])
        '梨汽车'
    """
    return "".join(sorted(set(_HAN.findall("".join(texts)))))


def load_towers() -> TwoTowers:
    """The towers in the package, which ``book/recorded/multimodal/record.py`` trained, ready to be used."""
    with safe_open(Path(__file__).with_name("towers.safetensors"), "pt") as file:
        towers = TwoTowers(file.metadata()["characters"])
        towers.load_state_dict({name: file.get_tensor(name).float() for name in file.keys()})  # noqa: SIM118
    return towers.eval()
