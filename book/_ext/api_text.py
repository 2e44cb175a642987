"""How autodoc writes a signature and a docstring: types as the source has them, examples first, fields once."""

import ast
import dataclasses
import inspect
import re
import textwrap
from typing import Any

from sphinx.application import Sphinx

SECTION = re.compile(r"^(Args|Attributes|Example|Raises|Returns|Source|Yields):$")
FIELD = re.compile(r"^    (\w+): ")


def signature_as_written(
    app: Sphinx,
    what: str,
    name: str,
    value: Any,
    options: Any,
    signature: str | None,
    returns: str | None,
) -> tuple[str | None, str | None]:
    """Types as the source has them (``ArrayLike``, not all that it stands for); of a dataclass the fields' names."""
    if what in {"function", "method"}:
        return _written(value, drop_first=_is_bound(name, value, what))
    if what == "class" and dataclasses.is_dataclass(value):
        return _fields(value), None
    if what == "class" and "__init__" in vars(value):
        return _written(value.__init__, drop_first=True)[0], None
    return signature, returns


def _is_bound(name: str, value: Any, what: str) -> bool:
    """Whether a reader leaves out the first argument, ``self`` or ``cls``."""
    arguments = _tree(value).args
    first = [*arguments.posonlyargs, *arguments.args][:1]
    return what == "method" and bool(first) and first[0].arg in {"self", "cls"}


def _tree(value: Any) -> ast.FunctionDef:
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(value)))
    return ast.parse(source).body[0]  # type: ignore[return-value]


def _written(value: Any, *, drop_first: bool) -> tuple[str, str | None]:
    function = _tree(value)
    arguments = function.args
    if drop_first:
        (arguments.posonlyargs or arguments.args).pop(0)
    returns = ast.unparse(function.returns) if function.returns else None
    return f"({ast.unparse(arguments)})", returns


def _fields(value: type) -> str:
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(value).parameters.values()
    ]
    return str(inspect.Signature(parameters))


def docstring(
    app: Sphinx, what: str, name: str, value: Any, options: Any, lines: list[str]
) -> None:
    """Moves examples to the front, and gives the fields of a dataclass their types."""
    about, *rest = _sections(lines)
    examples = [section for section in rest if _is_example(section)]
    others = [section for section in rest if not _is_example(section)]
    if dataclasses.is_dataclass(value):
        others = [_typed(section, _types(value)) for section in others]
    lines[:] = [line for section in [about, *examples, *others] for line in section]


def _sections(lines: list[str]) -> list[list[str]]:
    """What comes before the first section, each section, and what is not indented behind them: examples."""
    sections: list[list[str]] = [[]]
    for line in lines:
        in_section = bool(sections[-1]) and bool(SECTION.match(sections[-1][0]))
        if SECTION.match(line) or (in_section and line[:1].strip()):
            sections.append([])
        sections[-1].append(line)
    for section in sections:
        if section and section[-1].strip():
            section.append("")
    return sections


def _is_example(section: list[str]) -> bool:
    return section[0] == "Example:" or not SECTION.match(section[0])


def _types(value: type) -> dict[str, str]:
    """The types of the fields as the source has them, those of base classes too."""
    types = {}
    for base in reversed(value.__mro__):
        if dataclasses.is_dataclass(base):
            body = ast.parse(textwrap.dedent(inspect.getsource(base))).body[0].body  # type: ignore[attr-defined]
            fields = [node for node in body if isinstance(node, ast.AnnAssign)]
            types |= {
                ast.unparse(field.target): ast.unparse(field.annotation)
                for field in fields
            }
    return types


def _typed(section: list[str], types: dict[str, str]) -> list[str]:
    if section[0] != "Attributes:":
        return section
    return [
        f"    {match[1]} (``{types[match[1]]}``): {line[match.end() :]}"
        if (match := FIELD.match(line)) and match[1] in types
        else line
        for line in section
    ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects both; the docstring is changed before napoleon reads it."""
    app.connect("autodoc-process-signature", signature_as_written)
    app.connect("autodoc-process-docstring", docstring, priority=400)
    return {"parallel_read_safe": True}
