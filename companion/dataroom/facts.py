"""Numbers, each with the file that it was read from and that file's checksum."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PLACE = re.compile(r"\{([\w.]+)\}")
#: A number in prose; those in names (GPT-2, H100, v0.1) and dates are none.
_NUMBER = re.compile(r"(?<![\w.-])[-+]?\d[\d,.]*%?(?![\w-])")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


@dataclass(frozen=True)
class Fact:
    """One value as the room prints it.

    Attributes:
        name: such as ``training.tokens``, by which a statement asks for it.
        text: the value as it is printed, with its unit.
        file: that it was read or computed from, relative to the run.
        sha256: of this file.
    """

    name: str
    text: str
    file: str
    sha256: str


class Facts:
    """All facts of a run.

    Args:
        run: the folder that files are named in.

    >>> import pathlib, tempfile
    >>> run = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (run / "answers.csv").write_text("right\\n1\\n0\\n")
    >>> facts = Facts(run)
    >>> facts.add("answers.right", "1 of 2", "answers.csv").sha256[:8]
    '2523ce01'
    >>> facts.filled("Right in {answers.right}.", "the text")
    'Right in 1 of 2.'
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._facts: dict[str, Fact] = {}
        self._sums: dict[str, str] = {}

    def __iter__(self) -> Iterator[Fact]:
        return iter(self._facts.values())

    def __getitem__(self, name: str) -> Fact:
        return self._facts[name]

    @property
    def files(self) -> dict[str, str]:
        """The checksum of each file that some fact names."""
        return dict(sorted(self._sums.items()))

    def add(self, name: str, text: str, file: str) -> Fact:
        """Adds a fact; the file is read for its checksum.

        Raises:
            FileNotFoundError: where the run has no such file.
            ValueError: where the name is taken.
        """
        if name in self._facts:
            raise ValueError(f"expected one fact of each name, got {name} twice")
        if file not in self._sums:
            path = self.run / file
            if not path.is_file():
                raise FileNotFoundError(f"expected the source of {name} in {path}, got no such file")
            with path.open("rb") as opened:
                self._sums[file] = hashlib.file_digest(opened, "sha256").hexdigest()
        self._facts[name] = Fact(name, text, file, self._sums[file])
        return self._facts[name]

    def filled(self, text: str, where: str) -> str:
        """The text with facts in the place of their names in braces.

        Args:
            text: whose numbers all are such names.
            where: it stands, for the error.

        Raises:
            ValueError: for a name that no fact has, or a number that has no source.
        """
        if unknown := [name for name in _PLACE.findall(text) if name not in self._facts]:
            known = ", ".join(self._facts) or "none"
            raise ValueError(f"expected a fact ({known}) in {where}, got {{{unknown[0]}}}")
        bare = _NUMBER.search(_DATE.sub("", _PLACE.sub("", text)))
        if bare:
            raise ValueError(
                f"expected every number to have a source, got {bare[0]!r} in {where}: write the name of a fact in "
                f"braces, such as {{{next(iter(self._facts), 'model.parameters')}}}"
            )
        return _PLACE.sub(lambda place: self._facts[place[1]].text, text)
