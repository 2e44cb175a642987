"""Training and generation of GPT beside transformers' GPT-2 and x-transformers, same sizes, one process, in turn.

``python -m benchmarks.gpt`` needs the extras ``test`` and ``bench``. Each model is given the same tokens, the same
fused AdamW, the same autocast, and random weights of its own. Rounds are interleaved, so that a machine whose speed
drifts drifts for all. Read the ratios; the absolute figures belong to the machine.
"""

import argparse
import statistics
from importlib.metadata import version

import torch
import transformers
from torch import Tensor, nn
from torch.nn import functional as F
from x_transformers import AutoregressiveWrapper, Decoder, TransformerWrapper

from benchmarks import report
from benchmarks.timing import Timed, run
from companion import runtime
from companion.models import GPT, GPTConfig

CONFIG = GPTConfig(vocab_size=4_096, block_size=256, n_layer=6, n_head=6, n_embd=384, bias=True)
#: Generation is measured at the size of the book's chapter, at the size above, and at GPT-2's.
GENERATION = (
    GPTConfig(vocab_size=288, block_size=64, n_layer=2, n_head=3, n_embd=96, bias=True),
    CONFIG,
    GPTConfig(bias=True),
)
BATCH, PROMPT, NEW = 8, 16, 48
OURS = "companion"


def contestants(config: GPTConfig, device: torch.device) -> dict[str, nn.Module]:
    """The three models, of the same sizes."""
    hugging_face = transformers.GPT2Config(
        vocab_size=config.vocab_size,
        n_positions=config.block_size,
        n_embd=config.n_embd,
        n_layer=config.n_layer,
        n_head=config.n_head,
        attn_pdrop=0.0,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
        bos_token_id=0,
        eos_token_id=None,  # it may not stop early
    )
    x_decoder = Decoder(
        dim=config.n_embd,
        depth=config.n_layer,
        heads=config.n_head,
        attn_dim_head=config.n_embd // config.n_head,
        attn_flash=True,
    )
    x_model = TransformerWrapper(
        num_tokens=config.vocab_size,
        max_seq_len=config.block_size + 1,  # its loss passes the last token through the model too
        attn_layers=x_decoder,
        tie_embedding=True,
    )
    models = {OURS: GPT(config), "transformers": transformers.GPT2LMHeadModel(hugging_face)}
    models["x-transformers"] = AutoregressiveWrapper(x_model)
    return {name: model.to(device) for name, model in models.items()}


def loss_of(name: str, model: nn.Module, tokens: Tensor) -> Tensor:
    """Mean cross-entropy of each token after the first, in each model's own way."""
    match name:
        case "companion":
            return model.loss(tokens[:, :-1], tokens[:, 1:])
        case "transformers":  # its own `labels=` computes the same loss
            logits = model(tokens[:, :-1]).logits
            return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        case _:
            return model(tokens)


def training(models: dict[str, nn.Module], precision: runtime.Precision, device: torch.device) -> list[Timed]:
    """One optimizer step a round."""
    tokens = torch.randint(CONFIG.vocab_size, (BATCH, CONFIG.block_size + 1), device=device)

    def step(name: str, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        with precision.autocast(device):
            loss = loss_of(name, model, tokens)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    timed = []
    for name, model in models.items():
        model.train()
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        timed.append(Timed(name, lambda n=name, m=model, o=optimizer: step(n, m, o)))
    return timed


def generation(models: dict[str, nn.Module], vocab_size: int, device: torch.device) -> list[Timed]:
    """One sequence of ``NEW`` tokens a round, greedy, with the cache that each model has."""
    prompt = torch.randint(vocab_size, (1, PROMPT), device=device)
    work = {
        OURS: lambda m: m.generate(prompt, NEW, temperature=0),
        "transformers": lambda m: m.generate(
            prompt, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, pad_token_id=0, use_cache=True
        ),
        "x-transformers": lambda m: m.generate(prompt, NEW, temperature=0.0, cache_kv=True),
    }
    for model in models.values():
        model.eval()
    return [Timed(name, lambda n=name: work[n](models[n])) for name in models]


def matrix_rate(dtype: torch.dtype, device: torch.device) -> float:
    """What this machine's matrix product reaches in ``dtype``, in operations a second (best of 10, 2,048 square)."""
    n = 2_048
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    timed = Timed("product", lambda: a @ b)
    for _ in range(10):
        timed.round(device)
    return 2 * n**3 / min(timed.seconds)


def read_rate(device: torch.device) -> float:
    """How fast this machine reads float32 numbers, in bytes a second (best of 10 sums of 2**27 bytes)."""
    numbers = torch.ones(2**25, device=device)
    timed = Timed("sum", numbers.sum)
    for _ in range(10):
        timed.round(device)
    return 2**27 / min(timed.seconds)


def flops_per_token() -> int:
    """Training operations a token: 6 a matrix parameter, and 6 · n_layer · time · width for causal attention."""
    matrices = 12 * CONFIG.n_layer * CONFIG.n_embd**2 + CONFIG.vocab_size * CONFIG.n_embd
    return 6 * matrices + 6 * CONFIG.n_layer * CONFIG.block_size * CONFIG.n_embd


def sizes(models: dict[str, nn.Module]) -> str:
    """How many parameters each contestant has."""
    return ", ".join(f"{name} {sum(p.numel() for p in m.parameters()) / 1e6:.2f}M" for name, m in models.items())


def table(timed: list[Timed], n_tokens: int, peak: float | None) -> list[str]:
    """A row a contestant: median tokens a second, range, ratio of the medians."""
    lines = ["| | tokens/s | range | companion is faster by |" + (" of the matrix rate |" if peak else "")]
    lines.append("|---" * (5 if peak else 4) + "|")
    ours = statistics.median(timed[0].seconds)
    for each in timed:
        median, rounds = statistics.median(each.seconds), each.seconds
        slowest, fastest = n_tokens / max(rounds), n_tokens / min(rounds)
        row = f"| {each.name} | {n_tokens / median:,.0f} | {slowest:,.0f} to {fastest:,.0f} |"
        row += f" {median / ours:.2f} |" if each is not timed[0] else " |"
        lines.append(row + (f" {flops_per_token() * n_tokens / median / peak:.0%} |" if peak else ""))
    return lines


def main() -> None:
    """Measures, prints and writes ``benchmarks/results/gpt-<device>.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=12, help="rounds that count (default 12)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default auto)")
    options = parser.parse_args()
    torch.manual_seed(0)
    transformers.logging.set_verbosity_error()
    device = runtime.pick_device(options.device)
    models = contestants(CONFIG, device)
    lines = [
        "# GPT: training and generation beside transformers and x-transformers\n",
        report.header(f"python -m benchmarks.gpt --rounds {options.rounds} --device {options.device}"),
        f"- peers: transformers {version('transformers')}, x-transformers {version('x-transformers')}",
        f"- device: {device}, {torch.get_num_threads()} threads; {options.rounds} rounds, interleaved; medians",
        f"- {CONFIG}; parameters: {sizes(models)}",
    ]
    for name in ("fp32", "bf16"):
        precision = runtime.pick_precision(name, device)
        peak = matrix_rate(precision.dtype, device)
        timed = run(training(models, precision, device), options.rounds, device)
        lines.append(f"\n## Training, {name}, {BATCH} sequences of {CONFIG.block_size} tokens\n")
        lines.append(f"The matrix product reaches {peak / 1e9:,.0f} GFLOP/s in {name} here.\n")
        lines += table(timed, BATCH * CONFIG.block_size, peak)
    lines.append(f"\n## Generation, fp32, one sequence, {PROMPT} tokens of prompt and {NEW} new ones, greedy\n")
    lines.append(f"Each token reads every weight once; this machine reads {read_rate(device) / 1e9:.0f} GB/s.")
    for config in GENERATION:
        models = contestants(config, device)
        floor = 4 * sum(p.numel() for p in models[OURS].parameters()) / read_rate(device)
        lines.append(f"\n{sizes(models)} parameters; reading the weights alone takes {floor * 1e3:.2f} ms a token:\n")
        lines += table(run(generation(models, config.vocab_size, device), options.rounds, device), NEW, None)
    report.write(f"gpt-{device.type}.md", "\n".join(lines))


if __name__ == "__main__":
    main()
