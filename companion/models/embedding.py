r"""Word embeddings: word2vec's skip-gram with negative sampling (Mikolov et al. 2013, NIPS, equation 4).

A word c has a center vector :math:`v_c`, a word o a context vector :math:`u_o`. A pair that occurs together is told
from k pairs of the same center with words drawn from a noise distribution :math:`P_n`, by logistic regression:

.. math::

    L = -\log \sigma(u_o^\top v_c) - \sum_{i=1}^{k} \log \sigma(-u_{n_i}^\top v_c), \qquad n_i \sim P_n,

    \frac{\partial L}{\partial v_c} = (\sigma(u_o^\top v_c) - 1)\, u_o + \sum_i \sigma(u_{n_i}^\top v_c)\, u_{n_i},

    \frac{\partial L}{\partial u_o} = (\sigma(u_o^\top v_c) - 1)\, v_c, \quad
    \frac{\partial L}{\partial u_{n_i}} = \sigma(u_{n_i}^\top v_c)\, v_c .

Where the width does not limit it, the loss is least at :math:`u_o^\top v_c = \log\frac{p(o \mid c)}{P_n(o)} - \log k`.
With the unigram distribution as noise this is pointwise mutual information less log k (Levy & Goldberg 2014).

Pairs and noise are drawn by the data, :class:`companion.data.SkipGramBatches`. As in the paper's program, context
vectors start at 0. Departure: gradients are dense, where that program moved only the rows of the batch. Any optimizer
takes them, and a step costs time in proportion to the vocabulary: with Adam, sparse ones pay off beyond some ten
thousand words.

Axes: batch; candidate (words that a center is scored against); noise; width; count (words returned).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from companion.checks import check_sizes
from companion.models.checks import check_tensor, check_values


@dataclass(frozen=True)
class SkipGramConfig:
    """The sizes of a :class:`SkipGram`.

    Attributes:
        vocab_size: number of distinct words.
        n_embd: numbers a word.

    Raises:
        ValueError: naming the field and the value that cannot be.

    Example:
        >>> from companion.economics.compute import parameter_count
        >>> parameter_count(SkipGramConfig(vocab_size=20_000))
        4000000
    """

    vocab_size: int
    n_embd: int = 100

    def __post_init__(self) -> None:
        check_sizes(self, "vocab_size", "n_embd")


class SkipGram(nn.Module):
    """Skip-gram with negative sampling: a word's vector is what tells its neighbors from noise.

    Example:
        >>> model = SkipGram(SkipGramConfig(vocab_size=50, n_embd=8))
        >>> words, cosines = model.most_similar(torch.tensor([3, 7]), count=5)
        >>> words.shape  # five neighbors of each of two words
        torch.Size([2, 5])
    """

    def __init__(self, config: SkipGramConfig) -> None:
        super().__init__()
        self.config = config
        self.center = nn.Embedding(config.vocab_size, config.n_embd)
        self.context = nn.Embedding(config.vocab_size, config.n_embd)
        nn.init.uniform_(self.center.weight, -0.5 / config.n_embd, 0.5 / config.n_embd)
        nn.init.zeros_(self.context.weight)

    def forward(
        self, centers: Int[Tensor, " batch"], contexts: Int[Tensor, "batch candidate"]
    ) -> Float[Tensor, "batch candidate"]:
        r"""The scores :math:`u_o^\top v_c` of each center c with its own candidates o: log-odds of a true pair.

        Raises:
            ValueError: where the words are not int64, do not go together or lie outside the vocabulary.
        """
        self._check("centers", centers, "batch")
        self._check("contexts", contexts, len(centers), "candidate")
        return self._scores(centers, contexts)

    def loss(
        self, centers: Int[Tensor, " batch"], contexts: Int[Tensor, " batch"], negatives: Int[Tensor, "batch noise"]
    ) -> Float[Tensor, ""]:
        """The loss of a pair and its noise, averaged over the batch, in nats.

        A noise word that happens to be the true context counts as noise, as in the paper's formula.

        Raises:
            ValueError: as :meth:`forward`, for each of the three.
        """
        self._check("centers", centers, "batch")
        self._check("contexts", contexts, len(centers))
        self._check("negatives", negatives, len(centers), "noise")
        scores = self._scores(centers, torch.cat([contexts[:, None], negatives], dim=1))
        labels = torch.zeros_like(scores)
        labels[:, 0] = 1
        return F.binary_cross_entropy_with_logits(scores, labels, reduction="sum") / len(scores)

    def n_targets(
        self, centers: Int[Tensor, " batch"], contexts: Int[Tensor, " batch"], negatives: Int[Tensor, "batch noise"]
    ) -> int:
        """The number of pairs: what the mean of :meth:`loss` is over."""
        return len(centers)

    @property
    def vectors(self) -> Float[Tensor, "vocab width"]:
        """The words' vectors, those of centers, without a gradient; they share the model's memory."""
        return self.center.weight.detach()

    def most_similar(
        self, words: Int[Tensor, " batch"], count: int = 10
    ) -> tuple[Int[Tensor, "batch count"], Float[Tensor, "batch count"]]:
        """The ``count`` words of largest cosine with each word, itself left out, and the cosines.

        Raises:
            ValueError: for bad words, or where ``count`` leaves the vocabulary.
        """
        self._check("words", words, "batch")
        return self._nearest(self._unit()[words], words[:, None], count)

    def analogy(
        self, a: Int[Tensor, " batch"], b: Int[Tensor, " batch"], c: Int[Tensor, " batch"], count: int = 1
    ) -> tuple[Int[Tensor, "batch count"], Float[Tensor, "batch count"]]:
        r"""The ``count`` best words d for "a is to b as c is to d" by 3CosAdd, and their cosines.

        .. math:: d = \arg\max_{d \notin \{a, b, c\}} \cos(v_d,\; \hat v_b - \hat v_a + \hat v_c)

        with vectors of length 1 on the right (Mikolov et al. 2013, NAACL, section 4). The three words of the question
        are never answers. The nearest word is often one of them (Linzen 2016), so a score owes much to that rule.

        Raises:
            ValueError: for bad words, or where ``count`` leaves the vocabulary.
        """
        self._check("a", a, "batch")
        self._check("b", b, len(a))
        self._check("c", c, len(a))
        unit = self._unit()
        return self._nearest(unit[b] - unit[a] + unit[c], torch.stack([a, b, c], dim=1), count)

    def _scores(
        self, centers: Int[Tensor, " batch"], contexts: Int[Tensor, "batch candidate"]
    ) -> Float[Tensor, "batch candidate"]:
        return torch.einsum("bw,bcw->bc", self.center(centers), self.context(contexts))

    def _unit(self) -> Float[Tensor, "vocab width"]:
        return F.normalize(self.vectors, dim=1)

    def _nearest(
        self, points: Float[Tensor, "batch width"], excluded: Int[Tensor, "batch some"], count: int
    ) -> tuple[Int[Tensor, "batch count"], Float[Tensor, "batch count"]]:
        most = self.config.vocab_size - excluded.shape[1]
        if not 1 <= count <= most:
            raise ValueError(f"expected count from 1 to {most}, the words that may be answers, got {count}")
        cosines = F.normalize(points, dim=1) @ self._unit().T
        values, words = cosines.scatter(1, excluded, -torch.inf).topk(count, dim=1)
        return words, values

    def _check(self, name: str, words: Tensor, *axes: int | str) -> None:
        check_tensor(name, words, *axes, dtype=torch.int64)
        check_values(name, words, 0, self.config.vocab_size - 1, do="or enlarge vocab_size")
