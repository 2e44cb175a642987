"""The two networks that listen: a spotter of four short orders in a stream, and a recognizer of whole orders.

Axes: batch; frame (100 a second); band; step (25 a second); label; keyword.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.cases.home import WORDS
from companion.data import MEL_BANDS

#: What the spotter tells apart; ``other`` is everything else that can be heard.
KEYWORDS = ("other", "lamp on", "lamp off", "lock", "unlock")

#: Frames that the spotter looks at: 98, the log-mel spectrogram of one second.
SPOTTER_FRAMES = 98

#: The recognizer's labels: CTC's blank, any word that is not in an order, and the words of orders.
LABELS = ("", "<other>", *WORDS)

_MIDDLE, _SPREAD = -4.0, 4.0  # of log-mel values of speech, roughly; fixed, so that a stream needs no statistics


def _convolution(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, dilation: int = 1
) -> nn.Sequential:
    conv = nn.Conv1d(inputs, outputs, kernel, stride=stride, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(conv, nn.BatchNorm1d(outputs), nn.ReLU())


class Spotter(nn.Module):
    """Which keyword the last second holds: five convolutions over time without padding, 42,000 weights.

    Without padding the outputs over a long recording are those of each of its windows alone: it runs as a stream.

    Args:
        width: channels of each convolution.

    Example:
        >>> Spotter()(torch.zeros(2, SPOTTER_FRAMES, MEL_BANDS)).shape, Spotter()(torch.zeros(2, 198, MEL_BANDS)).shape
        (torch.Size([2, 1, 5]), torch.Size([2, 26, 5]))
    """

    def __init__(self, width: int = 40) -> None:
        super().__init__()
        strides = (2, 2, 1, 1, 1)
        channels = (MEL_BANDS, *[width] * 5)
        self.layers = nn.Sequential(
            *(_convolution(channels[i], width, 5, stride=stride) for i, stride in enumerate(strides))
        )
        self.head = nn.Conv1d(width, len(KEYWORDS), 10)

    def forward(self, mels: Float[Tensor, "batch frame band"]) -> Float[Tensor, "batch step keyword"]:
        """Logits of each window of 98 frames, one window every 40 ms."""
        return self.head(self.layers((mels.mT - _MIDDLE) / _SPREAD)).mT

    def loss(self, mels: Float[Tensor, "batch frame band"], keyword: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
        """Mean cross-entropy of windows of 98 frames."""
        return F.cross_entropy(self(mels)[:, 0], keyword)


class Recognizer(nn.Module):
    """The words of a whole order: dilated convolutions in residual blocks, trained by CTC, 122,000 weights.

    Args:
        width: channels of each convolution.
        dilations: steps between the taps of each block's convolution.

    Example:
        >>> Recognizer()(torch.zeros(2, 200, MEL_BANDS)).shape[:2]
        torch.Size([2, 50])
    """

    def __init__(self, width: int = 64, dilations: tuple[int, ...] = (1, 2, 4, 1, 2, 4, 1)) -> None:
        super().__init__()
        self.front = nn.Sequential(
            _convolution(MEL_BANDS, width, 5, stride=2, padding=2), _convolution(width, width, 5, stride=2, padding=2)
        )
        self.blocks = nn.ModuleList(_convolution(width, width, 3, dilation=d, padding=d) for d in dilations)
        self.head = nn.Conv1d(width, len(LABELS), 1)

    def forward(self, mels: Float[Tensor, "batch frame band"]) -> Float[Tensor, "batch step label"]:
        """Log-probabilities of the labels, every 40 ms."""
        hidden = self.front((mels.mT - _MIDDLE) / _SPREAD)
        for block in self.blocks:
            hidden = hidden + block(hidden)
        return self.head(hidden).mT.log_softmax(2)

    def loss(
        self, mels: Float[Tensor, "batch frame band"], labels: Int[Tensor, "batch word"], words: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        """CTC loss a word, mean; ``words`` counts the labels of each order, the rest of its row is padding."""
        log_probs = self(mels)
        steps = torch.full((len(mels),), log_probs.shape[1])
        return F.ctc_loss(log_probs.transpose(0, 1), labels, steps, words, zero_infinity=True)
