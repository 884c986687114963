"""Puts settings into the text of a settings file, .env or local.settings.json, and leaves all the rest as it stands.

Every other line, comment, blank and order is kept, and so are the line ends. A setting that is there already is changed
where it stands, however often it stands there; others are added at the end. Touches no file, and repeats no value.
"""

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_PLAIN = re.compile(r"[\w.:/+=~@%-]*", re.ASCII)
_BEFORE_NAME = re.compile(r"\s*(?:export[ \t]+)?")
_COMMENT_AND_LINE_END = re.compile(r"([ \t]+#[^\r\n]*)?[ \t]*(\r\n|\n|\r)?\Z")
_BLANKS = re.compile(r"\s*")
_NEW_LOCAL_SETTINGS = '{\n  "IsEncrypted": false,\n  "Values": {}\n}\n'


@dataclass(frozen=True, repr=False)
class Edited:
    """The new text, and the names whose earlier value, other than blank, it no longer holds."""

    text: str
    replaced: tuple[str, ...]


def with_dotenv(text: str, values: Mapping[str, str]) -> Edited:
    """The text of a .env file with these settings; a blank value empties a setting that is there, and adds none."""
    from dotenv.parser import parse_stream

    line_end = "\r\n" if "\r\n" in text else "\n"
    parts: list[str] = []
    before: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(text, newline="")):
        name, written = binding.key, binding.original.string
        if name is not None and name in values and not binding.error:
            before[name] = before.get(name) or binding.value or ""
            written = _rewritten(written, name, binding.value or "", values[name])
        parts.append(written)
    whole = "".join(parts)
    added = [f"{name}={_quoted(value)}" for name, value in values.items() if value and name not in before]
    if added and whole and not whole.endswith(("\n", "\r")):
        whole += line_end
    return Edited(whole + "".join(line + line_end for line in added), _changed(before, values))


def _rewritten(written: str, name: str, old: str, new: str) -> str:
    """One setting with a new value; ``export`` before it, and a comment behind it, stay."""
    before, ending = _BEFORE_NAME.match(written), _COMMENT_AND_LINE_END.search(written)
    comment, line_end = ending.groups("") if ending else ("", "")
    kept = "" if "#" in old else comment  # for what looks like a comment may be a part of the old value
    return f"{before[0] if before else ''}{name}={_quoted(new)}{kept}{line_end}"


def _quoted(value: str) -> str:
    if _PLAIN.fullmatch(value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def with_local_settings(text: str, values: Mapping[str, str]) -> Edited:
    """The text of a local.settings.json with these settings among its ``Values``; an empty text becomes a new file.

    A blank value empties a setting that is there, and adds none. Raises ValueError for text that is no JSON object, or
    whose ``Values`` are none.
    """
    text = text if text.strip() else _NEW_LOCAL_SETTINGS
    json.loads(text)  # from here on it is known to be JSON
    if not any(member.name == "Values" for member in _members(text, 0)):
        text = _with_members(text, 0, {"Values": {}})
    *_, at = (member.start for member in _members(text, 0) if member.name == "Values")  # the last of two counts
    before = {member.name: str(member.value) for member in _members(text, at)}
    for member in reversed([*_members(text, at)]):
        if member.name in values:
            text = text[: member.start] + json.dumps(values[member.name]) + text[member.end :]
    added = {name: value for name, value in values.items() if value and name not in before}
    return Edited(_with_members(text, at, added), _changed(before, values))


@dataclass(frozen=True)
class _Member:
    """A member of a JSON object: its name, its value, and from where to where the value stands in the text."""

    name: str
    value: object
    start: int
    end: int


def _members(text: str, at: int) -> Iterator[_Member]:
    """The members of the object that begins here, after blanks."""
    decoder = json.JSONDecoder()
    at = _past_blanks(text, at)
    if text[at : at + 1] != "{":
        raise ValueError("not a JSON object")
    at = _past_blanks(text, at + 1)
    while text[at : at + 1] == '"':
        name, at = decoder.raw_decode(text, at)
        start = _past_blanks(text, _past_blanks(text, at) + 1)  # past the colon
        value, end = decoder.raw_decode(text, start)
        yield _Member(name, value, start, end)
        at = _past_blanks(text, _past_blanks(text, end) + 1)  # past the comma, or the closing brace


def _with_members(text: str, at: int, added: Mapping[str, object]) -> str:
    """The object that begins here with more members behind its last, a line each, indented as the others are."""
    if not added:
        return text
    there = [*_members(text, at)]
    opened = _past_blanks(text, at) + 1
    line_end = "\r\n" if "\r\n" in text else "\n"
    indent = _indent(text, there[-1].start) if there else _indent(text, opened) + "  "
    lines = f",{line_end}".join(f"{indent}{json.dumps(name)}: {json.dumps(value)}" for name, value in added.items())
    if there:
        return f"{text[: there[-1].end]},{line_end}{lines}{text[there[-1].end :]}"
    closed = _past_blanks(text, opened)
    return f"{text[:opened]}{line_end}{lines}{line_end}{_indent(text, opened)}{text[closed:]}"


def _indent(text: str, at: int) -> str:
    """The blanks that the line holding this place begins with."""
    line = text[max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _past_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def _changed(before: Mapping[str, str], values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(name for name, value in values.items() if before.get(name) and before[name] != value)
