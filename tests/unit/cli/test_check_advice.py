"""Claims about taking an error's message apart: what happened, and what to do about it."""

import pytest

from consent.cli.check.findings import what_and_fix


@pytest.mark.parametrize(
    ("message", "what", "fix"),
    [
        ("REDCap said no (HTTP 403). Check the token.", "REDCap said no (HTTP 403)", "Check the token."),
        ("It broke off. Nothing was counted. Look at the network.", "It broke off", "Look at the network."),
        ("Dropbox refused: the account is full: free some. Then run again.", "Dropbox refused: the account is full",
         "Free some."),
        ("KEY is missing: give it as a setting", "KEY is missing", "Give it as a setting."),
        ("It was not read: ask for the role (or, with policies: for 'Get')", "It was not read",
         "Ask for the role (or, with policies: for 'Get')."),
        ("URL must end in /api/, with the slash: without it nothing comes", "URL must end in /api/, with the slash: "
         "without it nothing comes", ""),
        ("No record at all. Run again; if it is empty, wait.", "No record at all", "Run again; if it is empty, wait."),
        ("Something is wrong", "Something is wrong", ""),
    ],
)  # fmt: skip
def test_a_message_is_told_apart(message: str, what: str, fix: str) -> None:
    assert what_and_fix(message) == (what, fix)
