"""Takes an error's message apart into what happened and what to do about it.

Pure. Relies on the way in which this program writes its messages: what happened comes first.
"""

import re

_SENTENCE_END = re.compile(r"(?<=[.?!]) (?=[A-Z])")
_OF_A_RUN = re.compile(r"Nothing was .*|(Then r|R)un again\.")  # what a check has no use for


def what_and_fix(message: str) -> tuple[str, str]:
    """What a message says happened, and what it says to do (empty where it says both in one breath)."""
    first, *rest = _SENTENCE_END.split(message)
    advice = " ".join(sentence for sentence in rest if not _OF_A_RUN.fullmatch(sentence))
    if not advice and " must " not in first:
        first, advice = _apart_at_last_colon(first)
    return first.removesuffix("."), as_sentence(advice)


def as_sentence(text: str) -> str:
    """The text with a capital and a full stop, if it is not empty."""
    if not text:
        return ""
    return text[0].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def _apart_at_last_colon(sentence: str) -> tuple[str, str]:
    """Head and tail of a sentence at its last colon that stands in no parentheses."""
    depth = 0
    for position in range(len(sentence) - 1, 0, -1):
        depth += {")": 1, "(": -1}.get(sentence[position], 0)
        if depth == 0 and sentence.startswith(": ", position):
            return sentence[:position], sentence[position + 2 :]
    return sentence, ""
