"""One style for all figures: legible in light and dark, in print and to readers with color-deficient sight."""

import sys

import matplotlib.pyplot as plt
from cycler import cycler

#: Okabe and Ito's palette (2008), without the yellow, which is too light for lines on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
COLOURS = COLORS  #: as 0.1.0 called them


def use_style() -> None:
    """Sets matplotlib's defaults for this session. Figures keep a white ground, so a dark page shows them as cards.

    In a notebook a figure has twice as many pixels a side as it takes on the page: sharp on fine screens and on paper.
    """
    plt.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=COLORS),
            "axes.grid": True,
            "axes.spines.right": False,
            "axes.spines.top": False,
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "figure.figsize": (6.4, 3.6),
            "font.size": 10,
            "grid.alpha": 0.35,
            "legend.frameon": False,
            "savefig.facecolor": "white",
        }
    )
    _draw_twice_as_fine_in_notebooks()


def _draw_twice_as_fine_in_notebooks() -> None:
    # Nothing of IPython is required outside of notebooks, and where it is not loaded there is none.
    if "ipykernel" in sys.modules:
        from IPython import get_ipython
        from matplotlib_inline.config import InlineBackend

        InlineBackend.instance(parent=get_ipython()).figure_formats = {"retina"}
