"""What readers and programs can see in a delivered file, as text: for tests that search files for what must stay out.

The bytes of a workbook or a PDF are compressed: searched as they are they hide what they say, and hold chance digits.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

from pypdf import PdfReader
from pypdf.generic import TextStringObject

ZERO_WIDTH_SPACE = "\u200b"


def readable_text(name: str, content: bytes) -> str:
    """All that a file of this name says, metadata included; ``KeyError`` for a kind of file that is not known here."""
    return _READERS[PurePosixPath(name).suffix](content)


def spells(text: str, secret: str) -> bool:
    """Whether a text holds a secret, even broken over lines; for secrets that no numbers in a row can make up."""
    return secret in "".join(text.replace(ZERO_WIDTH_SPACE, "").split())


def names_word(text: str, word: str) -> bool:
    """Whether a text holds a word by itself, and not as a part of a longer number, date or word."""
    return re.search(rf"(?<![\w.-]){re.escape(word)}(?![\w-])", text) is not None


def _of_text(content: bytes) -> str:
    return content.decode("utf-8-sig")


def _of_workbook(content: bytes) -> str:
    """The texts and the attributes of every part, whose names count as well; styles and all."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: ElementTree.fromstring(archive.read(name)) for name in archive.namelist()}
    return "\n".join([*parts, *(text for root in parts.values() for text in _of_xml(root))])


def _of_xml(root: ElementTree.Element) -> Iterator[str]:
    for node in root.iter():
        yield from node.attrib.values()
        yield node.text or ""
        if node.tag.endswith("}si"):  # a cell's text, which may be cut into pieces of different looks
            yield "".join(node.itertext())


def _of_pdf(content: bytes) -> str:
    """What is printed, and what is not: properties, bookmarks, alternative texts and metadata."""
    reader = PdfReader(io.BytesIO(content))
    printed = [page.extract_text() for page in reader.pages]
    objects = [reader.get_object(number) for number in range(1, reader.trailer["/Size"])]
    metadata = reader.root_object["/Metadata"].get_data().decode()
    return "\n".join([*printed, *_strings_in(objects), metadata])


def _strings_in(node: Any) -> Iterator[str]:
    """Every text string in objects of a PDF; references are not followed, nor are strings of bytes read."""
    if isinstance(node, TextStringObject):
        yield node
    elif isinstance(node, dict):
        yield from (text for inner in node.values() for text in _strings_in(inner))
    elif isinstance(node, list):
        yield from (text for inner in node for text in _strings_in(inner))


_READERS = {
    ".csv": _of_text,
    ".json": _of_text,
    ".xlsx": _of_workbook,
    ".pdf": _of_pdf,
}
