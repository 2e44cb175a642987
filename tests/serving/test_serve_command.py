"""``python -m companion serve`` as a process: it starts, answers, and ends what it began when it is told to stop."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import torch
from loopback import client, wait_for

from companion.__main__ import main
from companion.models import GPT, ChatTokenizer, GPTConfig


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tokenizer: ChatTokenizer) -> Path:
    """A chat model that takes about a second for its longest answer."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "small"
    config = GPTConfig(tokenizer.vocab_size, 1024, n_layer=4, n_head=4, n_embd=128, positions="rotary")
    GPT(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "companion", "serve", "--model", str(folder), "--port", str(port)]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    address = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{address}/health").status_code == 200
        except httpx.TransportError:
            time.sleep(0.1)
            return False

    try:
        wait_for(ready, seconds=60)
        yield started, address
    finally:
        started.kill()
        started.communicate()


def test_a_stream_ends_whole_when_the_process_is_told_to_stop(process: tuple[subprocess.Popen[str], str]) -> None:
    server, address = process
    said = [{"role": "user", "content": "hello"}]
    with client(address) as api:
        stream = iter(
            api.chat.completions.create(  # type: ignore[call-overload]
                model="small",
                messages=said,
                stream=True,
                max_tokens=400,
                temperature=0,
                stream_options={"include_usage": True},
            )
        )
        next(stream)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        with pytest.raises(httpx.TransportError):  # no new ones
            httpx.get(f"{address}/health")
        last = list(stream)[-1]
    assert last.usage.completion_tokens > 0
    assert server.wait(timeout=30) in (0, -signal.SIGTERM)


def test_what_cannot_be_served_is_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPANION_API_KEYS", raising=False)
    for arguments, said in (
        (["--model", str(folder), "--host", "0.0.0.0"], "expected a loopback address"),
        (["--model", str(folder), "--port", "65536"], "expected --port from 0 to 65535, got 65536"),
        (["--model", str(tmp_path / "none")], "none"),
        (["--model", str(folder), "--max-batch", "0"], "max_batch of at least 1"),
    ):
        assert main(["serve", *arguments]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


@pytest.mark.slow
def test_five_minutes_of_load_do_not_grow_the_memory(process: tuple[subprocess.Popen[str], str]) -> None:
    server, address = process
    page = os.sysconf("SC_PAGE_SIZE")

    def resident() -> int:
        return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * page

    sizes, until, answered = [], time.monotonic() + 300, 0
    with client(address) as api:
        while time.monotonic() < until:
            for new in (5, 60, 300):
                stream = api.chat.completions.create(  # type: ignore[call-overload]
                    model="small",
                    messages=[{"role": "user", "content": f"number {answered} " * (1 + answered % 5)}],
                    stream=True,
                    max_tokens=new,
                )
                for place, _ in enumerate(stream):
                    if answered % 3 == 0 and place == 3:
                        stream.close()  # every third hangs up
                        break
                answered += 1
            sizes.append(resident())
    third = len(sizes) // 3
    assert answered > 100
    assert max(sizes[-third:]) < 1.05 * max(sizes[third : 2 * third])


def test_a_port_that_is_taken_is_named_before_a_model_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COMPANION_API_KEYS", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for command in (["serve", "--model", str(tmp_path / "none")], ["apps"]):
            assert main([*command, "--port", port]) == 2
            said = capsys.readouterr()
            assert said.err.startswith(f"error: expected a free port at 127.0.0.1, got {port} (")
            assert (said.err.count("\n"), said.out) == (1, "")
