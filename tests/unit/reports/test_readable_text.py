"""Tests of the search of delivered files: it finds what they say anywhere, and takes no number for a record id."""

from dataclasses import replace
from functools import cache

import pytest

from consent.reports.render import render_reports
from tests.support.readable_text import names_word, readable_text, spells
from tests.support.sample_summaries import an_empty_summary

SECRET, RECORD = "5A4D0B0C0FFEE0FFA1C3E5B7D9F00A1B" * 2, "000042"


@cache
def texts_of(label: str) -> dict[str, str]:
    """What each file says of a report whose first rider has this label, by the file's ending."""
    summary = an_empty_summary()
    labelled = replace(summary, riders=(replace(summary.riders[0], label=label), *summary.riders[1:]))
    return {file.name.rpartition(".")[2]: readable_text(file.name, file.content) for file in render_reports(labelled)}


@pytest.mark.parametrize("kind", ["json", "xlsx", "pdf"])
def test_a_secret_is_found_even_where_it_is_broken_over_lines(kind: str) -> None:
    assert spells(texts_of(SECRET)[kind], SECRET)


@pytest.mark.parametrize("kind", ["json", "xlsx", "pdf"])
def test_a_record_id_is_found_where_it_stands_by_itself(kind: str) -> None:
    assert names_word(texts_of(f"Rider of {RECORD}.")[kind], RECORD)


@pytest.mark.parametrize("kind", ["xlsx", "pdf"])
def test_what_only_the_properties_of_a_file_say_is_found(kind: str) -> None:
    assert "2023-09-11T00:00:00" in texts_of(SECRET)[kind]


@pytest.mark.parametrize("text", ["1000042", "0000421", "2026-000042", "000042-7", "0.000042", "FF000042"])
def test_a_part_of_something_longer_is_no_record_id(text: str) -> None:
    assert not names_word(text, RECORD)


def test_a_file_of_a_kind_that_cannot_be_read_is_not_passed_over() -> None:
    with pytest.raises(KeyError, match=r"\.docx"):
        readable_text("report.docx", b"")
