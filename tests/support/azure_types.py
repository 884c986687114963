"""Compare values with Microsoft's published types: names, values, nesting and what is required.

azure_types.json holds the types that infra/ and azure.yaml use, with their source and date. A new resource or property
is looked up there, at a newer commit, and added.
"""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

TYPES: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))["files"]

_OF_BICEP = {"parent", "scope", "dependsOn"}
_KINDS: dict[str, type] = {"string": str, "int": int, "bool": bool}


def faults_of_template(template: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the resources of a template that pycep has parsed."""
    variables = {name: what["value"] for name, what in template.get("variables", {}).items()}
    declared = {*variables, *template.get("parameters", {}), *template["resources"]}
    found: list[str] = []
    for symbol, what in template["resources"].items():
        config: dict[str, Any] = what["config"]
        items: dict[str, list[dict[str, Any]]] = {}
        while set(config) & {"condition", "loop_type"}:
            if loop := config.get("loop_type"):
                name = loop["detail"]["item_name"]
                declared |= {name}
                rows = variables.get(str(loop["detail"]["array_name"]), [])
                items = {name: [_resolved(row, variables) for row in rows if isinstance(row, dict)]}
            config = config["config"]
        if not what["existing"]:
            space, _, kind = what["type"].partition("/")
            config = {key: value for key, value in config.items() if key not in _OF_BICEP}
            found += faults(config, f"{space}@{what['api_version']}", kind, symbol, declared, items)
    return found


def faults(
    value: Any,
    file: str,
    kind: str,
    where: str,
    declared: Collection[str] = (),
    items: Mapping[str, list[dict[str, Any]]] | None = None,
) -> list[str]:
    """Return what is wrong with a value: ``kind`` is a resource of the file, or a type.

    declared: names that a template declares; a text that equals one is taken for a reference. items: for the name of a
    loop's item, all that it stands for.
    """
    known = TYPES.get(file, {"resources": {}, "types": {}})
    named = f"{kind}:{value['name']}" if isinstance(value, dict) and "name" in value else kind
    shape = known["resources"].get(named) or known["resources"].get(kind) or known["types"].get(kind)
    if shape is None:
        return [f"{where}: {file} has no type {kind}"]
    properties = dict(part.split(": ", 1) for part in shape.split("; "))
    types = {name.rstrip("!"): type_ for name, type_ in properties.items()}
    given = {str(name).strip("'"): each for name, each in value.items()}
    found = [f"{where}: {name[:-1]} is missing" for name in properties if name[-1] == "!" and name[:-1] not in given]
    found += [f"{where}: {name} is unknown" for name in given if name not in types]
    for name, each in given.items():
        for one in _values(each, items or {}):
            found += _wrong(one, file, types.get(name, "object"), f"{where}.{name}", declared, items)
    return found


def _resolved(row: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
    return {key: variables.get(value, value) if isinstance(value, str) else value for key, value in row.items()}


def _wrong(value: Any, file: str, type_: str, where: str, declared: Collection[str], items: Any) -> list[str]:
    if value is None or type_ in ("object", "map") or _is_reference(value, declared):
        return []
    if type_.endswith("[]"):
        if not isinstance(value, list):
            return [f"{where}: {value!r} is not a list"]
        parts = [one for part in value for one in _values(part, items or {})]
        return [fault for part in parts for fault in _wrong(part, file, type_[:-2], where, declared, items)]
    if type_.startswith("'"):
        return [] if value in re.findall(r"'([^']*)'", type_) else [f"{where}: {value!r} is none of {type_}"]
    if type_ in _KINDS:
        is_kind = isinstance(value, _KINDS[type_]) and not (type_ == "int" and isinstance(value, bool))
        return [] if is_kind else [f"{where}: {value!r} is not of the type {type_}"]
    return faults(value, file, type_, where, declared, items) if isinstance(value, dict) else [f"{where}: no {type_}"]


def _is_reference(value: Any, declared: Collection[str]) -> bool:
    """Whether a value is known to Azure only: a name, an inserted value, or what a function returns."""
    if isinstance(value, str):
        return value in declared or "${" in value
    return isinstance(value, dict) and set(value) in ({"function"}, {"operator"})


def _values(value: Any, items: Mapping[str, list[dict[str, Any]]]) -> Iterator[Any]:
    """Yield what an expression can be: both branches of a condition, each item of a loop."""
    if isinstance(value, dict) and "loop_type" in value:
        yield [value["config"]]
        return
    operator = value["operator"] if isinstance(value, dict) and set(value) == {"operator"} else {}
    operands = operator.get("operands", {})
    if operator.get("type") == "conditional":
        yield from _values(operands["true_value"], items)
        yield from _values(operands["false_value"], items)
    elif operator.get("type") == "property_accessor" and str(operands["operand_1"]) in items:
        yield from (item[operands["operand_2"]] for item in items[operands["operand_1"]])
    else:
        yield value
