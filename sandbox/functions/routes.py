"""Match requests to HTTP functions by their routes, as the platform's host does.

A segment of a route is a literal or a token such as ``{id}``; other routes are not simulated.
https://learn.microsoft.com/aspnet/core/fundamentals/routing#route-templates
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

_TOKEN = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Route:
    """The route of a function; ``tokens`` are the names of its variable segments."""

    function: str
    template: str
    methods: frozenset[str]
    pattern: re.Pattern[str]
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """The function of a request, and the values of its route's tokens."""

    function: str
    params: dict[str, str]


def parse_route(function: str, template: str, methods: Iterable[str]) -> Route:
    """Parse a route with its prefix, such as ``api/runs/{id}``; no methods mean all of them.

    Raises ``ValueError`` for a segment that is neither a literal nor a token.
    """
    pattern = ""
    for segment in filter(None, template.split("/")):
        is_token = _TOKEN.fullmatch(segment) is not None
        if not is_token and set(segment) & set("{}"):
            raise ValueError(f"the route '{template}' has a segment that is not simulated: {segment}")
        pattern += "/([^/]+)" if is_token else f"/{re.escape(segment)}"
    names = tuple(_TOKEN.findall(template))
    wanted = frozenset(method.upper() for method in methods)
    return Route(function, template, wanted, re.compile(pattern, re.IGNORECASE), names)


def find_function(routes: Sequence[Route], method: str, path: str) -> Match | None:
    """Return the function whose route and methods match; a route with fewer tokens wins."""
    for route in sorted(routes, key=lambda route: len(route.tokens)):
        found = route.pattern.fullmatch(path.rstrip("/"))
        if found is not None and (not route.methods or method in route.methods):
            values = zip(route.tokens, found.groups(), strict=True)
            return Match(route.function, {token: unquote(value) for token, value in values})
    return None
