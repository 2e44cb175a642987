"""Figures of notebooks are sharp: twice as many pixels a side as they take on the page."""

import base64
import struct

import nbclient
import nbformat

CELLS = (
    "from companion import plotting; plotting.use_style(); import matplotlib.pyplot as plt",
    "plt.plot([0, 1]); plt.show()",
)


def test_a_notebook_s_figure_has_two_pixels_for_each_that_it_takes() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    nbclient.NotebookClient(notebook, kernel_name="python3").execute()
    [output] = notebook.cells[1].outputs
    size = output.metadata["image/png"]
    pixels = struct.unpack(">II", base64.b64decode(output.data["image/png"])[16:24])
    assert 600 < size["width"] < 800  # the style's 6.4 inches at 110 dots an inch
    assert all(abs(pixel - 2 * side) <= 1 for pixel, side in zip(pixels, (size["width"], size["height"]), strict=True))
