"""Canvases against one image after the other."""

import numpy as np
import pytest
import torch

from companion.data import on_canvas, with_clutter


def test_each_image_stands_where_its_shift_says():
    images = torch.rand(3, 2, 4, 5)
    shifts = np.array([[0, 0], [-3, 2], [1, -3]])
    canvases = on_canvas(images, shifts, size=11)
    for image, (down, right), canvas in zip(images, shifts, canvases, strict=True):
        top, left = 3 + down, 3 + right  # (11 - 4) // 2 and (11 - 5) // 2
        assert torch.equal(canvas[:, top : top + 4, left : left + 5], image)
        assert canvas.sum().item() == pytest.approx(image.sum().item(), rel=1e-6)


def test_an_image_that_would_leave_the_canvas_is_refused():
    with pytest.raises(ValueError, match="stay on the canvas of 7 pixels.*shifts from -3 to 0"):
        on_canvas(torch.rand(1, 1, 3, 3), np.array([[0, -3]]), size=7)
    with pytest.raises(ValueError, match="got 2 shifts and 1 images"):
        on_canvas(torch.rand(1, 1, 3, 3), np.zeros((2, 2), dtype=int), size=7)


def test_clutter_is_a_piece_of_a_source_on_an_empty_canvas():
    source = torch.arange(1.0, 2 * 5 * 7 + 1).reshape(1, 2, 5, 7)
    windows = source.unfold(2, 3, 1).unfold(3, 3, 1)[0]  # [channel, y, x, 3, 3]
    for canvas in with_clutter(torch.zeros(20, 2, 11, 13), source, pieces=1, edge=3, seed=5):
        ys, xs = torch.nonzero(canvas[0], as_tuple=True)
        piece = canvas[:, ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
        assert piece.shape == (2, 3, 3)
        assert (windows.movedim(0, 2) == piece).all(dim=(2, 3, 4)).sum() == 1


def test_clutter_keeps_the_brighter_value_and_its_argument():
    canvases = torch.full((5, 1, 8, 8), 0.5)
    before = canvases.clone()
    source = torch.linspace(0, 1, 16).reshape(1, 1, 4, 4)
    cluttered = with_clutter(canvases, source, pieces=3, edge=4)
    assert torch.equal(canvases, before)
    assert (cluttered >= before).all()
    assert (cluttered > before).flatten(1).any(1).all()
    assert torch.equal(cluttered, with_clutter(canvases, source, pieces=3, edge=4))


def test_all_places_are_used():
    drawn = with_clutter(torch.zeros(3_000, 1, 6, 6), torch.ones(1, 1, 2, 2), pieces=1, edge=2).mean((0, 1))
    assert drawn[0, 0].item() == pytest.approx(1 / 25, abs=0.012)  # one of 5×5 places
    assert drawn[2, 3].item() == pytest.approx(4 / 25, abs=0.025)


def test_a_piece_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match="edge from 1 to 4.*got 5"):
        with_clutter(torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 4, 9), pieces=1, edge=5)
