"""Every family of ``benchmarks.zoo`` beside its reference: same numbers, time, memory; attention and an LSTM alone.

``python -m benchmarks.models`` needs the extras ``test`` and ``bench``, and writes ``results/models-<device>.md``. Each
pair has the same weights, inputs and precision, and takes turns in one process. Read the ratios; the absolute figures
belong to the machine.
"""

import argparse
import ctypes
import json
import logging
import os
import subprocess
import sys
import tempfile
import textwrap
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves, tree_map

from benchmarks import report, zoo
from benchmarks.timing import Timed, run
from benchmarks.zoo.case import Case
from companion import runtime
from companion.models import AttentionConfig, GPTConfig, MultiHeadAttention
from companion.models.gpt import CausalSelfAttention
from companion.models.recurrent import Recurrent

PRECISIONS = ("fp32", "bf16")
CONTESTANTS = ("ours", "reference")
#: Attention alone: sequences, tokens of each, numbers a token, heads.
BATCH, TIME, WIDTH, HEADS = 8, 1_024, 384, 6
#: An LSTM layer alone: sequences, steps, numbers in and out.
ROWS, STEPS, UNITS = 32, 128, 256


class Pass:
    """A forward pass, and a backward pass from a fixed gradient of the output; parameters have no gradient after it."""

    def __init__(
        self,
        forward: Callable[..., Tensor],
        inputs: tuple[Tensor, ...],
        precision: runtime.Precision,
        device: torch.device,
    ) -> None:
        self.forward, self.inputs, self.precision, self.device = forward, inputs, precision, device
        output = self._output()
        self.gradient, self.leaves = torch.randn_like(output), list(leaves(output))

    def _output(self) -> Tensor:
        with self.precision.autocast(self.device):
            return self.forward(*self.inputs)

    def __call__(self) -> None:
        """Once, without what an optimizer would do."""
        self._output().backward(self.gradient)
        for leaf in self.leaves:
            leaf.grad = None


def leaves(output: Tensor) -> Iterator[Tensor]:
    """What a backward pass gives a gradient to: a reference may be any callable, which lists no parameters."""
    seen, nodes = set(), [output.grad_fn]
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes += [before for before, _ in node.next_functions]
        if hasattr(node, "variable"):
            yield node.variable


def make(family: str, device: torch.device, *, large: bool) -> Case:
    """A case on ``device``, always with the same weights and inputs."""
    torch.manual_seed(0)
    with device:
        return zoo.make(family, large=large)


def make_pass(case: Case, who: str, precision: str, device: torch.device) -> Pass:
    """Ours or the reference's."""
    forward = case.model if who == "ours" else case.reference
    return Pass(forward, case.inputs, runtime.pick_precision(precision, device), device)


# 1. The same numbers


def largest(found: Tensor, expected: Tensor) -> float:
    """The largest difference of any entry."""
    return (found.double() - expected.double()).abs().max().item()


def relative(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """The largest difference of any gradient, each in parts of its own largest entry."""
    return max(largest(found[name], tensor) / tensor.abs().max().item() for name, tensor in expected.items())


def gradients(model: nn.Module) -> dict[str, Tensor]:
    """Those of a model, which it has no longer afterwards."""
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def equality(case: Case) -> tuple[float, float]:
    """The largest differences forward and backward."""
    ours, theirs = case.model(*case.inputs), case.reference(*case.inputs)
    direction = torch.randn_like(ours)
    ours.backward(direction)
    theirs.backward(direction)
    return largest(ours, theirs), relative(gradients(case.model), case.reference_gradients())


def step(loss: Callable[..., Tensor], case: Case) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss and gradients; the same noise each time, for losses that draw some."""
    torch.manual_seed(1)
    value = loss(*case.batch)
    value.backward()
    return value.detach(), gradients(case.model)


def compiled(case: Case) -> str:
    """Whether the loss compiles as one graph, and how far it and its gradients then are from eager ones."""
    torch._dynamo.reset()
    torch._inductor.config.fallback_random = True  # eager's noise
    loss, expected = step(case.model.loss, case)
    try:
        found, grads = step(torch.compile(case.model.loss, fullgraph=True), case)
    except Exception as error:  # whatever the compiler raises is the answer
        return f"no: {reason(error)}"
    apart = max(largest(found, loss) / abs(loss.item()), relative(grads, expected))
    return f"yes, {apart:.0e}"


def onnx(case: Case) -> str:
    """How far onnxruntime is from the model in evaluation mode, or why it cannot be asked."""
    import onnxruntime

    model, inputs = case.model.cpu().eval(), tree_map(Tensor.cpu, case.inputs)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        path = Path(folder) / "model.onnx"
        try:
            torch.onnx.export(model, inputs, path, dynamo=True, verbose=False)
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        except Exception as error:  # whatever the exporter raises is the answer
            return f"no: {reason(error)}"
    names = [value.name for value in session.get_inputs()]
    [found] = session.run(None, dict(zip(names, (leaf.numpy() for leaf in tree_leaves(inputs)), strict=True)))
    with torch.no_grad():
        return f"{largest(torch.from_numpy(found), model(*inputs)):.0e}"


def same_numbers(families: list[str], device: torch.device, *, compile_: bool) -> list[str]:
    """Table 1."""
    lines = [
        "\n## The same numbers (small sizes, fp32)\n",
        "Largest difference of any output, of any entry of any gradient in parts of that gradient's largest, of the",
        "compiled loss and its gradients from eager ones, and of onnxruntime's output: single precision has 6e-8.\n",
        "| family | reference | forward | backward | one graph with Inductor | ONNX |",
        "|---" * 6 + "|",
    ]
    for family in families:
        tell(f"numbers: {family}")
        case = make(family, device, large=False)
        forward, backward = equality(case)
        graph = compiled(case) if compile_ else "not asked for (`--compile`)"
        lines.append(f"| {family} | {case.reference_name} | {forward:.0e} | {backward:.0e} | {graph} | {onnx(case)} |")
    return lines


# 2. Time and memory


def peaks(family: str, who: str, device: torch.device) -> dict[str, float | None]:
    """MB that a forward and a backward pass hold at most beyond weights and inputs, in each precision."""
    case, found = make(family, device, large=True), {}
    for name in PRECISIONS:
        try:
            work = make_pass(case, who, name, device)
            work()
            found[name] = peak(work, device) / 1e6
        except RuntimeError:  # it cannot do this precision: the table of times says why
            found[name] = None
    return found


def peak(work: Pass, device: torch.device) -> int:
    """Bytes that ``work`` holds at most, beyond those held before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        return torch.cuda.max_memory_allocated(device) - before
    ctypes.CDLL(None).malloc_trim(0)  # what was freed between smaller pieces counts as held until then
    Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak starts anew from what is held now
    before = held("VmRSS")
    work()
    return held("VmHWM") - before


def held(what: str) -> int:
    """One figure of what the kernel says of this process, in bytes."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what)]
    return int(line.split()[1]) * 1024


def ask(family: str, who: str) -> dict[str, float | None]:
    """:func:`peaks` on the CPU in a process of its own, whose allocator gives back what is freed."""
    allocator = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
    command = [sys.executable, "-m", "benchmarks.models", "--device", "cpu", "--peaks-of", family, who]
    environment = {**os.environ, **allocator, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    tell(f"memory: {family}, {who}")
    return json.loads(done.stdout)


def memory(families: list[str], device: torch.device) -> dict[str, list[dict[str, float | None]]]:
    """The peaks of ours and of the reference, by family; on the CPU as many processes at a time as there are cores."""
    if device.type == "cuda":
        return {family: [peaks(family, who, device) for who in CONTESTANTS] for family in families}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        asked = {family: [pool.submit(ask, family, who) for who in CONTESTANTS] for family in families}
        return {family: [each.result() for each in pair] for family, pair in asked.items()}


def speed(family: str, rounds: int, device: torch.device) -> dict[str, list[float | str]]:
    """Median seconds of ours and the reference in each precision; in place of one that fails, why."""
    tell(f"time: {family}")
    case, found = make(family, device, large=True), {}
    for name in PRECISIONS:
        timed, failed = {}, {}
        for who in CONTESTANTS:
            try:
                timed[who] = Timed(who, make_pass(case, who, name, device))
            except RuntimeError as error:
                failed[who] = reason(error)
        run(list(timed.values()), rounds, device)
        found[name] = [timed[who].median if who in timed else failed[who] for who in CONTESTANTS]
    return found


def speed_and_memory(families: list[str], rounds: int, device: torch.device) -> list[str]:
    """Table 2, a part for each precision."""
    space = memory(families, device)
    seconds = {family: speed(family, rounds, device) for family in families}
    processes = "" if device.type == "cuda" else ", each in a process of its own with one thread"
    lines = [
        "\n## Forward and backward pass (large sizes)\n",
        "Medians of rounds in turn. A ratio of times above 1 means that ours is faster, a ratio of memory below 1 that",
        f"ours needs less. Memory is the most that a pass holds beyond weights and inputs{processes}.",
    ]
    for name in PRECISIONS:
        lines += [
            f"\n### {name}\n",
            "| family | ours, ms | reference, ms | reference / ours | ours, MB | reference, MB | ours / reference |",
            "|---" * 7 + "|",
        ]
        for family in families:
            ours, theirs = seconds[family][name]
            mine, other = (who[name] for who in space[family])
            cells = cell(ours, 1e3), cell(theirs, 1e3), ratio(theirs, ours), cell(mine), cell(other), ratio(mine, other)
            lines.append(f"| {family} | {' | '.join(cells)} |")
    return lines


def cell(figure: float | str | None, factor: float = 1.0) -> str:
    """A figure, the reason why there is none, or nothing."""
    return f"{figure * factor:,.1f}" if isinstance(figure, float) else figure or ""


def ratio(above: float | str | None, below: float | str | None) -> str:
    """Of two figures, where there are two."""
    return f"{above / below:.2f}" if isinstance(above, float) and isinstance(below, float) else ""


# 3 and 4. Layers alone


class Bare(nn.Module):
    """Torch's kernel between two linear layers, and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Causal attention."""
        qkv = self.inner(x).view(BATCH, TIME, 3, HEADS, WIDTH // HEADS)
        y = F.scaled_dot_product_attention(*qkv.permute(2, 0, 3, 1, 4), is_causal=True)
        return self.outer(y.transpose(1, 2).reshape(BATCH, TIME, WIDTH))


def attention_layers() -> dict[str, Callable[[Tensor], Tensor]]:
    """Causal attention of a sequence to itself, by ours and by peers."""
    import x_transformers

    ours = MultiHeadAttention(AttentionConfig(width=WIDTH, n_head=HEADS, dropout=0.0))
    gpt = CausalSelfAttention(GPTConfig(block_size=TIME, n_head=HEADS, n_embd=WIDTH, bias=True))
    theirs, later = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True), torch.ones(TIME, TIME).triu(1).bool()
    return {
        "companion MultiHeadAttention": lambda x: ours(x, causal=True),
        "companion CausalSelfAttention": lambda x: gpt(x, None, None, 0),
        "two linear layers and F.scaled_dot_product_attention": Bare(),
        "torch.nn.MultiheadAttention": lambda x: theirs(x, x, x, attn_mask=later, is_causal=True, need_weights=False)[
            0
        ],
        "x_transformers.Attention, flash": x_transformers.Attention(
            dim=WIDTH, heads=HEADS, dim_head=WIDTH // HEADS, causal=True, flash=True
        ),
    }


def recurrent_layers() -> dict[str, Callable[[Tensor], Tensor]]:
    """One LSTM layer, ours and torch's."""
    theirs = nn.LSTM(UNITS, UNITS, batch_first=True)
    return {"companion Recurrent": Recurrent("lstm", UNITS, UNITS), "torch.nn.LSTM": lambda x: theirs(x)[0]}


def layers(
    make_layers: Callable[[], dict[str, Callable]], sizes: tuple[int, ...], rounds: int, device: torch.device
) -> list[str]:
    """A table of layers that take one tensor of ``sizes``."""
    with device:
        contestants, x = make_layers(), torch.randn(sizes, requires_grad=True)  # as from a layer before
    columns = []
    for name in PRECISIONS:
        tell(f"layers: {', '.join(contestants)} in {name}")
        precision = runtime.pick_precision(name, device)
        timed = [Timed(who, Pass(layer, (x,), precision, device)) for who, layer in contestants.items()]
        run(timed, rounds, device)
        fastest = min(each.median for each in timed if not each.name.startswith("companion"))
        columns.append([f"{each.median * 1e3:,.1f} | {each.median / fastest:.2f}" for each in timed])
    heads = "".join(f" {name}, ms | of the fastest peer's time |" for name in PRECISIONS)
    rows = [f"| {who} | {' | '.join(cells)} |" for who, *cells in zip(contestants, *columns, strict=True)]
    return [f"| |{heads}", "|---" * 5 + "|", *rows]


def layers_alone(families: list[str], rounds: int, device: torch.device) -> list[str]:
    """Tables 3 and 4; each is left out with the family that its layer is for."""
    lines = []
    if "attention" in families:
        lines += [
            "\n## Attention alone\n",
            f"Forward and backward pass of causal self-attention with its projections, {BATCH} sequences of {TIME:,}",
            f"tokens, {WIDTH} wide, {HEADS} heads; below 1 is faster than the fastest peer (x-transformers has no",
            "additive constants).\n",
            *layers(attention_layers, (BATCH, TIME, WIDTH), rounds, device),
        ]
    if "sequence_classifier" in families:
        lines += [
            "\n## An LSTM layer alone\n",
            f"Forward and backward pass of one layer, {ROWS} sequences of {STEPS} steps, {UNITS} wide; below 1 is",
            "faster than the peer.\n",
            *layers(recurrent_layers, (ROWS, STEPS, UNITS), rounds, device),
        ]
    return lines


# The program


def tell(progress: str) -> None:
    """Says what is done, beside the report."""
    print(progress, file=sys.stderr, flush=True)


def reason(error: Exception) -> str:
    """An error as a cell of a table."""
    return textwrap.shorten(f"{type(error).__name__}: {error}".replace("|", "/"), 100, placeholder=" …")


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count (default 7)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default auto)")
    parser.add_argument("--families", default=",".join(zoo.FAMILIES), help="some of them, as a,b (default all)")
    parser.add_argument("--compile", action="store_true", help="compile every family with Inductor too (minutes)")
    parser.add_argument("--peaks-of", nargs=2, help=argparse.SUPPRESS)  # a process that measures memory
    return parser.parse_args()


def main() -> None:
    """Measures, prints and writes ``benchmarks/results/models-<device>.md``."""
    chosen = options()
    device = runtime.pick_device(chosen.device)
    torch.backends.cudnn.allow_tf32 = False  # fp32 is fp32, in convolutions too
    logging.disable(logging.WARNING)  # the exporter misses libraries that no model here needs
    if chosen.peaks_of:
        print(json.dumps(peaks(*chosen.peaks_of, device)))
        return
    families = chosen.families.split(",")
    peers = ("transformers", "torch_geometric", "x-transformers", "onnxruntime")
    lines = [
        "# Models beside their references\n",
        report.header(f"python -m benchmarks.models {' '.join(sys.argv[1:])}".strip()),
        f"- peers: {', '.join(f'{peer} {version(peer)}' for peer in peers)}",
        f"- device: {device}, {torch.get_num_threads()} threads; {chosen.rounds} rounds, interleaved; medians",
        *same_numbers(families, device, compile_=chosen.compile),
        *speed_and_memory(families, chosen.rounds, device),
        *layers_alone(families, chosen.rounds, device),
    ]
    report.write(f"models-{device.type}.md", "\n".join(lines))


if __name__ == "__main__":
    main()
