"""A person who completes a study file that ``consent init`` began: uncomments lines, and fills in what is missing."""


def uncommented(text: str, *lines: str) -> str:
    """The text with these candidate lines uncommented, wherever they stand."""
    wanted = {f"# {line}" for line in lines}
    assert wanted <= set(text.splitlines()), "every line to uncomment is there"
    return "\n".join(line[2:] if line in wanted else line for line in text.splitlines()) + "\n"


def filled(text: str, **values: str) -> str:
    """The text with the first ``key = …`` of each key given another value, as written in TOML."""
    lines = text.splitlines()
    for key, value in values.items():
        at = next(n for n, line in enumerate(lines) if line.split(" ")[0] == key)
        lines[at] = f"{key} = {value}"
    return "\n".join(lines) + "\n"


def with_rider(text: str, field: str, key: str) -> str:
    """The text with the block of one rider uncommented, and the code 1 meaning that somebody agreed."""
    lines = text.splitlines()
    at = lines.index(f'# field    = "{field}"')
    lines[at - 2 : at + 3] = ["[[riders]]", f'key = "{key}"', f'field = "{field}"', 'agreed = ["1"]', "declined = []"]
    return "\n".join(lines) + "\n"
