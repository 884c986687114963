"""What each quality code of a consent means on one row, as a condition in REDCap's logic; follows ``consents.py``.

Pure. A condition without an event is tried by REDCap on each event and repeat of a record, as each row of an export is
read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from consent.setup.exceptions.redcap_logic import CannotSayError, both, either, is_none_of, is_one_of
from consent.setup.exceptions.rule_cells import DateCell, RuleCells
from consent.study import ConsentForm, StudyConfig


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
