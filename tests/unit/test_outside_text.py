"""Tests of every parser of text from outside: whatever it is given, it returns or raises an error of ours."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent.app.http_api import parse_run_request
from consent.cli.compare.old_pipeline import parse_old_report
from consent.cli.login.settings_files import update_settings_file
from consent.config.settings import Settings, read_settings
from consent.errors import ConfigurationError, ConsentReportError
from consent.redcap.project import read_dictionary
from consent.runs.due import awaited_monday, late
from consent.runs.ledger.sqlite import SqliteLedger
from consent.runs.scheduler import run_id_in
from consent.studies.catalog import Studies, choose_study, load_studies, load_study_file
from tests.support.builders import CONSENT, RIDER, STUDY, a_study
from tests.support.run_builders import NOW

USUAL = STUDY + CONSENT + RIDER
MONSTERS = (
    *(
        "[" * 100_000,
        '{"a":' * 50_000,
        "a." * 5_000 + "b = 1",
        "9" * 5_000,
        "0x" + "f" * 5_000,
        "1e999999",
        "-1",
        "nan",
    ),
    *('"\\ud800"', '"\\u0000"', '"""', "\0", "\x1b[2J", "\ufeff", "9999-12-31", "0001-01-01", '"' + "(" * 3_000 + '"'),
    *('"([A-Z0-9]+-?)+T"', '"(?<=a)b"', '"[[:alpha:]]"', "," * 100_000, "\r\n\n\r", "true", "null"),
)


def a_file(name: str, read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
    """Return a parser of bytes from one of a file."""

    def parse(content: bytes) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, name).write_bytes(content)
            return read(Path(folder, name))

    return parse


def use_study(path: Path) -> Any:
    study = load_study_file(path)
    ledger = SqliteLedger(path.with_name("runs.sqlite"))
    return awaited_monday(study, [], NOW, NOW, sandbox=False), late(ledger, Studies((study,), {}), NOW, sandbox=False)


PARSERS: dict[str, tuple[Callable[[bytes], Any], tuple[str, ...]]] = {
    "study file": (
        a_file("a.toml", use_study),
        (
            *("", "x = ", "title = ", f"{USUAL}[redcap.x]\ny = ", f"{USUAL}[guard]\nmax_drop = "),
            *(f"{USUAL}[accrual]\n{key} = " for key in ("target", "approval_date")),
            f'{USUAL}[[leave_out]]\nreason = "test"\nid_pattern = ',
            USUAL.replace("start_date = 2023-09-11", "start_date = {}"),
        ),
    ),
    "body": (parse_run_request, ("", '{"study": ', '{"as_of": ')),
    "message": (lambda content: run_id_in(content.decode(errors="replace")), ("", '{"run_id": ')),
    "local.settings.json": (
        a_file("local.settings.json", lambda path: read_settings({}, path.parent)),
        ("", '{"Values": ', '{"Values": {"K": {}}}', '{"IsEncrypted": '),
    ),
    "changed settings": (
        a_file("local.settings.json", lambda path: update_settings_file(path, {"K": "v"})),
        ("", '{"Values": '),
    ),
    ".env": (a_file(".env", lambda path: read_settings({}, path.parent)), ("", "K=", 'K="')),
    "dictionary": (
        a_file("d.csv", read_dictionary),
        ("", '"Variable / Field Name","Form Name","Field Type"\na,b,'),
    ),
    "old report": (
        lambda content: parse_old_report(content, "old.csv", a_study()),
        ("", "period,consent\n", "period,consent\n2023-09-11 - 2023-09-17,1\nTotal,"),
    ),
    "history": (
        a_file("runs.sqlite", lambda path: SqliteLedger(path, wait_seconds=0).runs()),
        ("", "SQLite format 3\0"),
    ),
}


def is_ours(parse: Callable[[bytes], Any], content: bytes) -> bool:
    """Whether a parser returns, or raises an error of ours."""
    try:
        parse(content)
    except ConsentReportError as error:
        return str(error) != ""
    return True


@pytest.mark.parametrize("name", PARSERS)
def test_monsters_meet_an_error_of_ours(name: str) -> None:
    parse, heads = PARSERS[name]
    for head in heads:
        for monster in MONSTERS:
            text = head.replace("{}", monster) if "{}" in head else head + monster
            assert is_ours(parse, text.encode()), (head, monster[:20])


@pytest.mark.parametrize("name", PARSERS)
@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_any_bytes_meet_an_error_of_ours(name: str, data: st.DataObject) -> None:
    parse, heads = PARSERS[name]
    noise = data.draw(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode(errors="replace")))

    assert is_ours(parse, data.draw(st.sampled_from(heads)).encode() + noise)


# The folder of study files


def link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("bad.toml", lambda path: path.write_bytes(b"")),
        ("bad.toml", lambda path: path.write_bytes("title = 'é'".encode("latin-1"))),
        ("bad.toml", lambda path: path.write_bytes(b"title = '\0'")),
        ("bad.toml", lambda path: path.write_bytes(b"x = " + b"9" * 5_000)),
        ("bad.toml", lambda path: path.write_bytes(b"x = " + b"[" * 5_000)),
        ("bad.toml", lambda path: path.write_bytes(b"# much too long\n" * 1_000_000)),
        ("bad.toml", lambda path: path.mkdir()),
        pytest.param("bad.toml", link_to_nothing, marks=pytest.mark.not_windows),
        pytest.param("bad.toml", lambda path: os.mkfifo(path), marks=pytest.mark.not_windows),  # noqa: PLW0108
        pytest.param("b\na\x1bd.toml", lambda path: path.write_bytes(b""), marks=pytest.mark.not_windows),
    ],
)
def test_no_single_file_stops_the_other_studies(tmp_path: Path, name: str, make: Callable[[Path], Any]) -> None:
    (tmp_path / "good.toml").write_text(USUAL, encoding="utf-8")
    make(tmp_path / name)

    studies = load_studies(Settings({"CONSENT_STUDIES": str(tmp_path)}))

    assert [study.key for study in studies.usable] == ["good"]
    (key,) = studies.failed
    with pytest.raises(ConfigurationError) as caught:
        choose_study(studies, key)
    assert (caught.value.__context__, caught.value.__cause__) == (None, None)  # which would hold the file's text
    assert (key in str(caught.value), key.isprintable()) == (True, True)
