"""What stands in the appendix and is no matter of tagged cells: questions and goals with answers, tools, hardware, prices."""

import re
from pathlib import Path

import yaml

#: Models whose prices are shown, with their provider's name, both as genai-prices knows them.
PRICED = (
    ("gpt-4o-mini", "openai"),
    ("gpt-5-mini", "openai"),
    ("claude-haiku-4-5", "anthropic"),
    ("gemini-2.5-flash", "google"),
    ("deepseek-chat", "deepseek"),
    ("mistral-small-latest", "mistral"),
)


def answers(name: str, book: Path, part: str) -> str:
    """What essays ask, our answer, the sections whose cells show it, and where they ask; in paragraphs, for phones."""
    rows = yaml.safe_load(
        (book / f"appendix/{name}.yml").read_text(encoding="utf-8")
    )[part]
    return "\n\n".join(
        f"**{row['ask']}** {row['answer']} Shown in: "
        + "; ".join(f"{{ref}}`{label}`" for label in row["shown"])
        + f". Asked in {row['at']}."
        for row in rows
    )


def tools(book: Path, part: str) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """What one builds with: for what, in which version here, or what is on record of it."""
    locked = dict(
        re.findall(
            r"^(\S+)==(\S+)$",
            (book.parent / "constraints.txt").read_text(encoding="utf-8"),
            re.M,
        )
    )
    rows = [
        (
            row["name"],
            row["use"],
            f"{locked[row['package']]} here"
            if "package" in row
            else row.get("state", ""),
        )
        for row in yaml.safe_load(
            (book / "appendix/tools.yml").read_text(encoding="utf-8")
        )[part]
    ]
    return ("Tool", "For", "Version or state"), rows


def hardware(_: Path) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The accelerators of ``companion.economics``."""
    from companion.economics import ACCELERATORS

    rows = [
        (
            name,
            f"{device.flops / 1e12:,.0f}",
            f"{device.bandwidth / 1e12:.2f}",
            f"{device.memory / 1e9:.0f}",
        )
        for name, device in ACCELERATORS.items()
    ]
    return (
        "Device",
        "10¹² operations a second",
        "10¹² bytes a second",
        "Memory, GB",
    ), rows


def prices(_: Path) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """What APIs charge, by the installed list."""
    from companion.economics import api_prices

    listed = [(model, api_prices(model, provider)) for model, provider in PRICED]
    rows = [
        (model, f"{p.read:g}", f"{p.cached:g}", f"{p.written:g}", p.source)
        for model, p in listed
    ]
    return ("Model", "Read", "Read from the cache", "Written", "By"), rows
