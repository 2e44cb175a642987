"""Packages that are found, not imported."""

import sys

import pytest

from companion.packaged import INSTALL, package_folder


def test_the_folder_is_found_and_the_package_not_imported(tmp_path, monkeypatch):
    package = tmp_path / "carries_files"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert package_folder("carries_files") == package
    assert "carries_files" not in sys.modules


@pytest.mark.parametrize("name", ["carries_nothing", "abc"], ids=["absent", "module without a folder"])
def test_a_missing_package_names_the_command(name):
    with pytest.raises(FileNotFoundError, match=f"expected the package {name}.*{INSTALL}"):
        package_folder(name)
