"""What a chapter's code must be: short, plain Python, made with the package, and offline."""

import ast
import re
from collections.abc import Iterator

from nbformat import NotebookNode

MAX_CODE_LINES = 25
NETWORK_MODULES = (
    *("aiohttp", "ftplib", "gdown", "http.client", "httpx", "huggingface_hub", "kagglehub", "openml", "requests"),
    *("smtplib", "socket", "torch.hub", "urllib.request", "urllib3", "websocket", "wget"),
)
NETWORK_CALLS = re.compile(
    r"fetch_\w+|urlopen|urlretrieve|load_dataset|snapshot_download|hf_hub_download|load_state_dict_from_url"
)


def code_cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """The code cells with their numbers, counted from 1 over all cells."""
    yield from ((number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code")


def nodes(notebook: NotebookNode) -> Iterator[tuple[int, ast.AST]]:
    """All syntax nodes of all code cells; cells that are no plain Python are `plain_python`'s to refuse."""
    for number, cell in code_cells(notebook):
        try:
            tree = ast.parse(cell.source)
        except SyntaxError:
            continue
        yield from ((number, node) for node in ast.walk(tree))


def no_empty_cells(notebook: NotebookNode) -> list[str]:
    return [f"cell {number}: is empty" for number, cell in code_cells(notebook) if not cell.source.strip()]


def short_cells(notebook: NotebookNode) -> list[str]:
    lengths = ((number, len(cell.source.strip().splitlines())) for number, cell in code_cells(notebook))
    return [
        f"cell {number}: {n} lines of code, at most {MAX_CODE_LINES}" for number, n in lengths if n > MAX_CODE_LINES
    ]


def plain_python(notebook: NotebookNode) -> list[str]:
    """No magics or shell commands: they hide from every check that reads the code."""
    complaints = []
    for number, cell in code_cells(notebook):
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            complaints.append(f"cell {number}: no plain Python ({error.msg})")
    return complaints


def uses_companion(notebook: NotebookNode) -> list[str]:
    return [] if any(name.split(".")[0] == "companion" for _, name in imports(notebook)) else ["does not use companion"]


def imports(notebook: NotebookNode) -> Iterator[tuple[int, str]]:
    """Dotted names of all that is imported, also through `__import__("x")` and `import_module("x")`."""
    for number, node in nodes(notebook):
        if isinstance(node, ast.Import):
            yield from ((number, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((number, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in {"__import__", "import_module"}:
            yield from ((number, arg.value) for arg in node.args if is_text(arg))


def called(call: ast.Call) -> str:
    """The last part of the name that is called."""
    return getattr(call.func, "attr", None) or getattr(call.func, "id", "")


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def offline(notebook: NotebookNode) -> list[str]:
    """No import, call or address that reads the network."""
    complaints = [
        f"cell {number}: imports {name}"
        for number, name in imports(notebook)
        if any(f"{name}.".startswith(f"{module}.") for module in NETWORK_MODULES)
    ]
    for number, node in nodes(notebook):
        if isinstance(node, ast.Call):
            complaints += [f"cell {number}: {why}" for why in network_reads(node)]
    return complaints


def network_reads(call: ast.Call) -> list[str]:
    why, name = [], called(call)
    if NETWORK_CALLS.fullmatch(name):
        why.append(f"calls {name}")
    if name == "from_pretrained" and call.args and is_text(call.args[0]):
        why.append("from_pretrained with the name of a model that a hub would serve")
    if any(keyword.arg == "download" and getattr(keyword.value, "value", None) is True for keyword in call.keywords):
        why.append(f"calls {name}(download=True)")
    if any(is_text(arg) and re.match(r"(https?|ftp|s3|hf)://", arg.value) for arg in call.args):
        why.append(f"calls {name} with an address")
    return why
