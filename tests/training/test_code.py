"""Programs in a process of their own: what they may not do; HumanEval's own solutions; what a model writes."""

import socket
import time

import pytest
import torch

from companion.data import CodeTask, human_eval, train_tokenizer
from companion.models import GPT, ChatTokenizer, GPTConfig
from companion.stats import pass_at_k_ci
from companion.training import has_no_network, run_limited, sandbox, solve_tasks

ONE = CodeTask("one", "def one():\n", "one", "def check(f):\n    assert f() == 1\n", "    return 1\n")


@pytest.mark.parametrize("isolated", [True, False])
@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ("import math\nassert math.gcd(12, 18) == 6  # größter", "passed"),
        ("assert 1 == 2", "failed"),
        ("def broken(:", "failed"),
        ("import sys; sys.exit(0)", "failed"),  # leaving is not coming to the end
        ("import os; os._exit(0)", "failed"),
        ("print('passed'); raise ValueError", "failed"),
        ("x = bytearray(2**30)", "failed"),
        ("open('large', 'wb').write(b'x' * 2**21)", "failed"),
        ("open('small', 'w').write('x'); assert open('small').read() == 'x'", "passed"),
        ("import os; assert not os.listdir('.') and 'HOME' not in os.environ", "passed"),
        ("print('x' * 2**24)", "passed"),
        ("while True: pass", "timeout"),
        ("import time; time.sleep(60)", "timeout"),
    ],
)
def test_what_a_program_may_do(monkeypatch, isolated, program, outcome):
    if isolated and not has_no_network():
        pytest.skip("needs unshare, and this system does not allow it")
    monkeypatch.setattr(sandbox, "has_no_network", lambda: isolated)
    assert run_limited(program, seconds=2 if outcome == "timeout" else 60) == outcome


def test_a_program_has_no_network_and_leaves_nothing_running(tmp_path):
    if not has_no_network():
        pytest.skip("needs unshare, and this system does not allow it")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        connect = f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5)"
        assert run_limited(connect, seconds=60) == "failed"
        socket.create_connection(("127.0.0.1", port), timeout=5).close()  # which from here succeeds
    mark = tmp_path / "mark"
    left = f"""
import os, time
if os.fork() == 0:
    os.setsid()
    while True:
        open({str(mark)!r}, 'w').write(str(time.time()))
        time.sleep(0.1)
time.sleep(1)
"""
    assert run_limited(left, seconds=60) == "passed"
    before = mark.read_text()
    time.sleep(1)
    assert mark.read_text() == before


def test_a_zero_byte_is_refused():
    with pytest.raises(ValueError, match="without zero bytes"):
        run_limited("a\0b")


@pytest.mark.parametrize("places", [range(0, 164, 40), pytest.param(range(164), marks=pytest.mark.slow)])
def test_human_evals_own_solutions_pass_and_others_fail(places):
    tasks = human_eval()
    assert len({task.name for task in tasks}) == 164
    for place in places:
        task = tasks[place]
        assert run_limited(task.program(task.solution), seconds=60) == "passed", task.name
        assert run_limited(task.program("    return None\n"), seconds=60) == "failed", task.name


def test_what_a_model_writes_is_cut_where_the_function_ends_and_run(monkeypatch):
    tokenizer = ChatTokenizer(train_tokenizer(["a text"], 257), None, {"eos_token": "<|endoftext|>"})
    model = GPT(GPTConfig(vocab_size=257, block_size=64, n_layer=1, n_head=2, n_embd=8))
    texts = [
        "    return 1\n\ndef two(): return 1 / 0\n",
        "    return 2\n",
        "    return 1\nprint(1/0)",
        "\n    return 1",
    ]

    def written(self, tokens, new, *, temperature, seed, stop_tokens):
        assert (tokenizer.decode(tokens[0]), len(tokens), temperature, seed) == ("def one():\n", 4, 0.8, 5)
        rows = [tokenizer.encode(text) for text in texts]
        longest = max(map(len, rows))
        ends = [row + [0] * (longest - len(row)) for row in rows]
        return torch.cat([tokens, torch.tensor(ends)], dim=1)

    monkeypatch.setattr(GPT, "generate", written)
    rows = solve_tasks(model, tokenizer, [ONE], n_samples=4, temperature=0.8, seconds=60, seed=5)
    assert rows["outcomes"][0] == ("passed", "failed", "passed", "passed")
    assert (rows["n_samples"][0], rows["n_correct"][0]) == (4, 3)
    rows = solve_tasks(model, tokenizer, [ONE] * 1, n_samples=4, temperature=0.8, seconds=60, seed=5)
    score = pass_at_k_ci([*rows["n_samples"]] * 2, [*rows["n_correct"]] * 2, k=1)
    assert score.estimate == 0.75
    with pytest.raises(ValueError, match="at least one task, got none"):
        solve_tasks(model, tokenizer, [])
