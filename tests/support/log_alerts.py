"""Run the log alerts of infra/alerts.bicep over log lines, as Azure Monitor does.

The queries are executed as they are, by a translation of KQL to SQL. A rule sends a mail when its condition becomes
true. Azure resolves an alert, so that it can be sent again, after some evaluations in a row at which the condition was
false. Here the first of them is enough, which can only send more mails.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.support.bicep import resource, variable
from tests.support.check_group import need

duckdb, duckdb_kql = need("duckdb"), need("duckdb_kql")

RULES: dict[str, dict[str, Any]] = {rule["name"]: rule for rule in variable("alerts", "rules")}
DURATIONS = {"PT15M": timedelta(minutes=15), "PT1H": timedelta(hours=1), "P2D": timedelta(days=2)}
WINDOW = DURATIONS[resource("alerts", "alerts")["properties"]["windowSize"]]

_COLUMNS = {"AppTraces": ["TimeGenerated", "Message"], "AppRequests": ["TimeGenerated", "Name", "Success"]}
# At an evaluation a rule sees the rows of its window. Their times are moved, so that the evaluation is now.
_TABLES = """
    set timezone = 'UTC';
    create table evaluated(moment timestamp, since timestamp);
    create table traces(moment timestamp, Message varchar);
    create table requests(moment timestamp, Name varchar, Success boolean);
    create view AppTraces as
        select traces.moment - evaluated.moment + now()::timestamp as TimeGenerated, Message
        from traces, evaluated where traces.moment > since and traces.moment <= evaluated.moment;
    create view AppRequests as
        select requests.moment - evaluated.moment + now()::timestamp as TimeGenerated, Name, Success
        from requests, evaluated where requests.moment > since and requests.moment <= evaluated.moment;
"""


class Log:
    """The rows of both tables, and the rules that watch them."""

    def __init__(self) -> None:
        self._database = duckdb.connect()
        self._database.execute(_TABLES)
        self._queries = {name: duckdb_kql.to_sql(rule["query"], schema=_COLUMNS) for name, rule in RULES.items()}

    def write(self, at: datetime, *messages: str) -> None:
        """Add lines that the app logged."""
        for message in messages:
            self._database.execute("insert into traces values (?, ?)", [_naive(at), message])

    def call(self, at: datetime, function: str, *, success: bool = True) -> None:
        """Add an invocation of a function."""
        self._database.execute("insert into requests values (?, ?, ?)", [_naive(at), function, success])

    def true_at(self, at: datetime, rule: str) -> set[str]:
        """Return the studies for which a rule's condition is true; an empty text if the rule is for the whole app."""
        self._database.execute("delete from evaluated")
        self._database.execute("insert into evaluated values (?, ?)", [_naive(at), _naive(at - WINDOW)])
        found = self._database.execute(self._queries[rule])
        column = [name for name, *_ in found.description or []].index("Study") if RULES[rule]["dimensions"] else None
        studies = {"" if column is None else row[column] for row in found.fetchall()}
        return studies if RULES[rule]["operator"] == "GreaterThan" else {""} - studies

    def mails(self, start: datetime, end: datetime) -> list[tuple[str, str]]:
        """Return the mails from ``start`` to ``end``: the rule and the study of each."""
        return [(rule, study) for rule in RULES for study in self._mails_of(rule, start, end)]

    def _mails_of(self, rule: str, start: datetime, end: datetime) -> Iterator[str]:
        before: set[str] = set()
        while start <= end:
            now = self.true_at(start, rule)
            yield from sorted(now - before)
            before, start = now, start + DURATIONS[RULES[rule]["every"]]


def _naive(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None)
