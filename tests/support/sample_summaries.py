"""Sample summaries of made-up registries, counted as real ones. A sample is the same every time."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import accumulate, pairwise
from pathlib import PurePosixPath

from consent.counting.period import ReportPeriod
from consent.counting.summarise import summarise
from consent.counting.summary import ConsentSummary, Source
from consent.counting.tally import Tally
from consent.dates import WEEK
from consent.redcap.arrivals import GROUP, INSTANCE, RECORD
from consent.reports.render import render_reports
from consent.runs.changes import compare
from consent.runs.ledger.record import RunCounts, RunRecord, WeekCounts
from consent.studies.fingerprints import rule_fingerprints
from consent.studies.model import (
    AccrualGoals,
    FieldRef,
    LeaveOut,
    ListedSite,
    RowFilter,
    SiteRules,
    StudyConfig,
    VersionRules,
    WithdrawalRules,
)
from tests.support.builders import a_counting, a_study, tally_of

START = date(2023, 9, 11)
CUTOFF = date(2026, 11, 23)
"""A Monday: the week that began on it is one day old."""

RIDER_LABELS = (
    *("Genetic research", "Storage of blood", "Storage of stool", "Contact about other studies"),
    *("Linkage with health records", "Sharing with industry", "Sharing outside Canada", "Return of findings"),
)
REAL_LABELS = (
    *("Biobank: blood", "Biobank: stool and biopsy tissue", "Biobank: genetic sequencing"),
    *("Contact about future research studies", "Linkage with administrative health records (ICES)"),
    *("Sharing of de-identified data with industry", "Sharing outside Canada", "Return of incidental findings"),
)
GREEK_LABELS = ("Βιοτράπεζα: αίμα και ορός", "Γενετική έρευνα", "Επικοινωνία για μελλοντικές μελέτες")
CHINESE_LABELS = ("生物样本库：血液", "生物样本库：粪便和活检组织样本", "与国外研究机构共享去标识化数据")
ODD_LABELS = (
    "=cmd|'/c calc'!A1",
    "<script>alert(1)</script>",
    "Γενετική έρευνα",
    "基因研究",
    "{=1+1}",
    '#eval("1") *bold* $x$ [link] @ref',
    "http://example.org/?a=1&b=2",
    "+1-555-0100",
    "a label that never ends " * 8,
    "&L&P &[Page] \u0001 \u200f",
)
UPTAKE = (0.89, 0.81, 0.74, 0.93, 0.66, 0.41, 0.58, 0.97)
EXTENTS = {"1": "No further contact", "2": "No new data", "3": "No further use"}
ACCEPTED = ("2.0", "2.1")

_BUSY = (3, 6, 5, 4, 7, 2, 5, 6, 0, 4, 8, 5, 5)
_SIGNED = ("2.0", "2.0", "2.1", "2.0", "1.0", "2.1", "2.0", "2.0", "2.1", "2.0", "")
_USUAL = {"declined": 32, "open": 39, "not_started": 73, "no_date": 9, "before_start": 6, "agreed_but_open": 11}
_TEST_RECORDS = LeaveOut("test record", None, (), "T.*")

Row = dict[str, str]


@cache
def a_full_summary(labels: Sequence[str] = RIDER_LABELS) -> ConsentSummary:
    """The first study on a Monday after three years: 805 consents, eight riders, and every optional part."""
    weeks, sites = [*spread(798, busy_weeks(166)), 5, 2], ("Toronto", "Hamilton", "London", "Ottawa")
    study = with_every_part(a_study(riders=riders_text(labels)), weeks, CUTOFF, sites)
    return _since_last_week(a_summary(study, weeks, _USUAL))


@cache
def an_empty_summary() -> ConsentSummary:
    """A registry in its first week, without anybody and without an optional part."""
    study = replace(a_study(riders=riders_text(RIDER_LABELS)), leave_out=(_TEST_RECORDS,))
    return a_summary(study, [0], {}, cutoff=START)


@cache
def an_odd_summary() -> ConsentSummary:
    """Labels that look like formulas, markup or links, in Greek and Chinese; every quality code; small counts.

    The cut-off is before the day of the export, and the counting rules have changed since the last report.
    """
    weeks, cutoff = [0, 3, 1, 0, 12, 4], START + timedelta(days=37)
    study = with_every_part(a_study(riders=riders_text(RIDER_LABELS)), weeks, cutoff, ODD_LABELS)
    fields = [*study.riders, *study.riders]  # no study file may hold these labels: a report must not depend on that
    riders = (replace(fields[n], key=f"rider {n + 1}", label=label) for n, label in enumerate(ODD_LABELS))
    study = replace(
        study,
        riders=tuple(riders),
        title="Συναινέσεις & 同意 #1",
        leave_out=(replace(_TEST_RECORDS, reason="<test> & =1+1 δοκιμή"),),
        only=RowFilter(FieldRef("cohort"), ("ibd",)),
    )
    others = {kind: n for n, kind in enumerate(_others_as_of(cutoff), 1)}
    summary = a_summary(study, weeks, others, cutoff=cutoff, exported_on=cutoff + timedelta(days=2), leaving=4)
    notes = ("From a file: completeness was not checked.", "=1+1 <b>& 同意")
    source = replace(summary.source, records_received=summary.everyone + 7, records_listed=summary.everyone + 7)
    summary = replace(summary, notes=notes, working_copies=7, source=source)
    return _since_last_week(summary, rules={"counting version": "an earlier one"})


@cache
def a_huge_summary() -> ConsentSummary:
    """Ten years of weeks, twenty riders and twenty sites, with every optional part: for the benchmarks."""
    study = a_study(riders=riders_text(f"Optional consent number {n} of twenty" for n in range(1, 21)))
    weeks, sites = spread(24_680, busy_weeks(522)), [f"Hospital number {n}" for n in range(1, 21)]
    cutoff = START + timedelta(days=522 * 7 - 6)
    return _since_last_week(a_summary(with_every_part(study, weeks, cutoff, sites), weeks, _USUAL, cutoff=cutoff))


SAMPLES = {"full": a_full_summary, "empty": an_empty_summary, "odd": an_odd_summary}


@cache
def rendered(sample: str) -> dict[str, bytes]:
    """The files of a sample by their ending, such as ``.pdf``: rendered once per test run."""
    return {PurePosixPath(file.name).suffix: file.content for file in render_reports(SAMPLES[sample]())}


# Study files


def riders_text(labels: Iterable[str]) -> str:
    """The riders of a study file: keys ``rider a`` onwards, with these labels."""
    return "".join(
        f'[[riders]]\nkey = "rider {letter}"\nlabel = {json.dumps(label)}\nfield = "rider_{letter}"\n'
        'agreed = ["1"]\ndeclined = ["0"]\n'
        for letter, label in zip("abcdefghijklmnopqrstuvwxyz", labels, strict=False)
    )


def with_every_part(study: StudyConfig, weeks: Sequence[int], cutoff: date, sites: Sequence[str]) -> StudyConfig:
    """The same study with everything that its file may configure; every fourth rider is on the newer forms alone."""
    listed = [
        ListedSite(f"site_{n}", label, 300 if n else None, START + timedelta(days=30 * n) if n < 3 else None)
        for n, label in enumerate(sites)
    ]
    riders = (replace(rider, offered_in=ACCEPTED if _is_new(n) else ()) for n, rider in enumerate(study.riders))
    approved_on = max(START, cutoff - timedelta(days=cutoff.weekday()) - 28 * WEEK)
    return replace(
        study,
        riders=tuple(riders),
        leave_out=(_TEST_RECORDS,),
        withdrawal=WithdrawalRules(
            FieldRef("withdrawn"), ("1",), "withdrawn_on", FieldRef("withdrawal_extent"), ("2", "3"), EXTENTS
        ),
        sites=SiteRules(None, tuple(listed)),
        version=VersionRules(FieldRef("form_version"), ACCEPTED),
        accrual=AccrualGoals(sum(weeks) * 3 // 2, cutoff + timedelta(days=400), sum(weeks) + 45, approved_on),
    )


def _is_new(rider: int) -> bool:
    """Whether this rider was not on the oldest forms."""
    return rider % 4 == 3


# People


def busy_weeks(number: int) -> list[int]:
    """How busy each of so many weeks is: an even pattern with quiet and empty weeks."""
    return [_BUSY[n % len(_BUSY)] for n in range(number)]


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Divide a total over places by their weights, in whole numbers that add up to it."""
    all_weights = sum(weights)
    edges = [total * upto // all_weights for upto in accumulate(weights, initial=0)]
    return [after - before for before, after in pairwise(edges)]


def _people(
    study: StudyConfig, weeks: Sequence[int], others: Mapping[str, int], period: ReportPeriod, leaving: int
) -> Iterator[Row]:
    """The rows of everybody, those of one person side by side."""
    days = [
        week.first_day + timedelta(days=n % min(7, (period.cutoff - week.first_day).days + 1))
        for week, number in zip(period.weeks, weeks, strict=True)
        for n in range(number)
    ]
    for n, day in enumerate(days):
        yield from _consenting(n, day, study, period, leaving)
    kinds = _others_as_of(period.cutoff)
    undecided = [kinds[kind] for kind, number in others.items() for _ in range(number)]
    so_far = (period.cutoff - START).days + 1
    for n, values in enumerate(undecided, len(days)):
        usual = {"consent_date": f"{START + timedelta(days=n * 37 % so_far)}", "consent_obtained": "1"}
        yield {**_a_person(f"P{n}", n, study), **usual, **values}
    yield from ({**_a_person(f"T{n}", n, study), "consent_obtained": "1"} for n in range(7 if others else 0))
    yield from ({**_a_person(f"O{n}", n, study), "cohort": "other"} for n in range(3 if study.only else 0))


def _a_person(record: str, n: int, study: StudyConfig) -> Row:
    """Whoever has done nothing yet; at a site, if the study has any: fewer at each than at the one before."""
    codes = [*(site.code for site in study.sites.listed), "site_x", ""] if study.sites else [""]
    places = [code for weight, code in enumerate(reversed(codes), 1) for _ in range(weight)]
    blank = dict.fromkeys(("consent_date", "consent_obtained", "withdrawn", "withdrawn_on", "withdrawal_extent"), "")
    return {RECORD: record, INSTANCE: "", GROUP: places[n * 37 % len(places)], "cohort": "ibd", **blank}


def _consenting(n: int, day: date, study: StudyConfig, period: ReportPeriod, leaving: int) -> Iterator[Row]:
    """Somebody who consented: one in ``leaving`` has withdrawn, and one in a hundred refused later."""
    person, version = _a_person(f"P{n}", n, study), _SIGNED[n % len(_SIGNED)]
    answers = {
        rider.fields[0].field: _answer(n, UPTAKE[at % len(UPTAKE)]) if version in ACCEPTED or not _is_new(at) else ""
        for at, rider in enumerate(study.riders)
    }
    agreed = {"consent_date": f"{day}", "consent_obtained": "1", "form_version": version}
    later = min(day + timedelta(days=n % 400), period.cutoff)
    yield {**person, **answers, **agreed, **_withdrawal(n, day, later, leaving)}
    if n % 100 == 42:
        yield {**person, INSTANCE: "2", "consent_date": f"{later}", "consent_obtained": "2"}


def _answer(n: int, share: float) -> str:
    """Yes from this share of people; the others say no, and every third of them nothing."""
    if int((n + 1) * share) > int(n * share):
        return "1"
    return "" if n % 3 == 0 else "0"


def _withdrawal(n: int, day: date, later: date, leaving: int) -> Row:
    """One in ``leaving`` has withdrawn, as far as each extent in turn, or to an unknown one on an unknown day."""
    if n % 50 == 3:
        return {"withdrawn": "1", "withdrawn_on": f"{day - timedelta(days=1)}"}  # before the consent: no withdrawal
    if n % leaving != leaving // 2:
        return {}
    extent = ("1", "2", "", "1", "3", "1")[n // leaving % 6]
    return {"withdrawn": "1", "withdrawn_on": f"{later}" if extent else "", "withdrawal_extent": extent}


def _others_as_of(cutoff: date) -> dict[str, Row]:
    """Those who have not consented, by what there is to say of them."""
    return {
        "declined": {"consent_obtained": "2"},
        "open": {"consent_obtained": "0", "consent_date": ""},
        "not_started": {"consent_obtained": "", "consent_date": ""},
        "unknown_code": {"consent_obtained": "9"},
        "no_date": {"consent_date": ""},
        "unreadable_date": {"consent_date": "soon"},
        "before_start": {"consent_date": f"{START - WEEK}"},
        "future_date": {"consent_date": f"{cutoff + 5200 * WEEK}"},
        "after_cutoff": {"consent_date": f"{cutoff + timedelta(days=1)}"},
        "agreed_but_open": {"consent_date": "Consent not completed"},
        "dated_but_pending": {"consent_obtained": "0"},
        "rider_without_consent": {"consent_obtained": "2", "rider_a": "1"},
        "withdrawal_without_consent": {"consent_obtained": "2", "withdrawn": "1", "withdrawn_on": f"{START}"},
    }


# Counting


def a_summary(
    study: StudyConfig,
    weeks: Sequence[int],
    others: Mapping[str, int],
    *,
    cutoff: date = CUTOFF,
    exported_on: date | None = None,
    leaving: int = 20,
) -> ConsentSummary:
    """The summary of a registry with so many consents in each week, and so many others of each kind."""
    period = ReportPeriod(START, cutoff, exported_on or cutoff)
    rows = list(_people(study, weeks, others, period, leaving))
    people = len({row[RECORD] for row in rows})
    tally = tally_of(*rows, counting=a_counting(study, period)) if rows else Tally()
    return summarise(tally, study, period, Source("16.1.3", 14, people, people))


def _since_last_week(summary: ConsentSummary, rules: Mapping[str, str] | None = None) -> ConsentSummary:
    """The same after a report of a week before, in which two weeks counted otherwise."""
    *weeks, up_to_then, _ = [week.consented for week in summary.weeks]
    weeks[-1] += 1
    weeks[-3] -= weeks[-3] // 2
    consented = (*weeks, up_to_then // 7)
    cutoff = summary.period.cutoff - WEEK
    at = datetime.combine(cutoff, time(12), UTC)
    kept = {**rule_fingerprints(summary.study), **(rules or {})}
    last_week = RunRecord(
        "a-study.a-run",
        summary.study.key,
        "monday",
        cutoff,
        requested_at=at,
        queued_at=at,
        cutoff=cutoff,
        counts=RunCounts(summary.participants.total, sum(consented), summary.everyone, summary.everyone, 0),
        week_counts=WeekCounts(START, len(weeks), consented, {}, kept),
    )
    return replace(summary, changes=compare(summary, last_week))
