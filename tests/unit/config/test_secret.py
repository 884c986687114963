"""Tests of a secret in memory: it is never shown, copied or stored."""

import copy
import json
import pickle
from collections.abc import Callable

import pytest

from consent.config.credentials import Secret

SECRET = Secret("REDCAP_ACCESS_TOKEN", "3F9A0B77C1D24E5F8A6B0C1D2E3F4A5B\r\n")


@pytest.mark.parametrize("show", [repr, str, "{}".format, "%s".__mod__, "%r".__mod__])
def test_a_secret_shows_its_name_only(show: Callable[[Secret], str]) -> None:
    assert show(SECRET) == "<Secret REDCAP_ACCESS_TOKEN>"


def test_a_secret_reveals_its_value_without_the_line_end() -> None:
    assert SECRET.reveal() == "3F9A0B77C1D24E5F8A6B0C1D2E3F4A5B"


@pytest.mark.parametrize("store", [pickle.dumps, lambda secret: pickle.dumps(secret, 0), copy.copy, copy.deepcopy])
def test_a_secret_cannot_be_copied_or_stored(store: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError, match="must not be copied or stored"):
        store(SECRET)


@pytest.mark.parametrize("use", [json.dumps, "Bearer ".__add__, vars])
def test_a_secret_is_not_text_json_or_a_dictionary(use: Callable[[Secret], object]) -> None:
    with pytest.raises(TypeError):
        use(SECRET)


def test_two_secrets_of_one_value_are_not_equal_so_that_none_can_be_guessed() -> None:
    assert Secret(SECRET.name, SECRET.reveal()) != SECRET
