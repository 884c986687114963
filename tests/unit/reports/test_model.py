"""Tests of the report model: what each medium shows of a table."""

from consent.reports.model import Column, Medium, Table

TABLE = Table(
    (Column("Week", only=Medium.PDF), Column("Day", only=Medium.WORKBOOK), Column("Consents"), Column("Unused")),
    (("1", 1, 10, None), ("2", 2, 20, None), ("3", 3, 30, None), ("Total", None, 60, None)),
    totals=(3,),
    running=2,
    pdf_rows=2,
)


def test_the_pdf_shows_the_last_rows_and_the_totals() -> None:
    shown = TABLE.shown_in(Medium.PDF)

    assert shown.rows == (("2", 20), ("3", 30), ("Total", 60))
    assert (shown.totals, shown.running) == ((2,), 1)


def test_the_workbook_shows_every_row() -> None:
    shown = TABLE.shown_in(Medium.WORKBOOK)

    assert shown.rows == ((1, 10), (2, 20), (3, 30), (None, 60))
    assert (shown.totals, shown.running) == ((3,), 2)


def test_a_column_without_any_value_is_left_out_unless_there_is_no_row() -> None:
    headings = [column.heading for column in TABLE.shown_in(Medium.WORKBOOK).columns]
    without_rows = Table(TABLE.columns, ()).shown_in(Medium.WORKBOOK)

    assert (headings, len(without_rows.columns)) == (["Day", "Consents"], 3)
