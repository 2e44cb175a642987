"""The chat page in a browser: it asks, shows the answer as it comes, says what went wrong, and is accessible."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, expect

from companion.models import GPT, ChatTokenizer, GPTConfig
from companion.serving import Server


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_conversation(tokenizer: ChatTokenizer, browser: Browser, scheme: str, width: int) -> None:
    model = GPT(GPTConfig(tokenizer.vocab_size, 2048, n_layer=1, n_head=2, n_embd=16, positions="rotary"))
    with Server(model, tokenizer, name="tiny").in_thread() as address:
        page = browser.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)  # type: ignore[arg-type]
        foreign: list[str] = []
        page.on("request", lambda request: foreign.append(request.url) if not request.url.startswith(address) else None)
        page.goto(address)
        for turn in (1, 2):
            page.get_by_label("Message").fill("a question")
            page.get_by_label("Message").press("Enter")
            expect(page.locator("main .note")).to_have_count(turn, timeout=30_000)
        expect(page.locator("main .assistant")).to_have_count(2)
        page.get_by_label("Message").fill("x" * 2000)  # does not fit
        page.get_by_role("button", name="Send").click()
        expect(page.locator("main .error")).to_contain_text("expected 1 token or more, and at most 2048")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert Axe().run(page).response["violations"] == []
        page.get_by_role("button", name="New conversation").click()
        expect(page.locator("main p")).to_have_count(0)
        assert [url for url in foreign if not url.startswith("data:")] == []
        page.close()
