"""Claims about REDCap's answer on users and their rights: taken only when it is whole, and of its kind."""

import json

import pytest

from consent.errors import SourceRefusedError, SourceUnavailableError
from consent.redcap.responses import read_nested_rows
from sandbox.redcap.app import User
from tests.support.builders import TOKEN, Asking, Open, a_redcap_project

JSON_HEAD = {"content-type": "application/json; charset=utf-8"}


def test_rights_come_by_form(redcap: Asking) -> None:
    (user,) = redcap.client.users()
    assert user["forms_export"] == {"enrolment": "1", "consent": "1"}


def test_a_user_without_the_right_is_refused(open_redcap: Open) -> None:
    asking = open_redcap(a_redcap_project(users=[User("pipeline", TOKEN, user_rights=False)]))
    with pytest.raises(SourceRefusedError, match="may not read this"):
        asking.client.users()


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_an_answer_in_pieces_of_any_size_is_read(size: int) -> None:
    body = json.dumps([{"forms": {"consent": 1}, "note": "é"}], ensure_ascii=False).encode()
    pieces = [body[n : n + size] for n in range(0, len(body), size)]
    assert read_nested_rows(pieces, JSON_HEAD) == [{"forms": {"consent": "1"}, "note": "é"}]


def test_a_sign_in_page_is_refused() -> None:
    with pytest.raises(SourceRefusedError, match="web page"):
        read_nested_rows([b"<!DOCTYPE html><html></html>"], {"content-type": "text/html"})


def test_an_answer_that_broke_off_is_asked_for_again() -> None:
    with pytest.raises(SourceUnavailableError, match="broke off"):
        read_nested_rows([b'[{"forms": {"cons'], JSON_HEAD)
