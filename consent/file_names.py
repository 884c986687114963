"""Which names of files and folders Windows and Dropbox both accept.

Pure. https://learn.microsoft.com/windows/win32/fileio/naming-a-file and https://help.dropbox.com/organize/file-names
"""

import re

LONGEST = 255  # characters

_ILLEGAL = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]')
_KEPT = re.compile(
    r"(con|prn|aux|nul|com[\d¹²³]|lpt[\d¹²³])(\..*)?|desktop\.ini|thumbs\.db|\.ds_store|\.dropbox(\.attr)?"
)


def why_illegal(name: str) -> str | None:
    """Why one of them would refuse this name, in words that follow "the name is refused:"; None if both accept it."""
    if not name or len(name) > LONGEST:
        return f"it must have 1 to {LONGEST} characters"
    if _ILLEGAL.search(name):
        return 'it must not contain < > : " / \\ | ? *'
    if name.endswith((".", " ")) or name.startswith(" "):
        return "it must not begin with a space, nor end in a dot or a space"
    if _KEPT.fullmatch(name.lower()):
        return "it must not be a name that Windows or Dropbox keeps for itself"
    return None
