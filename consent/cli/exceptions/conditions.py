"""What each quality code of a consent means on one row, as a condition in REDCap's logic; follows ``consents.py``.

Pure. A condition without an event is tried by REDCap on each event and repeat of a record, as each row of an export is
read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consent.cli.exceptions.redcap_logic import (
    CannotSayError,
    DateCell,
    RuleCells,
    both,
    days_from,
    either,
    is_none_of,
    is_one_of,
)
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import ConsentForm, FieldRef, LeaveOut, Only, Rider, SiteRules, StudyConfig, WithdrawalRules


@dataclass(frozen=True)
class ConsentRow:
    """One form's consent, on the row that REDCap looks at, or in one event of the record."""

    form: ConsentForm
    cells: RuleCells
    study: StudyConfig
    event: str = ""

    @property
    def date(self) -> DateCell:
        """Where its date is."""
        return self.cells.date(self.form.date, self.event)

    @property
    def agreed(self) -> str:
        """The decision is a yes and, where the form has to be certified, it is."""
        certified = (self._status(" = '2'"),) if self.form.form_complete else ()
        return both(is_one_of(self._decision(self.form), self.form.agreed), *certified)

    @property
    def counts(self) -> str:
        """Agreed on a day from the study's first through today."""
        return both(self.agreed, self.date.readable, self.date.from_on(self._start), self.date.not_to_come)

    @property
    def _start(self) -> str:
        return self.study.start_date.isoformat()

    def _decision(self, form: ConsentForm) -> str:
        return self.cells.cell(form.decision, self.event)

    def _status(self, test: str) -> str:
        return f"{self.cells.cell(self.form.form_complete or '', self.event)}{test}"

    def _waiting(self, form: ConsentForm) -> str:
        unticked = ("0",) if form.decision.is_checkbox else ()  # which is no answer
        return is_one_of(self._decision(form), (*self.cells.blanks, *unticked, *form.pending))

    def no_date(self) -> str:
        """Agreed, and no date is written."""
        return both(self.agreed, self.date.blank)

    def unreadable_date(self) -> str:
        """Agreed, and what is written is neither a date nor says that the consent is still open."""
        return both(self.agreed, self.date.unreadable, is_none_of(self.date.text, self.form.pending_text))

    def impossible_date(self) -> str:
        """Agreed on a day that no calendar has.

        Raises:
            CannotSayError: the date's field lets such a day in, and REDCap's logic cannot tell it from others.
        """
        if not self.date.described.is_date:
            raise CannotSayError(
                f"{self.form.date} takes any text, and a day that no calendar has, such as 2023-02-30, passes for one"
            )
        return ""

    def before_start(self) -> str:
        """Agreed before the study's first day."""
        return both(self.agreed, self.date.readable, self.date.before(self._start))

    def future_date(self) -> str:
        """Agreed on a day still to come."""
        return both(self.agreed, self.date.readable, self.date.still_to_come)

    def agreed_but_open(self) -> str:
        """Agreed, and the date says that the consent is still open."""
        return both(self.agreed, is_one_of(self.date.text, self.form.pending_text)) if self.form.pending_text else ""

    def dated_but_pending(self) -> str:
        """A date, and no decision yet, nor on another form that shares the date; or a yes that nobody certified."""
        others = (form for form in self.study.consents if form.date == self.form.date and form is not self.form)
        waiting = both(self._waiting(self.form), *(self._waiting(form) for form in others))
        agreed = is_one_of(self._decision(self.form), self.form.agreed)
        uncertified = both(agreed, self._status(" <> '2'")) if self.form.form_complete else ""
        return both(either(waiting, uncertified), self.date.readable)

    def unknown_code(self) -> str:
        """A decision that the study file does not know."""
        if self.form.decision.is_checkbox:
            return ""
        known = (*self.cells.blanks, *self.form.agreed, *self.form.declined, *self.form.pending)
        return is_none_of(self._decision(self.form), known)


ON_A_CONSENT: Mapping[str, tuple[Callable[[ConsentRow], str], ...]] = {
    "unknown_code": (ConsentRow.unknown_code,),
    "no_date": (ConsentRow.no_date,),
    "unreadable_date": (ConsentRow.unreadable_date, ConsentRow.impossible_date),
    "before_start": (ConsentRow.before_start,),
    "future_date": (ConsentRow.future_date,),
    "agreed_but_open": (ConsentRow.agreed_but_open,),
    "dated_but_pending": (ConsentRow.dated_but_pending,),
}
"""The conditions, each enough, of the quality codes that one consent can have; one that never can be is ``""``."""


_GROUP_CELL = "[record-dag-name]"


@dataclass(frozen=True)
class RecordConditions:
    """Makes the conditions on the records of one study; ``coding`` as the export's plan has it."""

    study: StudyConfig
    cells: RuleCells
    coding: ColumnMap

    def counted(self, only: Only) -> str:
        """The record is one of those that the study is about."""
        return either(*(is_one_of(cell, only.codes) for cell in self._cells(only.field)))

    def not_left_out(self, rule: LeaveOut) -> str:
        """The record is none of those that the study leaves out by this rule."""
        if rule.field is None:
            raise CannotSayError(f"records left out by id_pattern ({rule.reason}) are listed too")
        return both(*(is_none_of(cell, rule.codes) for cell in self._cells(rule.field)))

    def rider_without_consent(self, rider: Rider) -> str:
        """Agreed to a rider, and to no form (of a version, if it names any) that has it."""
        yes = either(*(is_one_of(cell, rider.agreed) for cell in self._cells(rider.field)))
        offering = (self.study.consents[number] for number in sorted(self.coding.offered_by[rider.key]))
        return both(yes, *(self._never_agreed(form, rider.offered_in) for form in offering))

    def unknown_answer(self, rider: Rider) -> str:
        """An answer to a rider that the study file does not know."""
        if rider.field.is_checkbox:
            return ""
        return is_none_of(self.cells.cell(rider.field), (*self.cells.blanks, "0", *rider.agreed, *rider.declined))

    def withdrawal_without_consent(self, rules: WithdrawalRules) -> str:
        """Somebody withdrew who never agreed."""
        flags = [is_one_of(cell, rules.codes) for cell in self._cells(rules.flag)] if rules.flag else []
        dates = [self.cells.date(rules.date, event) for event in self._events(rules.date)] if rules.date else []
        said = either(*flags, *(both(date.readable, date.not_to_come) for date in dates))
        return both(said, *(self._never_agreed(form) for form in self.study.consents))

    def withdrawal_before_consent(self, rules: WithdrawalRules) -> str:
        """The withdrawal is dated before the agreement that counts."""
        if rules.date is None:
            return ""
        if len(self.study.consents) > 1:
            raise CannotSayError("which of several consents was the first cannot be told")
        (form,) = self.study.consents
        consent = ConsentRow(form, self.cells, self.study, self._event(form.decision.field, form.events))
        date = self.cells.date(rules.date, self._event(rules.date))
        earlier = f"{days_from(date.day, consent.date.day)} > 0"
        return both(date.readable, date.not_to_come, consent.counts, earlier)

    def withdrawal_undated(self, rules: WithdrawalRules) -> str:
        """A flag, and no date that can be used; or a date that cannot."""
        flag = is_one_of(self.cells.cell(rules.flag, self._event(rules.flag.field)), rules.codes) if rules.flag else ""
        if rules.date is None:
            return flag
        date = self.cells.date(rules.date, self._event(rules.date))
        return either(both(flag, date.blank) if flag else "", both(date.readable, date.still_to_come), _other(date))

    def unknown_extent(self, rules: WithdrawalRules) -> str:
        """An extent of a withdrawal that the study file does not know, if it names any."""
        known = (*rules.ends, *rules.extent_labels)
        if rules.extent is None or not known:
            return ""
        return is_none_of(self.cells.cell(rules.extent), (*self.cells.blanks, *known))

    def unlisted_site(self, rules: SiteRules) -> str:
        """The record is in a site that the study file does not list, if it lists any."""
        codes = tuple(site.code for site in rules.listed)
        if not codes:
            return ""
        cell = self.cells.cell(rules.by, self._event(rules.by.field)) if rules.by else _GROUP_CELL
        return is_none_of(cell, (*self.cells.blanks, *codes))

    def _never_agreed(self, form: ConsentForm, versions: tuple[str, ...] = ()) -> str:
        rules = self.study.version
        said = []
        for event in self._events(form.decision.field, form.events):
            no = is_none_of(self.cells.cell(form.decision, event), form.agreed)
            other = is_none_of(self.cells.cell(rules.field, event), versions) if rules and versions else ""
            said.append(either(no, other))
        return both(*said)

    def _cells(self, ref: FieldRef) -> list[str]:
        return [self.cells.cell(ref, event) for event in self._events(ref.field)]

    def _events(self, name: str, only: tuple[str, ...] = ()) -> tuple[str, ...]:
        return self.cells.events_of(name, only)

    def _event(self, name: str, only: tuple[str, ...] = ()) -> str:
        events = self._events(name, only)
        if len(events) > 1:
            raise CannotSayError(f"{name} is in several events, and which of them counts cannot be told")
        return events[0]


def _other(date: DateCell) -> str:
    """What is written is no date, where the field lets that in."""
    return "" if date.described.is_date else date.unreadable
