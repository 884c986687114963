"""Complete a study file that ``consent init`` created: uncomment lines and fill in values."""


def uncommented(text: str, *lines: str) -> str:
    """Return the text with these candidate lines uncommented."""
    wanted = {f"# {line}" for line in lines}
    assert wanted <= set(text.splitlines()), "every line to uncomment is there"
    return "\n".join(line[2:] if line in wanted else line for line in text.splitlines()) + "\n"


def filled(text: str, **values: str) -> str:
    """Return the text with another TOML value in the first line of each key."""
    lines = text.splitlines()
    for key, value in values.items():
        at = next(n for n, line in enumerate(lines) if line.split(" ")[0] == key)
        lines[at] = f"{key} = {value}"
    return "\n".join(lines) + "\n"


def with_rider(text: str, field: str, key: str) -> str:
    """Return the text with the block of one rider uncommented, where the code 1 means yes."""
    lines = text.splitlines()
    at = lines.index(f'# field    = "{field}"')
    lines[at - 2 : at + 3] = ["[[riders]]", f'key = "{key}"', f'field = "{field}"', 'agreed = ["1"]', "declined = []"]
    return "\n".join(lines) + "\n"
