"""What the quality codes of riders, withdrawals and sites mean for a record, as conditions in REDCap's logic.

Pure. Follows ``riders.py``, ``withdrawals.py``, ``sites.py`` and, for the records that are counted apart,
``participants.py``. What depends on several rows of a record is said by naming its events, and cannot be said of a form
that repeats.
"""

from dataclasses import dataclass

from consent.redcap.export_plan import Coding
from consent.setup.exceptions.consent_conditions import ConsentRow
from consent.setup.exceptions.redcap_logic import CannotSayError, both, days_from, either, is_none_of, is_one_of
from consent.setup.exceptions.rule_cells import DateCell, RuleCells
from consent.study import ConsentForm, FieldRef, LeaveOut, Only, Rider, SiteRules, StudyConfig, WithdrawalRules

_GROUP_CELL = "[record-dag-name]"


@dataclass(frozen=True)
class RecordConditions:
    """Makes the conditions on the records of one study; ``coding`` as the export's plan has it."""

    study: StudyConfig
    cells: RuleCells
    coding: Coding

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
