"""Whatever is named as the rule behind a difference can be seen in the rows that it is about, not only in the sum."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings

from consent.cli.compare.old_pipeline import CONSENT, OldReading, read_by_old_rule
from consent.cli.compare.reasons import compare_rows
from consent.counting.columns import Array, is_one_of, texts
from consent.counting.consents import CONSENTED, STATES, Batch, Counting, read_batch
from consent.counting.participants import build_participants
from consent.studies.model import FieldRef
from tests.support.builders import CONSENT as FORM
from tests.support.builders import RIDER, a_study, rows_frame
from tests.support.odd_registries import APART, STUDIES, odd_countings, odd_rows_of

REPRESENTED = a_study(
    consents=FORM + '[[consent]]\ndate = "consent_date"\ndecision = "e_choices(1)"\nagreed = ["1"]\n',
    riders=RIDER,
    more=APART,
)


@dataclass(frozen=True)
class Told:
    """A rule that is named for one participant, in one week and column, and the rows that it must be seen in."""

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
        """The consents that are in order."""
        consents = self.batch.consents
        return consents[consents["state"] == STATES.index(CONSENTED)]

    @property
    def agreed(self) -> Array:
        """The rows that agree to what the column counts, in today's codes."""
        study, coding = self.batch.counting.study, self.batch.counting.coding
        riders = {rider.key: rider for rider in study.riders}
        asked = study.consents[0] if self.column == CONSENT else riders[self.column]
        ref: FieldRef = study.consents[0].decision if self.column == CONSENT else riders[self.column].field
        return np.flatnonzero(is_one_of(texts(self.batch.rows, ref, coding), asked.agreed))


def _said_by_a_consent(state: str, told: Told) -> bool:
    """A row that counted in this cell holds a consent that says so."""
    consents = told.batch.consents
    return bool(np.isin(told.counted, consents.loc[consents["state"] == STATES.index(state), "row"]).any())


def _other_week(told: Told) -> bool:
    """In one of its two weeks the old pipeline counted a row in order, or it counts there now."""
    day = told.participant["consented_on"]
    week = (day - pd.Timestamp(told.batch.counting.period.start)).days // 7
    return bool(week == told.week or np.isin(told.counted, told.consents["row"]).any())


def _other_form(told: Told) -> bool:
    """There is a consent in order on another form, and where riders are counted one of its rows agrees."""
    others = told.consents[told.consents["form"] > 0]
    return len(others) > 0 and (told.column == CONSENT or bool(np.isin(others["row"], told.agreed).any()))


def _undated_row(told: Told) -> bool:
    """A row that holds no consent agrees."""
    return bool((~np.isin(told.agreed, told.batch.consents["row"])).any())


def _other_code(told: Told) -> bool:
    """A row says 1 and does not agree, or agrees and does not say 1."""
    says_one = np.flatnonzero(told.old.says_one[told.column])
    return bool(set(says_one.tolist()) ^ set(told.agreed.tolist()))


def _other_date(told: Told) -> bool:
    """A row says 1 and agrees, and holds a consent in order, and the old pipeline had no week for it."""
    missed = np.flatnonzero(told.old.says_one[told.column] & ~told.old.counted(told.column))
    return bool(np.isin(np.intersect1d(missed, told.agreed), told.consents["row"]).any())


def _not_offered(told: Told) -> bool:
    """The rider is not on every form, or not in every version."""
    study, coding = told.batch.counting.study, told.batch.counting.coding
    (rider,) = (rider for rider in study.riders if rider.key == told.column)
    return bool(rider.offered_in) or len(coding.offered_by[rider.key]) < len(study.consents)


SEEN: dict[str, Callable[[Told], bool]] = {
    **{state: partial(_said_by_a_consent, state) for state in STATES if state != CONSENTED},
    "before_start": lambda told: bool((told.batch.consents["state"] == STATES.index("before_start")).any()),
    "left_out": lambda told: told.participant["participant_class"] == "left_out",
    "outside": lambda told: told.participant["participant_class"] == "outside",
    "no_consent_on_row": lambda told: not np.isin(told.counted, told.consents["row"]).all(),
    "another_row": lambda told: (
        told.participant["participant_class"] == CONSENTED and int(told.old.counted(told.column).sum()) > 1
    ),
    "other_week": _other_week,
    "later_answer": lambda told: len(told.consents) > 1,
    "not_offered": _not_offered,
    "undated_row": _undated_row,
    "other_form": _other_form,
    "other_code": _other_code,
    "other_date": _other_date,
}


def untrue(rows: list[dict[str, str]], counting: Counting) -> list[tuple[str, str]]:
    """Column and rule of every reason that the rows of one participant do not show."""
    frame = rows_frame(rows)
    batch, participants = read_batch(frame, counting), build_participants(frame, counting)
    old = read_by_old_rule(frame, counting)
    told = [
        (Told(week, column, batch, participants.iloc[0], old), reason.code)
        for ((week, column), reason), n in compare_rows(frame, counting).reasons.items()
        if n
    ]
    return [(one.column, code) for one, code in told if not SEEN[code](one)]


@settings(deadline=None, max_examples=300)
@given(rows=odd_rows_of("1"), counting=odd_countings([*STUDIES, REPRESENTED, REPRESENTED]))
def test_every_rule_that_is_named_can_be_seen_in_the_rows(rows: list[dict[str, str]], counting: Counting) -> None:
    assert untrue(rows, counting) == []
