"""Read a block of rows of text: where each value starts and ends, and its columns as cells or as bytes.

numpy looks at all bytes of a block at once. That takes a fraction of the time of a parser that makes an object of each
value.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from consent.redcap.cells import Array, Cells

HashArray: TypeAlias = npt.NDArray[np.uint64]

_WORD = 8  # bytes
_WIDE = 64  # bytes; wider columns are read value by value, because one long value would widen all
_COMMA, _LINE_FEED, _RETURN, _QUOTE = b',\n\r"'


@dataclass(frozen=True)
class TextBlock:
    """A block of UTF-8, and the positions of its values: arrays with a line for each column and a value for each row.

    doubled_quotes: two quotes within a value stand for one.
    """

    text: bytes
    starts: Array
    ends: Array
    doubled_quotes: bool = False

    @cached_property
    def widths(self) -> list[int]:
        """The bytes of each column's longest value, as written (a doubled quote is two)."""
        widths: list[int] = self._lengths.max(axis=1, initial=0).tolist()
        return widths

    def texts(self, column: int) -> Array:
        """Return a column as bytes."""
        if self.widths[column] > _WIDE:
            return np.array(self._one_by_one(column), dtype=bytes)
        width = _in_words(self.widths[column])
        found = np.lib.stride_tricks.sliding_window_view(self._marks, width)[self.starts[column]]
        found *= np.arange(width) < self._lengths[column][:, None]
        texts = found.view(f"S{width}").ravel()
        return np.strings.replace(texts, b'""', b'"') if self.doubled_quotes else texts

    def cells(self, column: int) -> Cells:
        """Return a column as cells."""
        width = self.widths[column]
        if width > _WIDE:
            return Cells.of(text.decode() for text in self._one_by_one(column))
        if width <= 1:
            return _cells_of_characters(self._marks[self.starts[column]] * (self._lengths[column] > 0))
        texts = self.texts(column)
        different, numbers = np.unique(hashes_of_texts(texts), return_inverse=True)
        first = np.zeros(len(different), dtype=np.intp)
        first[numbers[::-1]] = np.arange(len(numbers))[::-1]
        if width > _WORD and (texts[first][numbers] != texts).any():  # two have the same hash
            return Cells.of(text.decode() for text in texts.tolist())
        in_order = np.argsort(first)  # as in Cells.of
        number_of = np.zeros(len(different), dtype=np.int32)
        number_of[in_order] = np.arange(len(different))
        return Cells(tuple(text.decode() for text in texts[first[in_order]].tolist()), number_of[numbers])

    @cached_property
    def _lengths(self) -> Array:
        return self.ends - self.starts

    @cached_property
    def _marks(self) -> Array:
        return np.frombuffer(self.text + bytes(_WIDE), np.uint8)

    def _one_by_one(self, column: int) -> list[bytes]:
        spans = zip(self.starts[column].tolist(), self.ends[column].tolist(), strict=True)
        texts = [self.text[start:end] for start, end in spans]
        return [text.replace(b'""', b'"') for text in texts] if self.doubled_quotes else texts


def _cells_of_characters(characters: Array) -> Cells:
    """Return cells of one ASCII character each; 0 is a blank."""
    different = np.flatnonzero(np.bincount(characters, minlength=1))
    number_of = np.zeros(256, dtype=np.uint8)
    number_of[different] = np.arange(len(different))
    return Cells(tuple(chr(each) if each else "" for each in different.tolist()), number_of[characters])


def block_of_values(rows: Sequence[Sequence[str]]) -> TextBlock:
    """Return a block of rows with the same number of values each."""
    values = [value.encode() for row in rows for value in row]
    lengths = np.array([len(value) for value in values], dtype=np.intp)
    ends = np.cumsum(lengths)
    shape = len(rows), len(rows[0])
    return TextBlock(b"".join(values), (ends - lengths).reshape(shape).T, ends.reshape(shape).T)


def json_block(text: bytes, names: Sequence[str]) -> TextBlock | None:
    """Find the values of compact JSON objects with these names, separated by commas.

    None if they are not exactly such objects, or a value is not a text without escapes.
    """
    marks = np.frombuffer(text, np.uint8)
    quotes = np.flatnonzero(marks == _QUOTE)
    if not names or len(quotes) % (4 * len(names)) or b"\\" in text or (marks < ord(" ")).any():
        return None
    starts, ends = (np.ascontiguousarray(quotes.reshape(-1, 4 * len(names)).T[n::4]) for n in (2, 3))
    first, *others = (f'{json.dumps(name)}:"'.encode() for name in names)
    opening, closing = b"{" + first, b'"}'
    if not (text.startswith(opening) and text.endswith(closing) and len(opening) - 1 == starts[0, 0]):
        return None
    between = [b'",' + other for other in others]
    are_regular = all(map(_all_are, between, [marks] * len(others), ends[:-1], starts[1:]))
    if not (are_regular and _all_are(closing + b"," + opening, marks, ends[-1, :-1], starts[0, 1:])):
        return None
    return TextBlock(text, starts + 1, ends)


def _all_are(text: bytes, marks: Array, starts: Array, ends: Array) -> bool:
    """Return whether this text is everywhere from a start to an end, its last byte included."""
    if (ends - starts != len(text) - 1).any():
        return False
    if not len(starts):  # and the block may be shorter than the text
        return True
    found = np.lib.stride_tricks.sliding_window_view(marks, len(text))[starts]
    return bool((found == np.frombuffer(text, np.uint8)).all())


def csv_block(text: bytes, width: int, line_end: bytes) -> TextBlock | None:
    """Find the values of rows of CSV, which end with a line end.

    None if a row has not ``width`` values, or quotes stand elsewhere than around values or, doubled, in them.
    """
    marks = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero((marks == _COMMA) | (marks == _LINE_FEED))
    returns = np.flatnonzero(marks == _RETURN) if b"\r" in text else np.empty(0, np.intp)
    quotes = np.flatnonzero(marks == _QUOTE) if b'"' in text else np.empty(0, np.intp)
    opening, closing = _outer(quotes)
    around = np.concatenate([marks[opening - 1], marks[closing + 1]])  # before the first is the last line end
    if not np.isin(around, (_COMMA, _LINE_FEED, _RETURN)).all():
        return None
    ends, returns = (_outside(at, opening, closing) for at in (ends, returns))
    separators = np.frombuffer(b"," * (width - 1) + b"\n", np.uint8)
    if len(ends) % width or not (marks[ends].reshape(-1, width) == separators).all():
        return None
    ends = np.ascontiguousarray(ends.reshape(-1, width).T)
    starts = np.vstack([np.append(-1, ends[-1, :-1])[: len(ends[-1])], ends[:-1]]) + 1
    if not np.array_equal(returns + 1, ends[-1] if line_end == b"\r\n" else ()):
        return None
    ends[-1] -= len(line_end) - 1
    if len(quotes):
        quoted = marks[starts] == _QUOTE
        starts, ends = starts + quoted, ends - quoted
    return TextBlock(text, starts, ends, doubled_quotes=2 * len(opening) < len(quotes))


def _outer(quotes: Array) -> tuple[Array, Array]:
    """Return the opening and the closing quotes of an even number of them, without the doubled ones within values."""
    opening, closing = quotes[::2], quotes[1::2]
    apart = closing[:-1] + 1 != opening[1:]
    first, last = np.append(True, apart)[: len(opening)], np.append(apart, True)[: len(closing)]
    return opening[first], closing[last]


def _outside(at: Array, opening: Array, closing: Array) -> Array:
    """Return the positions that are not between quotes."""
    first, after = np.searchsorted(at, opening), np.searchsorted(at, closing)
    if (first == after).all():
        return at
    depth = np.zeros(len(at) + 1, dtype=np.intp)
    np.add.at(depth, first, 1)
    np.add.at(depth, after, -1)
    outside: Array = at[np.cumsum(depth[:-1]) == 0]
    return outside


def hashes_of_texts(texts: Array) -> HashArray:
    """Return a 64-bit hash of each text, which does not depend on the texts beside it; 0 for a blank one.

    Each step is reversible: two texts of as many words of 8 bytes that differ in one word only have different hashes.
    """
    width = _in_words(texts.itemsize)
    words = texts.astype(f"S{width}", copy=False).view(np.uint64).reshape(len(texts), width // _WORD)
    hashes = np.zeros(len(texts), dtype=np.uint64)
    for n in range(words.shape[1]):
        hashes = join_hashes(hashes, words[:, n])
    return hashes


def join_hashes(hashes: HashArray, others: HashArray) -> HashArray:
    """Return hashes of what both stand for, in this order; 0 stands for nothing, and changes nothing."""
    return np.where(others == 0, hashes, _mixed(hashes * np.uint64(0x9E3779B97F4A7C15) + others))


def short_texts(texts: Iterable[str]) -> Array:
    """Return texts as bytes, the long ones by their digest: one of them would widen all."""
    encoded = (text.encode() for text in texts)
    return np.array([text if len(text) <= _WIDE else _digest(text) for text in encoded], dtype=bytes)


def _digest(text: bytes) -> bytes:
    return blake2b(text, digest_size=_WIDE // 2).hexdigest().encode()


def _mixed(words: HashArray) -> HashArray:
    """The last step of MurmurHash3."""
    half = np.uint64(33)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        words = (words ^ (words >> half)) * np.uint64(factor)
    return words ^ (words >> half)


def _in_words(width: int) -> int:
    return max(1, -(-width // _WORD)) * _WORD
