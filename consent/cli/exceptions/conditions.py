"""The quality codes as conditions in REDCap's logic, by the rules of ``counting``.

REDCap evaluates a condition without an event on each row of a record, as counting reads each row of an export.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from consent.cli.exceptions.redcap_logic import (
    DateCell,
    NotExpressibleError,
    RuleCells,
    both,
    days_between,
    either,
    is_none_of,
    is_one_of,
)
from consent.redcap.export_plan import ColumnMap
from consent.studies.model import ConsentForm, LeaveOut, Rider, SiteRules, StudyConfig, WithdrawalRules

Condition = Callable[[], str]
"""Returns a condition, or "" if it can never be true; raises ``NotExpressibleError``."""


@dataclass(frozen=True)
class StudyConditions:
    """Makes the conditions of one study."""

    study: StudyConfig
    cells: RuleCells
    column_map: ColumnMap

    def counted(self) -> Iterator[Condition]:
        """Yield the conditions of a record that the study counts; all of them must be true."""
        if only := self.study.only:
            yield lambda: either(*(is_one_of(cell, only.codes) for cell in self.cells.in_all_events(only.field)))
        for rule in self.study.leave_out:
            yield partial(self._not_left_out, rule)

    def quality(self) -> Iterator[tuple[str, Condition]]:
        """Yield the conditions of each quality code; any of them is sufficient."""
        for form in self.study.consents:
            for code, condition in _CONSENT_CONDITIONS:
                yield code, partial(self._of_consent, condition, form)
        for rider in self.study.riders:
            yield "rider_without_consent", partial(self._rider_without_consent, rider)
            yield "unknown_code", partial(self._unknown_answer, rider)
        if self.study.sites and self.study.sites.listed:
            yield "unknown_code", partial(self._unknown_site, self.study.sites)
        if rules := self.study.withdrawal:
            yield "withdrawal_without_consent", partial(self._withdrawal_without_consent, rules)
            yield "withdrawal_undated", partial(self._withdrawal_undated, rules)
            if rules.date:
                yield "withdrawal_before_consent", partial(self._withdrawal_before_consent, rules.date)
            if rules.extent:
                known = (*rules.ends, *rules.extent_labels)
                yield "unknown_code", partial(self.cells.unknown, self.cells.cell(rules.extent), known)

    def _not_left_out(self, rule: LeaveOut) -> str:
        if rule.field is None:
            raise NotExpressibleError(f"records left out by id_pattern ({rule.reason}) are listed too")
        return both(*(is_none_of(cell, rule.codes) for cell in self.cells.in_all_events(rule.field)))

    def _of_consent(self, condition: "Callable[[_ConsentRow], str]", form: ConsentForm) -> str:
        events = self.cells.events_of(form.decision.field, form.events) if form.events else ("",)
        rows = [(condition(_ConsentRow(form, self.cells, self.study, event)), event) for event in events]
        return either(*(both(found, self.cells.selected(form.where, event)) for found, event in rows if found))

    def _rider_without_consent(self, rider: Rider) -> str:
        """Agreed to a rider, but to no form (and version, if the rider names any) that has it."""
        yes = either(
            *(
                both(is_one_of(self.cells.cell(ref, event), rider.agreed), self.cells.selected(rider.where, event))
                for ref in rider.fields
                for event in self.cells.events_of(ref.field)
            )
        )
        offering = (self.study.consents[number] for number in sorted(self.column_map.offered_by[rider.key]))
        return both(yes, *(self._never_agreed(form, rider.offered_in) for form in offering))

    def _unknown_answer(self, rider: Rider) -> str:
        known = ("0", *rider.agreed, *rider.declined)
        unknown = (self.cells.unknown(self.cells.cell(ref), known) for ref in rider.fields if not ref.is_checkbox)
        return both(either(*unknown), self.cells.selected(rider.where))

    def _never_agreed(self, form: ConsentForm, versions: tuple[str, ...] = ()) -> str:
        rules, conditions = self.study.version, []
        for event in self.cells.events_of(form.decision.field, form.events):
            row = _ConsentRow(form, self.cells, self.study, event)
            other = is_none_of(self.cells.cell(rules.field, event), versions) if rules and versions else ""
            conditions.append(either(row.not_agreed, other, self.cells.not_selected(form.where, event)))
        return both(*conditions)

    def _unknown_site(self, rules: SiteRules) -> str:
        cell = self.cells.only_cell(rules.by) if rules.by else "[record-dag-name]"
        return self.cells.unknown(cell, tuple(site.code for site in rules.listed))

    def _withdrawal_without_consent(self, rules: WithdrawalRules) -> str:
        flags = [is_one_of(cell, rules.codes) for cell in self.cells.in_all_events(rules.flag)] if rules.flag else []
        dates = [self.cells.date(rules.date, event) for event in self.cells.events_of(rules.date)] if rules.date else []
        withdrawn = either(*flags, *(both(date.readable, date.not_in_future) for date in dates))
        return both(withdrawn, *(self._never_agreed(form) for form in self.study.consents))

    def _withdrawal_undated(self, rules: WithdrawalRules) -> str:
        """A flag without a usable date, or a date that is not usable."""
        flag = is_one_of(self.cells.only_cell(rules.flag), rules.codes) if rules.flag else ""
        if rules.date is None:
            return flag
        date = self.cells.date(rules.date, self.cells.event_of(rules.date))
        return either(both(flag, date.blank) if flag else "", both(date.readable, date.in_future), date.unreadable)

    def _withdrawal_before_consent(self, field: str) -> str:
        """The withdrawal is dated before the consent that counts."""
        if len(self.study.consents) > 1:
            raise NotExpressibleError("the first of several consents cannot be selected")
        (form,) = self.study.consents
        consent = _ConsentRow(form, self.cells, self.study, self.cells.event_of(form.decision.field, form.events))
        date = self.cells.date(field, self.cells.event_of(field))
        earlier = f"{days_between(date.day, consent.date.day)} > 0"
        return both(date.readable, date.not_in_future, consent.counts(), earlier)


@dataclass(frozen=True)
class _ConsentRow:
    """The consent on one form, in the row that REDCap evaluates or in one event of the record."""

    form: ConsentForm
    cells: RuleCells
    study: StudyConfig
    event: str = ""

    @property
    def date(self) -> DateCell:
        return self.cells.date(self.form.date, self.event)

    @property
    def agreed(self) -> str:
        """Agreed, and certified if the form requires it."""
        return both(self._decided, self._status("= '2'"))

    @property
    def _decided(self) -> str:
        """Agreed by the decision, or by the date or the status in its place."""
        match self.form.agreed_when:
            case "dated":
                return is_none_of(self.date.text, (*self.cells.blanks, *self.form.pending_text))
            case "complete":
                return self._status("= '2'")
        return is_one_of(self._decision(self.form), self.form.agreed)

    @property
    def not_agreed(self) -> str:
        match self.form.agreed_when:
            case "dated":
                return is_one_of(self.date.text, (*self.cells.blanks, *self.form.pending_text))
            case "complete":
                return self._status("<> '2'")
        return is_none_of(self._decision(self.form), self.form.agreed)

    @property
    def _days_in_study(self) -> str:
        return self.date.days_after(str(self.study.start_date))

    def _decision(self, form: ConsentForm) -> str:
        return self.cells.cell(form.decision, self.event)

    def _status(self, test: str) -> str:
        return f"{self.cells.cell(self.form.form_complete, self.event)} {test}" if self.form.form_complete else ""

    def _waiting(self, form: ConsentForm) -> str:
        if form.agreed_when:
            return _ConsentRow(form, self.cells, self.study, self.event).not_agreed
        unticked = ("0",) if form.decision.is_checkbox else ()  # an unticked box is no answer
        return is_one_of(self._decision(form), (*self.cells.blanks, *unticked, *form.pending))

    def counts(self) -> str:
        """Agreed on a day from the study's first day to today."""
        return both(self.agreed, self.date.readable, f"{self._days_in_study} >= 0", self.date.not_in_future)

    def unknown_code(self) -> str:
        form = self.form
        known = () if form.decision.is_checkbox or form.agreed_when else (*form.agreed, *form.declined, *form.pending)
        return self.cells.unknown(self._decision(form), known)

    def before_start(self) -> str:
        return both(self.agreed, self.date.readable, f"{self._days_in_study} < 0")

    def unreadable_date(self) -> str:
        """Agreed, and the date field holds neither a date nor a text for a pending consent."""
        if self.date.described.is_date:
            raise NotExpressibleError(
                f"{self.form.date} is validated as a date; REDCap's own rule 'Field validation errors (incorrect data "
                "type)' lists other values that were saved before"
            )
        return both(self.agreed, self.date.unreadable, is_none_of(self.date.text, self.form.pending_text))

    def impossible_date(self) -> str:
        """Agreed on a day that does not exist."""
        if not self.date.described.is_date:
            raise NotExpressibleError(f"{self.form.date} accepts any text, and 2023-02-30 has the shape of a date")
        return ""

    def agreed_but_open(self) -> str:
        """Agreed, and the date field holds a text for a pending consent."""
        if self.form.agreed_when == "dated" or not self.form.pending_text:
            return ""
        return both(self.agreed, is_one_of(self.date.text, self.form.pending_text))

    def dated_but_pending(self) -> str:
        """A date without a decision on this form or another form with the same date, or a yes without certification."""
        if self.form.agreed_when == "dated" and not self.form.form_complete:
            return ""
        waiting = both(*(self._waiting(form) for form in self.study.consents if form.date == self.form.date))
        uncertified = self._status("<> '2'")
        return both(either(waiting, both(self._decided, uncertified) if uncertified else ""), self.date.readable)


_CONSENT_CONDITIONS: tuple[tuple[str, Callable[[_ConsentRow], str]], ...] = (
    ("unknown_code", _ConsentRow.unknown_code),
    ("no_date", lambda row: "" if row.form.agreed_when == "dated" else both(row.agreed, row.date.blank)),
    ("unreadable_date", _ConsentRow.unreadable_date),
    ("unreadable_date", _ConsentRow.impossible_date),
    ("before_start", _ConsentRow.before_start),
    ("future_date", lambda row: both(row.agreed, row.date.readable, row.date.in_future)),
    ("agreed_but_open", _ConsentRow.agreed_but_open),
    ("dated_but_pending", _ConsentRow.dated_but_pending),
)
