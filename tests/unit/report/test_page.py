import re
from html.parser import HTMLParser

import numpy as np

from mindeye.report.banner import SIMULATED
from mindeye.report.grids import PictureGrid, data_address
from mindeye.report.page import (
    FigureSection,
    ReportContent,
    flatten,
    render_page,
    write_report,
)
from mindeye.report.plots import DARK, LIGHT, RoiContribution
from mindeye.report.text_tables import TextTable
from mindeye.types import MetricRow

VOID = {"meta", "img", "source"}


class Balance(HTMLParser):
    """Refuses a page whose elements are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def row(system: str, **changes) -> MetricRow:
    values = {
        "metric": "PixCorr",
        "value": 0.3,
        "low": 0.2,
        "high": 0.4,
        "n": 50,
        "chance": 0.0,
        "better": "higher",
    }
    return MetricRow(system=system, **{**values, **changes})


def content(**changes) -> ReportContent:
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 256, size=(2, 16, 16, 3), dtype=np.uint8)
    grid = PictureGrid(
        title="Shown and decoded", chosen="2 of 50 test images, drawn at random.", seed=11,
        image_ids=np.array([72, 31]), captions=("a <b>dog</b> & a cat", "a house"),
        columns={"shown": stack, "reconstruction": stack[::-1]},
        retrieved=rng.integers(0, 256, size=(2, 5, 16, 16, 3), dtype=np.uint8),
        retrieved_ids=np.array([[1, 72, 3, 4, 5], [1, 2, 3, 4, 5]]),
    )  # fmt: skip
    values = {
        "title": "Subject 1", "simulated": {"preset": "tiny", "noise": {"scale": 1.5}},
        "provenance": {"data": {"num_voxels": 500, "sessions": [1, 2]}, "wall_time_s": 1.25},
        "rows": [row("ours"), row("ridge", value=0.1, low=-0.05, high=0.2)],
        "controls": [row("no signal", value=0.0, low=-0.1, high=0.1, chance=None)],
        "pictures": [grid], "curves": {"loss": ([0, 1], [1.0, 0.5])},
        "roi_contribution": [
            RoiContribution(roi="V1", num_voxels=9, metric="PixCorr", value=0.2, low=0.1, high=0.3)
        ],
        "notes": ["Directions are named by what is found."],
    }  # fmt: skip
    return ReportContent(**{**values, **changes})


def test_the_page_stands_alone():
    page = render_page(content())
    balance = Balance()
    balance.feed(page)
    assert balance.open == []
    assert "script" not in balance.seen
    assert "link" not in balance.seen
    addresses = re.findall(r'(?:src|srcset|href)="([^"]*)"', page)
    assert addresses
    assert all(a.startswith(("data:image/png;base64,", "#")) for a in addresses)
    assert "url(" not in page
    assert "@import" not in page
    anchors = {a[1:] for a in addresses if a.startswith("#")}
    assert anchors == set(re.findall(r'<section id="([^"]*)"', page))


def test_the_banner_stands_on_simulated_data_and_only_there():
    assert SIMULATED in render_page(content())
    assert "[simulated]" in render_page(content(simulated={}))
    assert "simulated" not in render_page(content(simulated=None)).lower()


def test_numbers_stand_with_interval_count_and_chance():
    page = render_page(content())
    assert "0.300" in page
    assert "0.200 &ndash; 0.400" in page
    assert "<td>50</td>" in page
    assert "<td>-</td>" in page
    assert page.index("ours") < page.index("no signal")


def test_the_page_says_how_images_were_chosen_and_frames_the_right_one():
    page = render_page(content())
    assert "2 of 50 test images, drawn at random. Seed of the draw: 11." in page
    assert page.count('class="right"') == 1


def test_what_others_wrote_is_escaped():
    page = render_page(content(title="<i>&", provenance={"<script>": "<script>"}))
    assert "a &lt;b&gt;dog&lt;/b&gt; &amp; a cat" in page
    assert "<i>" not in page
    assert "<script>" not in page


def test_empty_parts_are_left_out():
    page = render_page(
        content(rows=[], controls=[], pictures=[], curves={}, roi_contribution=[], notes=[])
    )
    for heading in ("Results", "Controls", "Training", "Regions", "Notes"):
        assert heading not in page
    assert "Provenance" in page


def test_the_same_content_gives_the_same_bytes(tmp_path):
    path = tmp_path / "deep" / "report.html"
    write_report(path, content())
    assert path.read_text() == render_page(content())
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]


def test_provenance_is_flattened_in_order():
    lines = list(flatten({"a_b": {"c": None, "d": [1, 0.5]}, "e": True}))
    assert lines == [
        (0, "a b", ""),
        (1, "c", "none"),
        (1, "d", "1, 0.5"),
        (0, "e", "yes"),
    ]


def test_tables_of_text_stand_above_and_below_with_the_best_in_bold():
    def table(title):
        cells = [["PixCorr", "0.5*", "<b>"]]
        return TextTable(title=title, words=f"of {title}", header=["m", "a", "b"], rows=cells)

    page = render_page(content(overview=[table("First")], tables=[table("Last")]))
    places = [page.index(f"<h2>{one}</h2>") for one in ("First", "Results", "Last", "Training")]
    assert places == sorted(places)
    assert page.count("<td><strong>0.5</strong></td><td>&lt;b&gt;</td>") == 2
    assert page.count("of First") == 1


def test_a_section_of_figures_has_a_light_and_a_dark_picture_of_each():
    section = FigureSection(title="Scatter", words="How.", draw=lambda theme: {
        "x": theme.ink.encode(), "y": b"2"})  # fmt: skip
    part = render_page(content(sections=[section])).split("<h2>Scatter</h2>")[1]
    part = part.split("</section>")[0]
    assert part.count("<picture>") == 2
    assert "How." in part
    for ink in (LIGHT.ink, DARK.ink):
        assert data_address(ink.encode()) in part
