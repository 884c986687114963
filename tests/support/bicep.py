"""Read the Bicep templates of infra/ with a parser that checks their syntax."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from pycep import BicepParser

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "infra").glob("*.bicep"))
NAMES = [path.stem for path in FILES]

_COMMENT = re.compile(r"//.*")
_TEXT = re.compile(r"'''.*?'''|'(?:\\.|[^'\\])*'", re.DOTALL)
_INSERTED = re.compile(r"\$\{([^}]*)\}")
_KEY = re.compile(r"\b\w+(?=:)|(?<=\.)\w+|(?<=@)\w+")
_DECLARED = re.compile(r"\b(?:param|var|resource|module|output|for)\s+(\w+)(?:\s+(?:string|bool|int|object|array)\b)?")
_WORDS = {"targetScope", "existing", "if", "in", "true", "false", "null"}


def source(name: str) -> str:
    """Return the text of a template."""
    return (ROOT / "infra" / f"{name}.bicep").read_text(encoding="utf-8")


@cache
def template(name: str) -> dict[str, Any]:
    """Return a parsed template; raise what the parser raises for wrong syntax."""
    return dict(BicepParser().parse(text=source(name)))


def resource(name: str, symbol: str) -> dict[str, Any]:
    """Return the definition of a resource, or of each resource of a loop."""
    config: dict[str, Any] = template(name)["resources"][symbol]["config"]
    return _unwrapped(config)


def module_parameters(module: str) -> dict[str, Any]:
    """Return the parameters that main.bicep passes to a module."""
    given: dict[str, Any] = _unwrapped(template("main")["modules"][module]["config"])["params"]
    return given


def roles_given(name: str) -> set[tuple[str, str]]:
    """Return the role assignments of a template: pairs of the principal's parameter and the role's name."""
    kinds = {symbol: what["type"] for symbol, what in template(name)["resources"].items()}
    found = [resource(name, each)["properties"] for each, kind in kinds.items() if kind.endswith("/roleAssignments")]
    roles = variable(name, "roles")
    named = [(what["principalId"], set(roles) & _words_in(what["roleDefinitionId"])) for what in found]
    return {(principal, role) for principal, some in named for role in some or roles}


def variable(name: str, symbol: str) -> Any:
    """Return the value of a template's variable."""
    return template(name)["variables"][symbol]["value"]


def parameters(name: str, *, required_only: bool = False) -> set[str]:
    """Return the parameters of a template, or only the required ones."""
    declared = template(name).get("parameters", {})
    return {each for each, what in declared.items() if not required_only or what["default"] is None}


def default(parameter: str) -> Any:
    """Return the default of a parameter of main.bicep."""
    return template("main")["parameters"][parameter]["default"]


def app_settings() -> dict[str, Any]:
    """Return the settings of the function app, by name."""
    union = resource("app", "settings")["properties"]["function"]
    given: dict[str, Any] = union["parameters"]["arg_2"]
    return given


def undeclared(name: str) -> set[str]:
    """Return the names that a template uses without declaring them; names of functions are ignored."""
    bare = _TEXT.sub(lambda text: " ".join(_INSERTED.findall(text[0])), _COMMENT.sub("", source(name)))
    declared = set(_DECLARED.findall(bare))
    expressions = _KEY.sub(" ", _DECLARED.sub(" ", bare))
    return set(re.findall(r"\b[a-zA-Z]\w*\b(?!\()", expressions)) - declared - _WORDS


def _unwrapped(config: dict[str, Any]) -> dict[str, Any]:
    """Return the definition inside a condition or a loop."""
    return config["config"] if set(config) & {"condition", "loop_type"} else config


def _words_in(value: object) -> set[str]:
    return set(re.findall(r"\w+", str(value)))
