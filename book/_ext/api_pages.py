"""Pages of the API reference: a table of names, then each with its signature, examples and ``[source]``.

A page says ``{api} companion.stats compare``: the names that are public in the package and written in these of its
modules; ``*`` among them stands for the modules that no page names. So what becomes public appears by itself. The tests
find what stands on no page, or on two, and pages that got too long.
"""

import importlib
import inspect
import re
from functools import cache
from pathlib import Path

from docutils import nodes
from public_names import PublicName, public_names, public_packages
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).parents[2]
PAGES = "book/appendix/api"
MARKUP = re.compile(r":(?!math:)[\w:]+:`~?(?:[^`<]*\.)?([^`.<]+)`")
DIRECTIVE = re.compile(r"^```\{api\} (.*)$", re.M)
LONGEST_VALUE = 60


def names_of(package: str, modules: list[str]) -> list[PublicName]:
    """The public names of ``package`` that are written in ``modules``; in all of it where none is named.

    A module ``*`` stands for all that no page names: there a new module appears by itself.
    """
    public = public_names(package)
    found = [
        name
        for module in modules or [package]
        if module != "*"
        for name in public
        if _is_in(name, _absolute(package, module))
    ]
    if "*" in modules:
        named = _named(package)
        found += [
            name
            for name in public
            if not any(_is_in(name, module) for module in named)
        ]
    return found


def _absolute(package: str, module: str) -> str:
    return module if module.startswith("companion") else f"{package}.{module}"


def _is_in(public: PublicName, module: str) -> bool:
    return f"{public.module}.".startswith(f"{module}.")


@cache
def _named(package: str) -> list[str]:
    """The modules of ``package`` that the pages name."""
    texts = [
        page.read_text("utf-8") for page in sorted((ROOT / PAGES).glob("*.md"))
    ]
    lines = [line.split() for text in texts for line in DIRECTIVE.findall(text)]
    return [
        _absolute(package, module)
        for named, *modules in lines
        if named == package
        for module in modules
        if module != "*"
    ]


def page(package: str, modules: list[str], declare: bool) -> str:
    """A page's reStructuredText; with ``declare`` it is what a link to the package leads to."""
    names = names_of(package, modules)
    lines = [
        f".. py:module:: {package}"
        if declare
        else f".. py:currentmodule:: {package}"
    ]
    lines += ["", *_summary(names), ""]
    seen: set[str] = set()
    for public in names:
        if public.module not in seen:
            seen.add(public.module)
            lines += _about_module(public.module, package)
        lines += [*_entry(public), ""]
    return "\n".join(lines)


def first_sentence(public: PublicName) -> str:
    """What a name is for, in one line without links; a formula stays one."""
    text = (
        _comment(public)
        if public.kind == "data"
        else inspect.getdoc(public.value) or ""
    )
    paragraph = " ".join(text.split("\n\n")[0].split())
    if public.other_name:
        return f"Another name of ``{public.other_name}``."
    return re.split(r"(?<=[^.]\.) (?=[A-Z])", MARKUP.sub(r"``\1``", paragraph))[0]


def _summary(names: list[PublicName]) -> list[str]:
    lines = [".. list-table::", "   :class: api-summary", "   :widths: auto", ""]
    for public in names:
        lines += [
            f"   * - :py:obj:`~{public.path}`",
            f"     - {first_sentence(public)}",
        ]
    return lines


def _about_module(module: str, package: str) -> list[str]:
    """What a module says of itself, where it says more than one line: formulas, axes, departures from a paper."""
    about = inspect.getdoc(importlib.import_module(module)) or ""
    if module == package or "\n\n" not in about:
        return []
    return [f".. rubric:: {module}", "", about, ""]


def _entry(public: PublicName) -> list[str]:
    if public.other_name:
        return [
            f".. py:{public.kind}:: {public.name}",
            "",
            f"   {first_sentence(public)}",
        ]
    if public.kind == "data":
        value = repr(public.value)
        shown = [f"   :value: {value}"] if len(value) <= LONGEST_VALUE else []
        return [f".. py:data:: {public.name}", *shown, "", f"   {_comment(public)}"]
    members = ["   :members:"] if public.kind == "class" else []
    return [f".. auto{public.kind}:: {public.path}", *members]


def _comment(public: PublicName) -> str:
    """The ``#:`` comment of a constant, which has one: a test sees to it."""
    comments = ModuleAnalyzer.for_module(public.module).find_attr_docs()
    return " ".join(comments["", public.name]).strip()


class ApiPage(SphinxDirective):
    """``{api} package module …``: the public names that are written in these modules."""

    required_arguments = 1
    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The table's and the entries' nodes."""
        package, *modules = " ".join(self.arguments).split()
        declared = self.env.metadata.setdefault("api-packages", {})
        first = declared.setdefault(package, self.env.docname) == self.env.docname
        text = page(package, modules, declare=first)
        return self.parse_text_to_nodes(f"````{{eval-rst}}\n{text}\n````\n")


def resolve(
    app: Sphinx,
    env: BuildEnvironment,
    node: addnodes.pending_xref,
    contnode: nodes.TextElement,
) -> nodes.Node | None:
    """A link to a public name from any module; the types of other packages in a signature stay without one."""
    if node.get("refdomain") != "py":
        return None
    target = _paths().get(node["reftarget"].rpartition(".")[2])
    if target and target != node["reftarget"]:
        return env.get_domain("py").resolve_xref(
            env, node["refdoc"], app.builder, "obj", target, node, contnode
        )
    in_signature = isinstance(contnode, nodes.Text)
    return contnode if in_signature else None


@cache
def _paths() -> dict[str, str]:
    return {
        public.name: public.path
        for package in public_packages(ROOT / "companion")
        for public in public_names(package)
    }


def link_names_in_tables(app: Sphinx, doctree: nodes.document) -> None:
    """Makes links of the public names in the tables of the reference."""
    if not app.env.docname.startswith(PAGES):
        return
    paths = _paths()
    for table in doctree.findall(nodes.table):
        for literal in list(table.findall(nodes.literal)):
            name = literal.astext().partition("(")[0]
            if name in paths and not isinstance(
                literal.parent, addnodes.pending_xref
            ):
                literal.replace_self(_link(paths[name], literal, app.env.docname))


def _link(path: str, literal: nodes.literal, docname: str) -> addnodes.pending_xref:
    link = addnodes.pending_xref(
        "",
        literal.deepcopy(),
        refdomain="py",
        reftype="obj",
        reftarget=path,
        refdoc=docname,
        refwarn=True,
    )
    link["py:module"] = link["py:class"] = None
    return link


def setup(app: Sphinx) -> dict[str, bool]:
    """Registers the directive and the handlers."""
    app.add_directive("api", ApiPage)
    app.connect("missing-reference", resolve)
    app.connect("doctree-read", link_names_in_tables)
    return {"parallel_read_safe": True}
