"""Tests of the Excel workbook: the numbers of the JSON document, text that stays text, and sheets that print."""

import io
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate, pairwise
from typing import Any
from xml.etree import ElementTree

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.cell import Cell
from openpyxl.utils import range_boundaries
from openpyxl.worksheet.worksheet import Worksheet
from PIL import ImageFont
from PIL.ImageFont import FreeTypeFont
from pypdf import PdfReader

from consent.counting.summary import ConsentSummary
from consent.reports.charts import (
    cumulative_alt,
    drawn_weeks,
    planned_total,
    riders_alt,
    weekly_alt,
    weekly_averages,
)
from consent.reports.data_files import document
from consent.reports.definitions import definitions
from consent.reports.headline import headline
from consent.reports.wording import RECORDS_TO_REVIEW
from consent.reports.workbook import render_workbook
from consent.reports.workbook_looks import printable
from tests.support.printed_text import FONTS
from tests.support.sample_summaries import (
    ODD_LABELS,
    SAMPLES,
    a_huge_summary,
    an_empty_summary,
    an_odd_summary,
    rendered,
)

SHEETS = ["Summary", "Weeks", "Sites", "Site weeks", RECORDS_TO_REVIEW, "Riders", "Projection", "Definitions"]
WITH_SITES = ["full", "odd"]
CHART_SIZE = (620, 300)  # pixels
PAGE = (698, 665)  # pixels across and points down: an upright page of A4 or Letter, whichever is less, without margins
DEFAULT_WIDTH = 8.43
LINE, HEADING = 15, 12  # points: the height of a row, and the size of a table's heading
PLAIN = ImageFont.truetype(str(FONTS / "DejaVuSans.ttf"), 11)
BOLD = PLAIN.font_variant(size=11 * 1.15)  # as wide as its bold letters
IN_XML = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


@dataclass(frozen=True)
class Opened:
    """A sample, its workbook as Excel would read it, and the JSON document of the same summary."""

    summary: ConsentSummary
    content: bytes
    book: Workbook
    json: dict[str, Any]

    def table(self, sheet: str, heading: str) -> list[list[Any]]:
        """The rows under the column headings that begin with this one, to the next empty row."""
        rows = iter(self.book[sheet].iter_rows(values_only=True))
        next(row for row in rows if row[0] == heading)
        return list(until_empty(rows))

    def charted(self, source: Any) -> list[Any]:
        """The values of the cells that a chart shows."""
        sheet, area = (source.numRef or source.strRef).f.split("!")
        column, first, _, last = range_boundaries(area)
        return [self.book[sheet].cell(row, column).value for row in range(first, last + 1)]


def until_empty(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[Any]]:
    for row in rows:
        if not any(cell is not None for cell in row):
            return
        yield list(row)


def opened(summary: ConsentSummary, content: bytes | None = None) -> Opened:
    content = content or render_workbook(summary).content
    return Opened(summary, content, load_workbook(io.BytesIO(content)), document(summary))


@cache
def opened_sample(name: str) -> Opened:
    return opened(SAMPLES[name](), rendered(name)[".xlsx"])


@pytest.fixture(name="any_sample", params=SAMPLES)
def _any_sample(request: pytest.FixtureRequest) -> Opened:
    return opened_sample(request.param)


@pytest.fixture(name="full")
def _full() -> Opened:
    return opened_sample("full")


@pytest.fixture(name="odd")
def _odd() -> Opened:
    return opened_sample("odd")


def cells(book: Workbook) -> list[Cell]:
    return [cell for sheet in book for row in sheet.iter_rows() for cell in row]


def values_of(sheet: Worksheet) -> set[Any]:
    return {value for row in sheet.iter_rows(values_only=True) for value in row}


def first_columns(book: Workbook) -> dict[Any, Any]:
    """What stands beside each text in the first column of the first sheet."""
    return {row[0]: row[1] for row in book["Summary"].iter_rows(max_col=2, values_only=True)}


def head_of(sheet: Worksheet) -> int:
    """The row of the column headings: it stays in view, above the first row that scrolls."""
    return int(re.sub("[A-Z]", "", str(sheet.freeze_panes))) - 1


def height_needed(cell: Cell) -> float:
    """How high the row of a wrapped text must be, in points, as a font that is wider than Excel's breaks its lines."""
    sheet, font = cell.parent, BOLD if cell.font.bold else PLAIN
    merged = next((area for area in sheet.merged_cells.ranges if cell.coordinate in area), None)
    first, last = (merged.min_col, merged.max_col) if merged else (cell.column, cell.column)
    width = sum(width_of(sheet, column) for column in range(first, last + 1)) - 2 * cell.alignment.indent
    room = width * PLAIN.getlength("0") * 11 / cell.font.size
    return float(len(broken_into_lines(str(cell.value), font, room)) * LINE * cell.font.size / 11)


def width_of(sheet: Worksheet, column: int) -> float:
    known = [at for at in sheet.column_dimensions.values() if at.min]
    return float(next((at.width for at in known if at.min <= column <= at.max), DEFAULT_WIDTH))


def broken_into_lines(text: str, font: FreeTypeFont, room: float) -> list[str]:
    """The lines of a text that breaks at spaces, and within words that are too long for any line."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if font.getlength(longer) <= room else [*lines, *pieces(word, font, room)]
    return [line for line in lines if line]


def pieces(word: str, font: FreeTypeFont, room: float) -> list[str]:
    fitting = next(n for n in range(len(word), 0, -1) if n == 1 or font.getlength(word[:n]) <= room)
    return [word[:fitting], *(pieces(word[fitting:], font, room) if word[fitting:] else [])]


def parts(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def alternative_texts(content: bytes) -> set[str]:
    """The words for those who cannot see the charts."""
    drawings = [ElementTree.fromstring(xml) for name, xml in parts(content).items() if "/drawings/drawing" in name]
    return {text for drawing in drawings for node in drawing.iter() if (text := node.get("descr"))}


# Numbers: that all others are those of the JSON document is a test of test_outputs_agree.py


def test_uptake_is_agreed_of_those_to_whom_a_rider_was_offered(any_sample: Opened) -> None:
    found = any_sample.table("Riders", "Optional consent")

    assert [row[6] for row in found] == [
        "–" if rider.uptake is None else pytest.approx(rider.uptake) for rider in any_sample.summary.riders
    ]


@pytest.mark.parametrize("name", WITH_SITES)
def test_the_sites_add_up_to_everybody(name: str) -> None:
    sample = opened_sample(name)

    total, people = sample.table("Sites", "Site")[-1], sample.json["participants"]

    assert [total[3], total[4], total[7]] == [people["total"], people["consented"], sample.json["taking_part_now"]]


def test_rates_are_those_of_the_summary(full: Opened) -> None:
    found, rows = full.json["accrual"], first_columns(full.book)

    recent = rows["Consents per week (last 12 complete weeks at most)"]
    needed = rows["Consents per week needed to reach the target by its date"]
    assert (recent, needed) == pytest.approx((found["recent_per_week"], found["needed_per_week"]))


def test_the_sums_of_the_summary_stand_out(full: Opened) -> None:
    sums = [cell.value for cell in full.book["Summary"]["A"] if cell.font.bold and cell.border.top.style]

    totals = ["Total participants", "All records", "All consents", "Due to consent again", "Total withdrawn", "Total"]
    assert sums == totals


def test_changes_are_shown_week_by_week(full: Opened) -> None:
    changes = full.json["changes"]

    assert [row[1:4] for row in full.table("Summary", "Week")] == [
        *([week["before"], week["now"], week["now"] - week["before"]] for week in changes["weeks"]),
        [None, None, changes["new_consents"]],
    ]


def test_the_headline_is_on_the_first_sheet(any_sample: Opened) -> None:
    first_column = [row[0] for row in any_sample.book["Summary"].iter_rows(max_col=1, values_only=True)]

    assert set(headline(any_sample.summary)) <= set(first_column)


def test_the_definitions_are_printed_as_they_were_applied(any_sample: Opened) -> None:
    found = any_sample.table("Definitions", "Rule")

    assert "\n".join(row[1] for row in found) == printable(
        "\n".join(rule.text for rule in definitions(any_sample.summary.study))
    )


# Sheets


def test_only_a_study_with_sites_has_a_sheet_of_them(full: Opened) -> None:
    assert full.book.sheetnames == SHEETS
    assert opened_sample("empty").book.sheetnames == [
        name for name in SHEETS if name not in ("Sites", "Site weeks", "Projection")
    ]


def test_the_week_in_progress_is_marked(full: Opened) -> None:
    running, *complete, _ = [row[2] for row in full.table("Weeks", "First day")]

    assert ({*complete} - {None}, running) == ({"yes"}, "in progress, 1 of 7 days")


def test_a_column_says_which_days_are_recent(full: Opened) -> None:
    sheet = full.book["Sites"]

    assert sheet.cell(head_of(sheet), 9).value == "Consents in the last 4 complete weeks (26 Oct–22 Nov 2026)"


def test_no_records_to_review_are_said_to_be_none() -> None:
    lines = [cell.value for cell in cells(opened_sample("empty").book)]

    assert "There are no records to review." in lines


def test_every_sheet_shows_the_notes(odd: Opened) -> None:
    note = odd.summary.notes[0]

    assert [sheet.title for sheet in odd.book if note in values_of(sheet)] == odd.book.sheetnames
    assert {sheet.oddHeader.left.text.split("\n")[1] for sheet in odd.book} == {note}


# Values


def test_no_cell_is_a_formula_or_a_link(any_sample: Opened) -> None:
    assert [cell.coordinate for cell in cells(any_sample.book) if cell.data_type == "f" or cell.hyperlink] == []


@pytest.mark.parametrize("label", ODD_LABELS)
def test_text_stays_what_it_is(odd: Opened, label: str) -> None:
    assert printable(label) in [row[0] for row in odd.table("Sites", "Site")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\0b", "a�b"), ("\ud800", "�"), ("\uffff", "�"), ("a\nb", "a\nb"), ("Ελλάδα 中文", "Ελλάδα 中文")],
)
def test_what_a_workbook_cannot_hold_is_marked(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("sheet", "column", "shown_as"),
    [("Weeks", 1, "d mmm yyyy"), ("Weeks", 4, "#,##0"), ("Riders", 7, "0%")],
)
def test_values_are_shown_as_readers_expect(full: Opened, sheet: str, column: int, shown_as: str) -> None:
    worksheet = full.book[sheet]

    assert worksheet.cell(head_of(worksheet) + 2, column).number_format == shown_as


@pytest.mark.parametrize(
    ("agreed", "shown_as"),
    [(5, '"<1%"'), (6, "0%"), (994, "0%"), (995, '">99%"'), (1000, "0%")],
)
def test_nearly_everybody_is_not_shown_as_everybody(agreed: int, shown_as: str) -> None:
    summary = an_empty_summary()
    riders = tuple(replace(rider, agreed=agreed, not_answered=1000 - agreed) for rider in summary.riders)

    sheet = opened(replace(summary, riders=riders)).book["Riders"]

    uptake = sheet.cell(head_of(sheet) + 1, 7)
    assert (uptake.value, uptake.number_format) == (agreed / 1000, shown_as)


def test_no_warning_of_numbers_as_text_is_shown(full: Opened) -> None:
    sheet = ElementTree.fromstring(parts(full.content)["xl/worksheets/sheet1.xml"])

    assert sheet.find("m:ignoredErrors/m:ignoredError", IN_XML) is not None


def test_every_number_fits_its_column(any_sample: Opened) -> None:
    numbers = [cell for cell in cells(any_sample.book) if isinstance(cell.value, int | float)]

    assert [n.coordinate for n in numbers if len(f"{n.value:,.1f}") > width_of(n.parent, n.column)] == []


def test_no_text_is_cut_by_the_height_of_its_row(any_sample: Opened) -> None:
    wrapped = [cell for cell in cells(any_sample.book) if cell.alignment.wrap_text and isinstance(cell.value, str)]
    heights = [cell.parent.row_dimensions[cell.row].height or LINE for cell in wrapped]

    assert [cell for cell, height in zip(wrapped, heights, strict=True) if height_needed(cell) > height] == []


# On the screen and on paper


@pytest.mark.parametrize(("sheet", "kept"), [("Weeks", "C"), *((sheet, "B") for sheet in SHEETS[2:])])
def test_headings_stay_in_view_and_are_printed_on_every_page(full: Opened, sheet: str, kept: str) -> None:
    worksheet = full.book[sheet]

    head = head_of(worksheet)
    assert (worksheet.freeze_panes, worksheet.print_title_rows) == (f"{kept}{head + 1}", f"${head}:${head}")


def test_weeks_are_filtered_without_their_total(full: Opened) -> None:
    sheet = full.book["Weeks"]

    assert sheet.auto_filter.ref == f"A{head_of(sheet)}:P{sheet.max_row - 1}"


@pytest.mark.parametrize(
    ("sheet", "pages_down"), [("Weeks", 0), ("Riders", None), ("Sites", 0), (RECORDS_TO_REVIEW, 0), ("Definitions", 0)]
)
def test_a_sheet_prints_as_wide_as_the_page(full: Opened, sheet: str, pages_down: int | None) -> None:
    setup, fits = full.book[sheet].page_setup, full.book[sheet].sheet_properties.pageSetUpPr.fitToPage

    assert (fits, setup.fitToWidth or 1, setup.fitToHeight) == (True, 1, pages_down)


def test_the_first_sheet_prints_no_wider_than_the_page(any_sample: Opened) -> None:
    sheet = any_sample.book["Summary"]
    columns = sum(7 * width_of(sheet, column) + 5 for column in range(1, sheet.max_column + 1))

    assert max(columns, CHART_SIZE[0]) * sheet.page_setup.scale / 100 < PAGE[0]


def test_no_page_ends_within_a_table_of_the_first_sheet(any_sample: Opened) -> None:
    """Pages break above headings, and what is between two breaks is no higher than a page."""
    sheet = any_sample.book["Summary"]
    ends = [0, *(found.id for found in sheet.row_breaks.brk), sheet.max_row]
    heights = [
        sum(sheet.row_dimensions[row].height or LINE for row in range(top + 1, bottom + 1))
        for top, bottom in pairwise(ends)
    ]

    assert {sheet.cell(end + 1, 1).font.size for end in ends[1:-1]} <= {HEADING}
    assert max(heights) * sheet.page_setup.scale / 100 < PAGE[1]


def test_many_riders_go_on_a_second_page_across() -> None:
    sheet = opened(a_huge_summary()).book["Weeks"]

    assert (sheet.page_setup.fitToWidth, sheet.print_title_cols) == (2, "$A:$B")


@pytest.mark.parametrize("sheet", SHEETS)
def test_every_page_names_its_report(full: Opened, sheet: str) -> None:
    header, footer = full.book[sheet].oddHeader, full.book[sheet].oddFooter

    assert [part.text for part in (header.left, header.right, footer.left, footer.right)] == [
        "OBRI Consent Summary",
        sheet,
        "Up to and including Monday 23 November 2026; exported on Monday 23 November 2026",
        "Page &P of &N",
    ]


def test_any_title_fits_the_header_and_is_no_command_in_it() -> None:
    study = replace(an_odd_summary().study, title="A & B #1" + "&" * 200)
    content = render_workbook(replace(an_odd_summary(), study=study)).content

    sheet = ElementTree.fromstring(parts(content)["xl/worksheets/sheet1.xml"])
    header = sheet.findtext("m:headerFooter/m:oddHeader", "", IN_XML)
    assert header.startswith("&LA && B #1&&")
    assert len(header) < 256


# Charts


@pytest.mark.parametrize(("sheet", "charts"), [("Summary", 2), ("Riders", 1), ("Weeks", 0)])
def test_charts_stand_where_they_are_looked_for(full: Opened, sheet: str, charts: int) -> None:
    assert len(full.book[sheet]._charts) == charts


def test_the_weekly_chart_shows_the_last_year_of_the_table(any_sample: Opened) -> None:
    weekly, _ = any_sample.book["Summary"]._charts
    days, consents = any_sample.charted(weekly.ser[0].cat), any_sample.charted(weekly.ser[0].val)

    assert [(day.date(), n) for day, n in zip(days, consents, strict=True)] == [
        (week.first_day, week.consented) for week in drawn_weeks(any_sample.summary)[::-1]
    ]


def test_time_runs_to_the_right_although_the_newest_week_comes_first(full: Opened) -> None:
    for chart in full.book["Summary"]._charts:
        assert (chart.x_axis.scaling.orientation, chart.y_axis.crosses) == ("maxMin", "max")


def test_the_weekly_chart_shows_the_average_of_the_table(full: Opened) -> None:
    weekly, _ = full.book["Summary"]._charts
    (line,) = (series for chart in weekly._charts[1:] for series in chart.ser)

    averages = weekly_averages(full.summary)[: -len(full.charted(line.val)) - 1 : -1]
    assert full.charted(line.val) == [pytest.approx(mean) if mean else None for mean in averages]


def test_one_line_has_no_legend(full: Opened) -> None:
    to_date = [sample.book["Summary"]._charts[1] for sample in (full, opened_sample("empty"))]

    assert [chart.legend is not None for chart in to_date] == [True, False]


@pytest.mark.parametrize(("sheet", "source", "number"), [("Riders", "Weeks", 8), ("Sites", "Site weeks", 6)])
def test_each_rider_and_site_has_its_trend_of_the_last_year(full: Opened, sheet: str, source: str, number: int) -> None:
    xml = parts(full.content)[f"xl/worksheets/sheet{SHEETS.index(sheet) + 1}.xml"].decode()
    areas = re.findall(rf"<xm:f>'{source}'!([A-Z]+\d+:[A-Z]+\d+)</xm:f>", xml)
    shown = [[row[0].value for row in full.book[source][area]] for area in areas]

    weeks = full.json["weeks"][:-53:-1]
    riders = [[week["riders"][rider["key"]] for week in weeks] for rider in full.json["riders"]]
    sites = [site["weeks"][:-53:-1] for site in full.json["sites"]]
    assert len(shown) == number
    assert sorted(shown) == sorted(riders if sheet == "Riders" else sites)


def test_the_chart_to_date_shows_every_running_total(any_sample: Opened) -> None:
    _, to_date = any_sample.book["Summary"]._charts

    assert (
        any_sample.charted(to_date.ser[0].val)
        == list(accumulate(week["consented"] for week in any_sample.json["weeks"]))[::-1]
    )


def test_the_goals_of_a_study_are_lines(full: Opened) -> None:
    _, to_date = full.book["Summary"]._charts
    approved, planned = (full.charted(series.val) for series in to_date.ser[1:])

    assert len(opened_sample("empty").book["Summary"]._charts[1].ser) == 1
    assert set(approved) == {full.json["accrual"]["approved"]}
    assert planned == [pytest.approx(planned_total(full.summary, week.last_day)) for week in full.summary.weeks[::-1]]


def test_what_the_charts_of_the_pdf_project_has_its_rows(full: Opened) -> None:
    fan = full.json["accrual"]["projection"]["fan"]
    shown = full.table("Projection", "Day")

    assert [[f"{day:%Y-%m-%d}", *totals] for day, *totals in shown] == [
        [point["day"], *(pytest.approx(point[at]) for at in ("low", "middle", "high"))] for point in fan
    ]


@pytest.mark.parametrize(("series", "answer"), [(0, "agreed"), (1, "declined"), (2, "not_answered")])
def test_the_riders_chart_shows_each_answer(any_sample: Opened, series: int, answer: str) -> None:
    (chart,) = any_sample.book["Riders"]._charts

    assert any_sample.charted(chart.ser[series].val) == [rider[answer] for rider in any_sample.json["riders"]]


def test_the_charts_have_text_alternatives(any_sample: Opened) -> None:
    found = [alt(any_sample.summary) for alt in (weekly_alt, cumulative_alt, riders_alt)]

    assert alternative_texts(any_sample.content) == {printable(text) for text in found}


def test_a_study_without_riders_has_no_sheet_of_them() -> None:
    summary = an_empty_summary()
    weeks = tuple(replace(week, riders={}) for week in summary.weeks)

    book = opened(replace(summary, study=replace(summary.study, riders=()), riders=(), weeks=weeks)).book

    assert "Riders" not in book.sheetnames


# The file


def test_it_names_its_title_its_contact_and_the_day_of_the_cutoff(full: Opened) -> None:
    properties = full.book.properties

    assert render_workbook(an_odd_summary()).name == "Συναινέσεις & 同意 #1.xlsx"
    assert (properties.title, properties.creator) == ("OBRI Consent Summary", "registry office")
    assert properties.created.isoformat() == "2026-11-23T00:00:00"


def test_the_same_summary_gives_the_same_bytes(odd: Opened) -> None:
    assert render_workbook(odd.summary).content == odd.content


@pytest.fixture(name="printed", scope="module")
def _printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The pages of three of the samples' workbooks, as LibreOffice opens and prints what Excel would."""
    office, folder = shutil.which("soffice"), tmp_path_factory.mktemp("printed")
    if office is None:
        pytest.skip("NOT RUN: LibreOffice (soffice) is not installed")
    names = ("full", "odd", "empty")
    for name in names:
        (folder / f"{name}.xlsx").write_bytes(opened_sample(name).content)
    profile = f"-env:UserInstallation={(folder / 'profile').as_uri()}"
    command = [office, profile, "--headless", "--convert-to", "pdf", "--outdir", str(folder)]
    subprocess.run([*command, *map(str, folder.glob("*.xlsx"))], check=True, capture_output=True, timeout=300)
    return {name: [page.extract_text() for page in PdfReader(folder / f"{name}.pdf").pages] for name in names}


def ends_any(lines: list[str], word: str) -> bool:
    return any(line.endswith(word) for line in lines)


@pytest.mark.parametrize("name", ["full", "odd", "empty"])
def test_libreoffice_opens_and_prints_every_sheet(printed: dict[str, list[str]], name: str) -> None:
    lines = [line for page in printed[name] for line in page.splitlines()]

    assert [sheet for sheet in opened_sample(name).book.sheetnames if not ends_any(lines, sheet)] == []


def test_no_number_is_too_wide_to_be_printed(printed: dict[str, list[str]]) -> None:
    assert not [name for name, pages in printed.items() if "###" in "".join(pages)]


@pytest.mark.parametrize(
    ("heading", "last_row"),
    [("Recruitment", "Last approved on"), ("For renewal by the ethics board", "Total")],
)
def test_a_table_is_printed_on_the_page_of_its_heading(
    printed: dict[str, list[str]], heading: str, last_row: str
) -> None:
    page = next(page for page in printed["full"] if heading in page.splitlines())

    assert any(line.startswith(last_row) for line in page.splitlines())
