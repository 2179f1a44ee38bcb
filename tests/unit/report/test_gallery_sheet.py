"""Sheets pixel by pixel where it matters."""

import numpy as np
import pytest

from mindeye.report.gallery_sheet import CHOSEN, GAP, TILE, Found, SheetRow, gallery_sheet, stacked


def plain(value):
    return np.full((20, 30, 3), value, np.uint8)


def test_a_row_shows_what_was_asked_for_and_frames_what_was_chosen():
    found = [
        Found(picture=plain(50), text="1: 0.9"),
        Found(picture=plain(200), text="2", chosen=True),
    ]
    sheet = gallery_sheet([SheetRow(label="seen: 7", asked=plain(100), found=found)])
    middle, step = GAP + TILE // 2, TILE + GAP
    first = TILE + 3 * GAP
    columns = [GAP + 5, first + 5, first + step + 5]
    assert [sheet[middle, column, 0] for column in columns] == [100, 50, 200]
    assert tuple(sheet[middle, first + step - 2]) == CHOSEN
    assert tuple(sheet[middle, first - 2]) == (255, 255, 255)
    texts = SheetRow(label="a red bus", asked=None, found=found[:1])
    assert gallery_sheet([texts], "a note").shape[1] > 2 * TILE
    with pytest.raises(ValueError, match="at least one row"):
        gallery_sheet([])


def test_sheets_of_other_widths_are_stacked_on_white():
    sheet = stacked([plain(0), np.zeros((5, 10, 3), np.uint8)])
    assert sheet.shape == (25, 30, 3)
    assert (sheet[20:, 10:] == 255).all()
    assert (sheet[20:, :10] == 0).all()
