"""Programming tasks that tests decide."""

import gzip
import json
from dataclasses import dataclass

from companion.packaged import package_folder


@dataclass(frozen=True)
class CodeTask:
    """A function to complete, and the tests that it has to pass.

    Attributes:
        name: such as ``HumanEval/0``.
        prompt: the beginning of a program, up to the function's docstring.
        entry_point: the function's name.
        test: Python that defines ``check(candidate)``, which raises where the candidate is wrong.
        solution: what may follow the prompt; it passes.

    Example:
        >>> CodeTask("one", "def one():\\n", "one", "def check(f):\\n    assert f() == 1\\n", "    return 1\\n").name
        'one'
    """

    name: str
    prompt: str
    entry_point: str
    test: str
    solution: str

    def program(self, completion: str) -> str:
        """The program that ends without an error if, and only if, the completion passes the tests."""
        return f"{self.prompt}{completion}\n{self.test}\ncheck({self.entry_point})\n"


def human_eval() -> list[CodeTask]:
    """The 164 tasks of HumanEval (Chen et al. 2021, arXiv:2107.03374; MIT).

    They have been public since 2021: a model trained later may have read them.

    Raises:
        FileNotFoundError: where the package that carries them is not installed.

    Example:
        >>> tasks = human_eval()
        >>> len(tasks), tasks[0].entry_point
        (164, 'has_close_elements')
    """
    path = package_folder("human_eval") / "data" / "HumanEval.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf8") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        CodeTask(row["task_id"], row["prompt"], row["entry_point"], row["test"], row["canonical_solution"])
        for row in rows
    ]
