"""Published sizes by name, as configs: parameters and operations follow from them, and no model has to be built.

GPT-2: the checkpoints that OpenAI released with Radford et al. 2019. GPT-3: table 2.1 of Brown et al. 2020, whose
"same model and architecture as GPT-2" is taken at its word: constants, tied embeddings, and dense attention. Theirs is
sparse in every second layer, which changes operations but no parameters. Llama 2: Touvron et al. 2023. Llama 3:
Grattafiori et al. 2024, but for the rotary angles that 3.1 rescales for longer sequences, which are no parameters.
BERT: Devlin et al. 2019, with the head that it was trained with; its "110M" and "340M" count the encoder and its
pooler.

Table 2.1 contradicts itself in two rows: heads times their dimensions are not the width. Parameters depend on the
width, not on the heads. XL has 24 heads of 128 in a width of 2,048: we take the width, and 16 heads of 128. 13B has 40
heads of 128 in a width of 5,140: we take the heads, and a width of 5,120, which gives the 12,850 million parameters of
the paper's table D.1, where 5,140 gives 12,953. All counts are within 0.2 % of table D.1, but for XL, which is 0.3 %
below its 1,320 million; and within 1.8 % of table 2.1, which rounds more.
"""

from companion.models.bert import BERTConfig
from companion.models.gpt_config import GPTConfig


def _gpt_3(n_layer: int, n_embd: int, n_head: int) -> GPTConfig:
    return GPTConfig(block_size=2_048, n_layer=n_layer, n_embd=n_embd, n_head=n_head, bias=True)


def _llama(
    n_layer: int,
    n_embd: int,
    n_head: int,
    n_kv_head: int,
    n_inner: int,
    vocab_size: int = 32_000,
    block_size: int = 4_096,
) -> GPTConfig:
    return GPTConfig(
        vocab_size=vocab_size,
        block_size=block_size,
        n_layer=n_layer,
        n_head=n_head,
        n_embd=n_embd,
        n_inner=n_inner,
        n_kv_head=n_kv_head,
        positions="rotary",
        norm="rms",
        feed_forward="swiglu",
        tied=False,
    )


_GPT = {
    "GPT-2 small": GPTConfig(bias=True),
    "GPT-2 medium": GPTConfig(n_layer=24, n_head=16, n_embd=1_024, bias=True),
    "GPT-2 large": GPTConfig(n_layer=36, n_head=20, n_embd=1_280, bias=True),
    "GPT-2 XL": GPTConfig(n_layer=48, n_head=25, n_embd=1_600, bias=True),
    "GPT-3 125M": _gpt_3(12, 768, 12),
    "GPT-3 350M": _gpt_3(24, 1_024, 16),
    "GPT-3 760M": _gpt_3(24, 1_536, 16),
    "GPT-3 1.3B": _gpt_3(24, 2_048, 16),
    "GPT-3 2.7B": _gpt_3(32, 2_560, 32),
    "GPT-3 6.7B": _gpt_3(32, 4_096, 32),
    "GPT-3 13B": _gpt_3(40, 5_120, 40),
    "GPT-3 175B": _gpt_3(96, 12_288, 96),
    "Llama-2 7B": _llama(32, 4_096, 32, 32, 11_008),
    "Llama-2 13B": _llama(40, 5_120, 40, 40, 13_824),
    "Llama-2 70B": _llama(80, 8_192, 64, 8, 28_672),
    "Llama-3 8B": _llama(32, 4_096, 32, 8, 14_336, vocab_size=128_256, block_size=8_192),
    "Llama-3 70B": _llama(80, 8_192, 64, 8, 28_672, vocab_size=128_256, block_size=8_192),
    "Llama-3.1 405B": _llama(126, 16_384, 128, 8, 53_248, vocab_size=128_256, block_size=131_072),
}

_BERT = {
    "BERT base": BERTConfig(),
    "BERT large": BERTConfig(n_embd=1_024, n_layer=24, n_head=16, n_hidden=4_096),
}

#: The config of each published size.
PUBLISHED: dict[str, GPTConfig | BERTConfig] = {**_GPT, **_BERT}
