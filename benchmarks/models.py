"""Every family of ``reference`` beside its reference: same numbers, time, memory; attention and an LSTM alone.

``python -m benchmarks.models`` needs the extras ``test`` and ``bench``, and writes ``results/models-<device>.md``. Each
pair has the same weights, inputs and precision, and takes turns in one process. Read the ratios; the absolute figures
belong to the machine. Memory is measured on Linux, or on a GPU.
"""

import argparse
import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

import torch

import reference
from benchmarks import equality, layers, report
from benchmarks.timing import PRECISIONS, Pass, Timed, run
from companion import runtime
from reference.case import Case

CONTESTANTS = ("ours", "reference")


def make(family: str, device: torch.device, *, large: bool) -> Case:
    """A case on ``device``, always with the same weights and inputs."""
    torch.manual_seed(0)
    with device:
        return reference.make(family, large=large)


def make_pass(case: Case, who: str, precision: str, device: torch.device) -> Pass:
    """Ours or the reference's."""
    forward = case.model if who == "ours" else case.reference
    return Pass(forward, case.inputs, runtime.pick_precision(precision, device), device)


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
        report.tell(f"numbers: {family}")
        case = make(family, device, large=False)
        forward, backward = equality.beside_reference(case)
        graph = compiled(family, device) if compile_ else "not asked for (`--compile`)"
        onnx = equality.onnx(case)
        lines.append(f"| {family} | {case.reference_name} | {forward:.0e} | {backward:.0e} | {graph} | {onnx} |")
    return lines


def compiled(family: str, device: torch.device) -> str:
    """:func:`equality.compiled` in a process of its own, which a compiler's fault may end."""
    command = [sys.executable, "-m", "benchmarks.models", "--device", str(device), "--compiled-of", family]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode < 0:
        return f"no: the process ended by {signal.Signals(-done.returncode).name}"
    return done.stdout.strip()


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
    report.tell(f"memory: {family}, {who}")
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
    report.tell(f"time: {family}")
    case, found = make(family, device, large=True), {}
    for name in PRECISIONS:
        timed, failed = {}, {}
        for who in CONTESTANTS:
            try:
                work = make_pass(case, who, name, device)
                work()  # some fail on their way back only
                timed[who] = Timed(who, work)
            except RuntimeError as error:
                failed[who] = report.reason(error)
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


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count (default 7)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda (default auto)")
    parser.add_argument("--families", default=",".join(reference.FAMILIES), help="some of them, as a,b (default all)")
    parser.add_argument("--compile", action="store_true", help="compile every family with Inductor too (minutes)")
    parser.add_argument("--peaks-of", nargs=2, help=argparse.SUPPRESS)  # a process that measures memory
    parser.add_argument("--compiled-of", help=argparse.SUPPRESS)  # a process that compiles
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
    if chosen.compiled_of:
        print(equality.compiled(make(chosen.compiled_of, device, large=False)))
        return
    families = chosen.families.split(",")
    peers = ("transformers", "torch_geometric", "onnxruntime")
    lines = [
        "# Models beside their references\n",
        report.header(f"python -m benchmarks.models {' '.join(sys.argv[1:])}".strip()),
        f"- peers: {', '.join(f'{peer} {version(peer)}' for peer in peers)}",
        f"- device: {device}, {torch.get_num_threads()} threads; {chosen.rounds} rounds, interleaved; medians",
        *same_numbers(families, device, compile_=chosen.compile),
        *speed_and_memory(families, chosen.rounds, device),
        *(layers.attention(chosen.rounds, device) if "attention" in families else []),
        *(layers.lstm(chosen.rounds, device) if "sequence_classifier" in families else []),
    ]
    report.write(f"models-{device.type}.md", "\n".join(lines))


if __name__ == "__main__":
    main()
