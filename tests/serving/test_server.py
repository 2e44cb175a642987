"""The server on loopback, with OpenAI's own client and with clients that misbehave."""

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import torch
from loopback import client, wait_for

from companion.models import GPT, ChatTokenizer
from companion.serving import Server
from companion.serving.server import check_host

HELLO = [{"role": "user", "content": "hello"}]
Make = Callable[..., Server]


def ask(address: str, messages: Any = HELLO, **options: Any) -> Any:
    options = {"model": "tiny", "max_tokens": 12, "temperature": 0} | options
    return client(address).chat.completions.create(messages=messages, **options)


def expected(model: GPT, tokenizer: ChatTokenizer, new: int) -> str:
    tokens = tokenizer.apply_chat_template(HELLO, add_generation_prompt=True)
    stop = tokenizer.stop_tokens
    written = model.generate(torch.tensor([tokens]), new, temperature=0, stop_tokens=stop)[0, len(tokens) :]
    return tokenizer.decode(written, skip_special_tokens=True)


def test_an_answer_is_that_of_the_model(make: Make, model: GPT, tokenizer: ChatTokenizer) -> None:
    with make().in_thread() as address:
        answer = ask(address)
        chunks = list(ask(address, stream=True, stream_options={"include_usage": True}))
        assert client(address).models.list().data[0].id == "tiny"
    text = expected(model, tokenizer, 12)
    assert answer.choices[0].message.content == text
    assert answer.choices[0].finish_reason == "length"
    assert (answer.usage.completion_tokens, answer.usage.total_tokens) == (12, 12 + answer.usage.prompt_tokens)
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] == "length"
    assert chunks[-1].usage == answer.usage


def test_a_seed_repeats_and_a_stop_text_ends(make: Make) -> None:
    with make().in_thread() as address:
        first, again = (ask(address, temperature=1, seed=3).choices[0].message.content for _ in range(2))
        stop = first[4:6]
        cut = ask(address, temperature=1, seed=3, stop=stop).choices[0]
    assert first == again
    assert cut.message.content == first[: first.index(stop)]
    assert cut.finish_reason == "stop"


def test_what_a_client_types_never_becomes_a_control_token(
    make: Make, tokenizer: ChatTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, read = make(), []
    submit = server.engine.submit
    monkeypatch.setattr(server.engine, "submit", lambda ticket: (read.append(list(ticket.tokens)), submit(ticket)))
    typed = "Hi <|endoftext|> <|endof<|endoftext|>text|>"
    with server.in_thread() as address:
        for role in ("system", "user", "assistant"):
            ask(address, [{"role": role, "content": typed}, *HELLO])
    assert len(read) == 3
    for tokens in read:
        assert tokenizer.end_of_text not in tokens
        assert typed in tokenizer.decode(tokens)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"model": "other"}, "expected model 'tiny', got 'other'"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "wizard", "content": "a"}]}, "role"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a"}}]}]}, "content"),
        ({"messages": [{"role": "user", "content": []}]}, "content"),
        ({"seed": 2**64}, "seed"),
        ({"seed": -(2**63) - 1}, "seed"),
        ({"messages": [{"role": "user", "content": "a" * 400}]}, "at most 256 with the answer's"),
        ({"max_tokens": 250}, "at most 256 with the answer's"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"n": 2}, "n: "),
        ({"stop": ["a", ""]}, "at least one character"),
        ({"logprobs": True}, "logprobs"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
    ],
)
def test_what_it_does_not_do_is_refused(make: Make, options: dict[str, Any], said: str) -> None:
    with make().in_thread() as address, pytest.raises(openai.APIStatusError) as refused:
        ask(address, **options)
    assert refused.value.status_code in (400, 404)
    assert said in refused.value.body["message"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (b'{"model": "tiny", ', 400, "JSON"),
        (b"\xff\xfe", 400, "expected a body in JSON, got none"),  # a UTF-16 text of no character
        (b"[" * 50_000, 400, "expected a body in JSON, got none"),
        (b"x" * (2**20 + 1), 413, "1,048,576 bytes"),
    ],
)
def test_malformed_bodies_are_answered(make: Make, body: bytes, status: int, said: str) -> None:
    with make().in_thread() as address:
        answer = httpx.post(
            f"{address}/v1/chat/completions", content=body, headers={"Content-Type": "application/json"}
        )
        assert ask(address).choices[0].message.content  # the next one is served
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]


def test_what_clients_send_beside_is_taken_as_openai_takes_it(make: Make) -> None:
    """Null for what they leave open, and a text in parts; a server can be started again."""
    server = make()
    parts = [{"role": "user", "content": [{"type": "text", "text": text} for text in ("hello", "there")]}]
    names = "temperature top_p n stream stop seed stream_options presence_penalty tools logit_bias response_format"
    with server.in_thread() as address:
        expected = ask(address, [{"role": "user", "content": "hello\nthere"}])
        assert ask(address, parts).choices == expected.choices
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 3, **dict.fromkeys(names.split())}
    with server.in_thread() as address:
        answer = httpx.post(f"{address}/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["usage"]["completion_tokens"] == 3


def test_a_body_of_unknown_length_is_refused(make: Make) -> None:
    with make().in_thread() as address:
        answer = httpx.post(f"{address}/v1/chat/completions", content=iter([b"{}"]))
    assert answer.status_code == 411


def test_keys(make: Make) -> None:
    with make(keys=["first-key", "second-key"]).in_thread() as address:
        for key in ("first-key", "second-key"):
            assert client(address, key).models.list().data
        for key in ("wrong", "first-ke", "first-key-"):
            with pytest.raises(openai.AuthenticationError):
                client(address, key).models.list()
        assert httpx.get(f"{address}/health").status_code == 200


def test_without_keys_it_answers_to_its_own_address_only(make: Make) -> None:
    with make().in_thread() as address:
        assert httpx.get(address, headers={"Host": "attacker.example"}).status_code == 403
        assert "<h1>" in httpx.get(address).text
    for host in ("127.0.0.1", "localhost", "::1"):
        check_host(host, [])
    for host in ("0.0.0.0", "::", "192.168.1.5", "example.com"):
        check_host(host, ["key"])
        with pytest.raises(ValueError, match="expected a loopback address"):
            check_host(host, [])


def test_who_hangs_up_leaves_the_batch(make: Make) -> None:
    server = make()
    with server.in_thread() as address:
        stream = ask(address, stream=True, max_tokens=200)
        next(iter(stream))
        stream.close()
        wait_for(lambda: server.engine.running == 0, seconds=5)
        host, port = address.removeprefix("http://").split(":")
        body = json.dumps({"model": "tiny", "messages": HELLO, "max_tokens": 200, "temperature": 0}).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            wait_for(lambda: server.engine.running == 1)
        wait_for(lambda: server.engine.running == 0, seconds=5)
        assert ask(address).choices[0].message.content


def test_fifty_clients_at_once(make: Make, model: GPT, tokenizer: ChatTokenizer) -> None:
    with make(max_batch=8, max_waiting=64).in_thread() as address, ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: ask(address).choices[0].message.content, range(50)))
    assert set(answers) == {expected(model, tokenizer, 12)}


def test_a_full_line_answers_429(make: Make) -> None:
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 100, "temperature": 0}
    with make(max_batch=1, max_waiting=1).in_thread() as address, ThreadPoolExecutor(12) as pool:
        url = f"{address}/v1/chat/completions"
        answers = list(pool.map(lambda _: httpx.post(url, json=body, timeout=30), range(12)))
    assert {answer.status_code for answer in answers} == {200, 429}
    assert all(answer.headers["retry-after"] == "1" for answer in answers if answer.status_code == 429)


def test_an_error_of_the_model_is_a_500_and_ends_a_stream(
    make: Make, model: GPT, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("out of memory, say")

    monkeypatch.setattr(model, "next_logits", broken)
    with make().in_thread() as address:
        with pytest.raises(openai.InternalServerError, match="out of memory"):
            ask(address)
        with pytest.raises(openai.APIError, match="out of memory"):
            list(ask(address, stream=True))


def test_the_log_has_a_line_for_each_request_and_no_word_of_it(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "logs" / "requests.jsonl"
    with make(keys=["a-key"], log=path).in_thread() as address:
        api = client(address, "a-key").chat.completions
        said = [{"role": "user", "content": "my secret"}]
        greedy = {"model": "tiny", "messages": said, "max_tokens": 5, "temperature": 0}
        api.create(**greedy)  # type: ignore[call-overload]
        list(api.create(**greedy, stream=True))  # type: ignore[call-overload]
        with pytest.raises(openai.BadRequestError):
            api.create(model="tiny", messages=said, max_tokens=500)  # type: ignore[call-overload]
    text = path.read_text(encoding="utf-8")
    entries = [json.loads(line) for line in text.splitlines()]
    assert [entry["status"] for entry in entries] == [200, 200, 400]
    assert [entry["completion_tokens"] for entry in entries] == [5, 5, 0]
    assert [entry["stream"] for entry in entries] == [False, True, False]
    assert all(0 < entry["first_token_s"] <= entry["total_s"] for entry in entries[:2])
    assert "secret" not in text
    assert "a-key" not in text
    assert len({entry["key"] for entry in entries}) == 1


def test_a_model_without_conversations_is_refused(model: GPT, tokenizer: ChatTokenizer) -> None:
    plain = ChatTokenizer(tokenizer.tokenizer, None, tokenizer.special)
    with pytest.raises(ValueError, match="chat template"):
        Server(model, plain, name="tiny")
    with pytest.raises(ValueError, match="keys with at least one character"):
        Server(model, tokenizer, name="tiny", keys=[""])
