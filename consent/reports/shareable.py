"""The edition for people outside the team: one page of rounded counts, the same until another quarter is over."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import timedelta

from consent.counting.shareable import quarter_ends, round_sites, rounded
from consent.counting.summary import ConsentSummary, SiteCount
from consent.dates import long_day, short_day, weekday_of
from consent.files import ReportFile, shareable_stem
from consent.reports.figures import Figure, month_of
from consent.reports.model import Cell, Row, Section, Table, columns_of
from consent.reports.pdf import compile_pdf, section_content
from consent.reports.wording import NO_NUMBER, cell_text, share_words
from consent.studies.model import StudyConfig

LAST_QUARTERS = 8
"""The most quarters that are shown."""


def render_shareable(summary: ConsentSummary, base: int) -> ReportFile:
    """Return ``<title> (shareable).pdf``. The bytes repeat: the day of its creation is the last day of the quarter."""
    study, shown = summary.study, list(shareable_sections(summary, base))
    day, until, number = study.start_date, "the first day", Figure(NO_NUMBER, "no quarter is over yet")
    if shown[0].table:
        day = quarter_ends(summary.period)[-1]
        until = f"the end of {long_day(day).split(' ', 2)[2]}"
        number = Figure(cell_text(shown[0].table.rows[-1][1]), "have consented", f"up to {until}")
    content = {
        "title": study.title,
        "author": study.contact,
        "as_of": until,
        "dated": f"For people outside the study team. Numbers are rounded to {base}.",
        "notes": summary.notes,
        "news": "",
        "warning": "",
        "figures": [asdict(number)],
        "sections": [section_content(section, summary) for section in shown],
        "definitions": (),
        "foot": "",
    }
    pdf = compile_pdf(content, day, one_page=True)
    return ReportFile(f"{shareable_stem(study.title)}.pdf", pdf, shared=True)


def shareable_sections(summary: ConsentSummary, base: int) -> Iterator[Section]:
    """Yield the counts at the end of each quarter, then riders and sites at the end of the last one, and the rules.

    A quarter is counted up to the last week that ends in it.
    """
    ends = quarter_ends(summary.period)
    weeks = [sum(week.last_day <= end for week in summary.weeks) for end in ends]
    if ends:
        counts = [sum(week.consented for week in summary.weeks[:upto]) for upto in weeks]
        rows: list[Row] = [(month_of(end), _shown(count, base)) for end, count in zip(ends, counts, strict=True)]
        table = Table(columns_of("Up to the end of", "Consented"), rows[-LAST_QUARTERS:], totals=(-1,))
        yield Section("Consents by quarter", table=table, narrow=True)
        yield from _riders(summary, base, weeks[-1], rounded(counts[-1], base))
        yield from _sites(summary.sites or (), base, weeks[-1])
    yield Section("How to read these numbers", tuple(_rules(summary.study, base)), narrow=True)


def _shown(count: int, base: int) -> Cell:
    number = rounded(count, base)
    return f"below {base}" if number is None else number


def _riders(summary: ConsentSummary, base: int, weeks: int, total: int | None) -> Iterator[Section]:
    """Shares are made from the shown numbers; 100% might be nearly everyone, and could tell what each person said."""
    rows: list[Row] = []
    later = {rider.key for rider in summary.study.riders if rider.offered_in}
    for rider in summary.riders:
        count = sum(week.riders[rider.key] for week in summary.weeks[:weeks])
        agreed, share = rounded(count, base), NO_NUMBER
        if agreed and total and agreed < total and rider.key not in later:
            share = share_words(agreed / total)
        rows.append((rider.label, _shown(count, base), share))
    if rows:
        columns = columns_of("Optional consent", "Agreed", "Of all who\nconsented")
        has_gap = any(row[-1] == NO_NUMBER for row in rows)
        note = f'"{NO_NUMBER}": too few, nearly everyone, or not on every form.' if has_gap else ""
        yield Section("Agreement to each optional consent", table=Table(columns, rows), note=note, narrow=True)


def _sites(sites: Sequence[SiteCount], base: int, weeks: int) -> Iterator[Section]:
    counts = [sum(site.weeks[:weeks]) for site in sites]
    shown, others = round_sites(counts, base)
    if shown:
        rows = [*((sites[n].label, number) for n, number in shown.items()), ("All others", others or f"below {base}")]
        note = (
            f"All others: fewer than {base} each. A larger one may be among them, and sites are rounded up or down, so "
            "that no number can be worked out from the others."
        )
        yield Section("Sites", table=Table(columns_of("Site", "Consented"), rows), note=note, narrow=True)


def _rules(study: StudyConfig, base: int) -> Iterator[str]:
    last_day = weekday_of(study.start_date - timedelta(days=1))
    yield (
        f"Everyone who has consented since {short_day(study.start_date)} is counted, also those who withdrew later. A "
        f"quarter is counted up to its last {last_day}. All quarters are counted from what REDCap holds now."
    )
    yield (
        f"Numbers are rounded to multiples of {base}, and shares are made from these. A number below {base} is not "
        "shown. Rounded numbers may not add up."
    )
    yield (
        "Late corrections change earlier quarters too. Two editions differ by fewer people than either of them counts, "
        "and the difference is rounded twice: do not publish differences."
    )
    yield (
        "Rounding makes it hard to recognise somebody. It is no proof that nobody can be recognised, for example with "
        f"numbers from elsewhere. Ask {study.contact} before you publish these numbers."
    )
