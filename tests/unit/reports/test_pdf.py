"""Tests of the PDF: it prints what the JSON document holds, to every reader, in the same bytes."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import cache
from itertools import combinations
from typing import Any

import pytest
from pypdf import PdfReader
from pypdf.generic import Destination

from consent.counting.summary import ConsentSummary, RiderCount, Source
from consent.reports.charts import cumulative_alt, weekly_alt
from consent.reports.data_files import document
from consent.reports.definitions import definitions
from consent.reports.figures import figures
from consent.reports.headline import days_of, headline, news, warning
from consent.reports.model import Medium
from consent.reports.pdf import render_pdf
from consent.reports.sections import sections
from consent.reports.wording import REFUSALS_NOT_RECORDED, share_words
from tests.support.builders import RIDER, a_counting, a_row, a_study, summary_of
from tests.support.printed_text import Printed, printed_on
from tests.support.sample_summaries import (
    CHINESE_LABELS,
    GREEK_LABELS,
    ODD_LABELS,
    REAL_LABELS,
    SAMPLES,
    a_full_summary,
    an_empty_summary,
    an_odd_summary,
    rendered,
)

ZERO_WIDTH_SPACE = "\u200b"
ALPHABETS = ("Ελληνικά", "Українська", "Québec", "中文 同意書", "日本語の同意", "한국어 동의")
NAMES = {
    "one": REAL_LABELS[1:2],
    "eight": REAL_LABELS,
    "twenty": tuple(f"{label}{more}" for more in ("", " (children)", " (2026)") for label in REAL_LABELS)[:20],
    "Greek": GREEK_LABELS * 3,
    "Chinese": CHINESE_LABELS * 2,
    "none": (),
}
FOOT, MARGIN = 50, 45  # points from the bottom and from the sides of a page
HARD_TO_PRINT = (
    *("ไทย", "हिन्दी", "\U0001f600", "\ue000", "\uffff", "a\0b", "a\x1bb", "\ud800", "\u202eabc", "a\nb", "\t", ""),
    "x" * 5000,
)


@dataclass(frozen=True)
class Pdf:
    """A summary and what its PDF holds; ``words`` is all that is printed, joined by single spaces."""

    summary: ConsentSummary
    reader: PdfReader
    words: str

    def missing(self, lines: Iterable[str]) -> list[str]:
        """Which of the lines are not printed."""
        return [line for line in lines if " ".join(line.split()) not in self.words]


def read(summary: ConsentSummary, content: bytes | None = None, pages: int | None = None) -> Pdf:
    """The PDF of a summary, opened and read, or its first pages."""
    reader = PdfReader(io.BytesIO(content or render_pdf(summary).content))
    text = " ".join(page.extract_text() for page in reader.pages[:pages]).replace(ZERO_WIDTH_SPACE, "")
    return Pdf(summary, reader, " ".join(text.split()))


@cache
def read_sample(name: str) -> Pdf:
    return read(SAMPLES[name](), rendered(name)[".pdf"])


@pytest.fixture(name="pdf", params=SAMPLES)
def _pdf(request: pytest.FixtureRequest) -> Pdf:
    return read_sample(request.param)


@pytest.fixture(name="full")
def _full() -> Pdf:
    return read_sample("full")


@pytest.fixture(name="odd")
def _odd() -> Pdf:
    return read_sample("odd")


@pytest.fixture(name="foreign", scope="module")
def _foreign() -> Pdf:
    return read(with_riders(ALPHABETS))


def with_riders(labels: Sequence[str]) -> ConsentSummary:
    """The empty report with riders of these names and a title of all of them."""
    summary = an_empty_summary()
    riders = tuple(RiderCount(f"rider {n}", label, 1, 0, 0, 0) for n, label in enumerate(labels))
    weeks = tuple(replace(week, riders={rider.key: 1 for rider in riders}) for week in summary.weeks)
    return replace(summary, study=replace(summary.study, title=" ".join(labels)), riders=riders, weeks=weeks)


def tagged(node: Any) -> Iterator[Any]:
    """Every element of the structure that assistive technology reads."""
    node = node.get_object()
    if isinstance(node, list):
        for inner in node:
            yield from tagged(inner)
    elif isinstance(node, dict):
        if "/S" in node:
            yield node
        if "/K" in node:
            yield from tagged(node["/K"])


def root_of(reader: PdfReader) -> Any:
    return reader.trailer["/Root"]


def elements(reader: PdfReader) -> list[Any]:
    return list(tagged(root_of(reader)["/StructTreeRoot"]))


def fonts_of(reader: PdfReader) -> list[Any]:
    """The font programs of every page."""
    pages: list[Any] = list(reader.pages)
    fonts = [font.get_object() for page in pages for font in page["/Resources"]["/Font"].values()]
    return [font["/DescendantFonts"][0].get_object()["/FontDescriptor"] for font in fonts]


# What it says; that its numbers are those of the JSON document is a test of test_outputs_agree.py


def test_the_source_is_printed(pdf: Pdf) -> None:
    found = document(pdf.summary)
    source, app = found["source"], found["app"]
    redcap = f"REDCap version: {source['redcap_version']}; REDCap project: {source['project_id']}"

    assert pdf.missing([redcap, f"Made by: consent {app['version']}"]) == []
    without_breaks = pdf.words.replace(" ", "")
    assert f"Timezone:{found['study']['time_zone']}" in without_breaks
    assert app["study_sha256"] in without_breaks


def test_the_first_page_says_what_is_new_and_whether_recruitment_is_on_track(pdf: Pdf) -> None:
    first_page = read(pdf.summary, pages=1)
    shown = [" ".join(asdict(figure).values()) for figure in figures(pdf.summary)]

    assert first_page.missing([*news(pdf.summary), warning(pdf.summary), *shown, "Consents per week"]) == []


def test_the_foot_is_printed(pdf: Pdf) -> None:
    assert pdf.missing(["Next report: Monday", *pdf.summary.notes]) == []


def test_every_rule_is_printed(pdf: Pdf) -> None:
    printed = pdf.words.replace(" ", "")  # words of several alphabets are read back with blanks of their own
    lines = [line for rule in definitions(pdf.summary.study) for line in rule.text.split("\n")]
    starts = ["".join(line.replace("\x01", "\ufffd").split()[:3]) for line in lines]

    assert [start for start in starts if start not in printed] == []


@pytest.mark.parametrize("row", ["No further contact 20 no", "No further use 6 yes", "(extent not stated) 7 yes"])
def test_every_extent_says_whether_it_ends_taking_part(row: str, full: Pdf) -> None:
    assert row in full.words


# Who reads it


@pytest.mark.parametrize(("sample", "pages"), [("empty", 2), ("full", 4), ("odd", 4)])
def test_a_report_is_short(sample: str, pages: int) -> None:
    assert len(read_sample(sample).reader.pages) <= pages


def test_the_pages_are_numbered(pdf: Pdf) -> None:
    pages = len(pdf.reader.pages)

    assert pdf.missing(f"page {n} of {pages}" for n in range(1, pages + 1)) == []


def test_the_sections_are_read_in_their_order(pdf: Pdf) -> None:
    within_the_title = pdf.reader.outline[1]
    found = [entry.title for entry in within_the_title if isinstance(entry, Destination)]

    shown = [section.heading for section in sections(pdf.summary) if section.only is not Medium.WORKBOOK]
    assert found == [*shown, "How these numbers are counted"]


def test_the_pdf_is_tagged_and_says_its_language_and_title(pdf: Pdf) -> None:
    root = root_of(pdf.reader)

    assert (root["/MarkInfo"]["/Marked"], root["/Lang"]) == (True, "en-GB")
    assert pdf.reader.metadata is not None
    assert (pdf.reader.metadata.title or "").startswith(pdf.summary.study.title)
    assert root["/ViewerPreferences"]["/DisplayDocTitle"] == True  # noqa: E712


def test_the_pdf_claims_to_be_accessible(pdf: Pdf) -> None:
    assert b"<pdfuaid:part>1</pdfuaid:part>" in root_of(pdf.reader)["/Metadata"].get_data()


def test_every_chart_has_its_text_alternative(pdf: Pdf) -> None:
    found = [element["/Alt"] for element in elements(pdf.reader) if element["/S"] == "/Figure"]

    assert found == [weekly_alt(pdf.summary), cumulative_alt(pdf.summary)]


def test_headings_and_the_heads_of_tables_are_marked_as_such(full: Pdf) -> None:
    kinds = [element["/S"] for element in elements(full.reader)]

    assert kinds.count("/H1") == 1
    assert {"/H2", "/H3", "/Table", "/THead", "/TH"} <= set(kinds)


def test_every_font_is_in_the_file(pdf: Pdf) -> None:
    assert [font["/FontName"] for font in fonts_of(pdf.reader) if not {"/FontFile2", "/FontFile3"} & {*font}] == []


# In the picture


@dataclass(frozen=True)
class Picture:
    """A report with riders of these names; each page as the texts that are printed on it, without its foot."""

    summary: ConsentSummary
    width: float
    height: float
    pages: list[list[Printed]]


@cache
def picture_of(labels: tuple[str, ...]) -> Picture:
    summary = a_full_summary(labels)
    pages = read(summary).reader.pages
    bodies = [[text for text in printed_on(page) if text.bottom > FOOT] for page in pages]
    return Picture(summary, float(pages[0].mediabox.width), float(pages[0].mediabox.height), bodies)


@pytest.fixture(name="picture", params=NAMES)
def _picture(request: pytest.FixtureRequest) -> Picture:
    return picture_of(NAMES[request.param])


def test_no_two_texts_overlap_and_none_is_in_the_margin(picture: Picture) -> None:
    pairs = (pair for page in picture.pages for pair in combinations(page, 2))

    assert [(one.text, other.text) for one, other in pairs if one.overlaps(other)] == []
    assert max(text.right for page in picture.pages for text in page) < picture.width - MARGIN


def test_each_week_is_printed_on_one_line(picture: Picture) -> None:
    cutoff, printed = picture.summary.period.cutoff, [text.text.rstrip("*") for text in picture.pages[0]]

    assert [days for week in picture.summary.weeks[-4:] if (days := days_of(week, cutoff)) not in printed] == []


def test_no_page_is_mostly_empty(picture: Picture) -> None:
    lowest = [min(text.bottom for text in page) / picture.height for page in picture.pages]

    assert [depth for depth in lowest if depth > 0.55] == []


def test_the_first_page_is_large_enough_to_read(picture: Picture) -> None:
    assert min(text.size for text in picture.pages[0]) >= 9.5
    assert min(text.size for page in picture.pages for text in page) >= 8


@pytest.mark.parametrize(("names", "turned"), [("one", False), ("eight", False), ("Chinese", False), ("twenty", True)])
def test_weeks_are_columns_where_their_headings_do_not_fit(names: str, turned: bool) -> None:
    first_page = [text.text for text in picture_of(NAMES[names]).pages[0]]

    assert ("Since the start" not in first_page) == turned


def test_riders_of_a_usual_study_are_on_the_first_page() -> None:
    first_page = [text.text for text in picture_of(REAL_LABELS).pages[0]]

    assert "Agreement to each optional consent" in first_page


# Odd data


@pytest.mark.parametrize("label", ODD_LABELS[:-2])
def test_a_label_is_printed_as_it_is(label: str, odd: Pdf) -> None:
    assert odd.missing([label]) == []


@pytest.mark.parametrize("words", ALPHABETS)
def test_most_of_the_worlds_letters_are_printed(words: str, foreign: Pdf) -> None:
    assert foreign.missing([words]) == []


def test_their_letters_are_drawn_without_substitutes(foreign: Pdf) -> None:
    drawn_by = {str(font["/FontName"]).partition("+")[2] for font in fonts_of(foreign.reader)}

    assert drawn_by == {"SourceSans3-Regular", "SourceSans3-Semibold", "DroidSansFallback"}


def test_no_text_keeps_the_report_from_being_made() -> None:
    assert render_pdf(with_riders(HARD_TO_PRINT)).content.startswith(b"%PDF")


def test_a_word_of_any_length_stays_on_the_page() -> None:
    pages = read(with_riders(["x" * 300])).reader.pages

    assert max(text.right for page in pages for text in printed_on(page)) < float(pages[0].mediabox.width)


def test_notes_stand_at_the_head_of_the_report(odd: Pdf) -> None:
    assert f"From a file: completeness was not checked. =1+1 <b>& 同意. {headline(odd.summary)[0]}" in odd.words


def test_corrections_of_very_many_weeks_are_shown_in_part(full: Pdf) -> None:
    assert full.summary.changes
    weeks = full.summary.changes.weeks[:1] * 500
    many = replace(an_empty_summary(), changes=replace(full.summary.changes, weeks=weeks))

    assert read(many).missing(["count differently now: 500.", "Only the last 12 of them are shown."]) == []


def test_changed_rules_are_said_in_the_headline_and_beside_the_changes(full: Pdf) -> None:
    assert full.summary.changes
    changed = replace(an_empty_summary(), changes=replace(full.summary.changes, rules_changed=("only",)))

    assert read(changed).words.count("Counting rules changed: only;") == 2


def test_a_report_from_a_file_says_where_it_came_from_and_that_nothing_was_listed() -> None:
    from_a_file = replace(an_empty_summary(), source=Source(None, None, None, 12))

    lines = ["Records listed by REDCap not checked", "REDCap version: not known: exported to a file by hand"]
    assert read(from_a_file).missing(lines) == []


# Numbers that cannot be given


def test_a_needed_rate_that_cannot_be_given_says_why_or_is_absent(full: Pdf) -> None:
    assert full.summary.accrual
    accrual = replace(full.summary.accrual, needed_per_week=None, no_rate_because="less than a week left")
    without_date = replace(accrual, no_rate_because=None)

    assert "by its date less than a week left" in read(replace(an_empty_summary(), accrual=accrual)).words
    assert "reach the target by its date" not in read(replace(an_empty_summary(), accrual=without_date)).words


def test_a_no_that_has_no_code_is_not_reported_as_nobody() -> None:
    study = a_study(riders=RIDER.replace('declined = ["0"]\n', ""))
    summary = summary_of(a_row(rider_a="1"), a_row("2", rider_a=""), counting=a_counting(study))

    assert read(summary).missing(["rider a 1 – 1 0 50%", REFUSALS_NOT_RECORDED]) == []


def test_a_no_that_has_a_code_is_counted(full: Pdf) -> None:
    assert REFUSALS_NOT_RECORDED not in full.words


@pytest.mark.parametrize(
    ("share", "words"),
    [(0, "0%"), (0.005, "<1%"), (0.006, "1%"), (0.994, "99%"), (0.995, ">99%"), (1, "100%")],
)
def test_only_nobody_is_none_and_only_everybody_is_all(share: float, words: str) -> None:
    assert share_words(share) == words


def test_a_few_are_not_printed_as_nobody() -> None:
    summary = an_empty_summary()
    rider = replace(summary.riders[0], agreed=1, not_answered=999)

    assert "Genetic research 1 0 999 0 <1%" in read(replace(summary, riders=(rider,))).words


# The same bytes


def test_the_same_summary_gives_the_same_bytes() -> None:
    assert render_pdf(an_odd_summary()).content == rendered("odd")[".pdf"]


def test_reports_made_at_the_same_time_do_not_disturb_each_other() -> None:
    summaries = [an_empty_summary(), with_riders(["one"])] * 2
    with ThreadPoolExecutor(len(summaries)) as threads:
        together = list(threads.map(render_pdf, summaries))

    assert together == [render_pdf(summary) for summary in summaries[:2]] * 2


def test_the_pdf_was_created_on_the_day_of_the_cut_off(full: Pdf) -> None:
    found: Mapping[str, Any] = full.reader.metadata or {}

    assert (found["/CreationDate"], found["/ModDate"]) == ("D:20261123000000Z", "D:20261123000000Z")


def test_the_pdf_is_named_by_the_title_and_is_for_people() -> None:
    file = render_pdf(an_empty_summary())

    assert (file.name, file.data) == ("OBRI Consent Summary.pdf", False)
