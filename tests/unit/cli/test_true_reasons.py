"""Tests of the reasons: a rule that is named for a difference can be seen in the rows of its participant."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given

from consent.cli.compare.old_pipeline import CONSENT, OldReading, read_by_old_rule
from consent.cli.compare.reasons import count_by_both_rules
from consent.counting.consents import CONSENTED, STATES, Batch, Counting
from consent.counting.participants import build_participants
from consent.redcap.cells import Array
from consent.studies.model import FieldRef
from tests.support.builders import CONSENT as FORM
from tests.support.builders import RIDER, a_study, as_frame, as_rows
from tests.support.odd_registries import COMPARABLE, EXCLUSIONS, odd_countings, odd_rows_of

REPRESENTED = a_study(
    consents=FORM + '[[consent]]\ndate = "consent_date"\ndecision = "e_choices(1)"\nagreed = ["1"]\n',
    riders=RIDER,
    more=EXCLUSIONS,
)


@dataclass(frozen=True)
class Named:
    """A rule named for one participant in one week and column, and the rows in which it must be seen."""

    week: int
    column: str
    batch: Batch
    participant: "pd.Series[Any]"
    old: OldReading

    @property
    def counted(self) -> Array:
        """The rows that the old pipeline counted in this cell."""
        return np.flatnonzero(self.old.counted(self.column) & (self.old.weeks == self.week))

    @property
    def consents(self) -> pd.DataFrame:
        """The valid consents."""
        consents = as_frame(self.batch.consents)
        return consents[consents["state"] == STATES.index(CONSENTED)]

    @property
    def agreed(self) -> Array:
        """The rows that agree to what the column counts, in the current codes."""
        study = self.batch.counting.study
        riders = {rider.key: rider for rider in study.riders}
        asked = study.consents[0] if self.column == CONSENT else riders[self.column]
        ref: FieldRef = study.consents[0].decision if self.column == CONSENT else riders[self.column].fields[0]
        return np.flatnonzero(self.batch.values(ref).is_in(*asked.agreed))


def _said_by_a_consent(state: str, named: Named) -> bool:
    """A row that counted in this cell has a consent in this state."""
    consents = named.batch.consents
    return bool(np.isin(named.counted, consents["row"][consents["state"] == STATES.index(state)]).any())


def _other_week(named: Named) -> bool:
    """The old pipeline counted a valid row in one of the two weeks, or it counts there now."""
    day = named.participant["consented_on"]
    week = (day - pd.Timestamp(named.batch.counting.period.start)).days // 7
    return bool(week == named.week or np.isin(named.counted, named.consents["row"]).any())


def _other_form(named: Named) -> bool:
    """There is a valid consent on another form; for a rider, one of its rows agrees."""
    others = named.consents[named.consents["form"] > 0]
    return len(others) > 0 and (named.column == CONSENT or bool(np.isin(others["row"], named.agreed).any()))


def _undated_row(named: Named) -> bool:
    """A row without a consent agrees."""
    return bool((~np.isin(named.agreed, named.batch.consents["row"])).any())


def _other_code(named: Named) -> bool:
    """A row has the code 1 and does not agree, or agrees with another code."""
    has_one = np.flatnonzero(named.old.has_one[named.column])
    return bool(set(has_one.tolist()) ^ set(named.agreed.tolist()))


def _other_date(named: Named) -> bool:
    """A row with the code 1 agrees and has a valid consent, but the old pipeline had no week for it."""
    missed = np.flatnonzero(named.old.has_one[named.column] & ~named.old.counted(named.column))
    return bool(np.isin(np.intersect1d(missed, named.agreed), named.consents["row"]).any())


def _not_offered(named: Named) -> bool:
    """Some form, or some version, does not have the rider."""
    study, column_map = named.batch.counting.study, named.batch.counting.column_map
    (rider,) = (rider for rider in study.riders if rider.key == named.column)
    return bool(rider.offered_in) or len(column_map.offered_by[rider.key]) < len(study.consents)


SEEN: dict[str, Callable[[Named], bool]] = {
    **{state: partial(_said_by_a_consent, state) for state in STATES if state != CONSENTED},
    "before_start": lambda named: bool((named.batch.consents["state"] == STATES.index("before_start")).any()),
    "left_out": lambda named: named.participant["participant_class"] == "left_out",
    "outside": lambda named: named.participant["participant_class"] == "outside",
    "no_consent_on_row": lambda named: not np.isin(named.counted, named.consents["row"]).all(),
    "another_row": lambda named: (
        named.participant["participant_class"] == CONSENTED and int(named.old.counted(named.column).sum()) > 1
    ),
    "other_week": _other_week,
    "later_answer": lambda named: len(named.consents) > 1,
    "not_offered": _not_offered,
    "undated_row": _undated_row,
    "other_form": _other_form,
    "other_code": _other_code,
    "other_date": _other_date,
}


def untrue(rows: list[dict[str, str]], counting: Counting) -> list[tuple[str, str]]:
    """Return column and rule of every reason that the rows of one participant do not show."""
    batch = Batch(as_rows(rows), counting)
    participants = as_frame(build_participants(batch.rows, counting))
    old = read_by_old_rule(batch)
    named = [
        (Named(week, column, batch, participants.iloc[0], old), reason.code)
        for ((week, column), reason), n in count_by_both_rules(batch.rows, counting).reasons.items()
        if n
    ]
    return [(one.column, code) for one, code in named if not SEEN[code](one)]


@given(rows=odd_rows_of("1"), counting=odd_countings([*COMPARABLE, REPRESENTED, REPRESENTED]))
def test_every_rule_that_is_named_can_be_seen_in_the_rows(rows: list[dict[str, str]], counting: Counting) -> None:
    assert untrue(rows, counting) == []
