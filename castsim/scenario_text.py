"""A scenario as commented TOML: what ``castsim show`` prints and a run can start from."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from castsim.scenario import Scenario

_COMMENT_COLUMN = 44


def scenario_text(scenario: Scenario) -> str:
    """Return `scenario` as TOML, each field with what it means.

    Reading the text gives the same scenario again. Fields without a value stand as comments.
    """
    lines = [f"# {scenario.title or scenario.name}", *_table(scenario, "")]
    return "\n".join(lines) + "\n"


def _table(section: BaseModel, prefix: str) -> Iterator[str]:
    """Give the lines of a table: its values first, then the tables inside it."""
    tables: list[tuple[str, str, BaseModel]] = []
    for key, field in type(section).model_fields.items():
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            tables.append((key, field.description or "", value))
            continue
        if value is None:
            line = f"# {key} ="
        elif isinstance(value, tuple) and value:
            yield f"{key} = [ # {field.description}"
            yield from (f"    {_inline(entry)}," for entry in value)
            yield "]"
            continue
        else:
            line = f"{key} = {_inline(value)}"
        yield f"{line:<{_COMMENT_COLUMN - 1}} # {field.description}"
    for key, description, table in tables:
        yield ""
        yield f"{f'[{prefix}{key}]':<{_COMMENT_COLUMN}}# {description}"
        yield from _table(table, f"{prefix}{key}.")


def _inline(value: Any) -> str:
    """Return a value in TOML on one line."""
    if isinstance(value, BaseModel):
        given = value.model_dump(exclude_none=True)
        return _inline(given)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_inline(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, tuple):
        return "[" + ", ".join(_inline(inner) for inner in value) + "]"
    if isinstance(value, str):
        # a JSON string is a TOML basic string, apart from DEL, which titles cannot hold
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
