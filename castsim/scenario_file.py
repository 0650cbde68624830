"""Scenario files: found by name or path, read, overridden and checked.

Everything that can be wrong with one is said in one line: the file, the field, the value
and what is allowed. Nothing is written anywhere.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from castsim.errors import ScenarioError
from castsim.naming import did_you_mean
from castsim.scenario import Scenario
from castsim.scenario_sections import RULE_NAMES
from castsim.units import BYTES_PER_MB

SIZE_LIMIT_MB = 1
"""A scenario is a page of text; a larger file is something else."""

_NAME_LIMIT = 100
_VALUE_LIMIT = 60
_PATH_LIMIT = 300


def bundled_names() -> tuple[str, ...]:
    """Return the names of the scenarios that come with castsim, in alphabetical order."""
    folder = resources.files("scenarios")
    return tuple(
        sorted(
            entry.name.removesuffix(".toml")
            for entry in folder.iterdir()
            if entry.name.endswith(".toml")
        )
    )


def load_scenario(name_or_path: str | Path, overrides: Sequence[str] = ()) -> Scenario:
    """Read a bundled scenario by name, or any by path, and check it.

    Parameters
    ----------
    name_or_path : name of a bundled scenario, or path of a TOML file
    overrides : ``field=value`` with dots between section and field and a TOML value

    Returns
    -------
    Scenario
        Checked, with the values as given (see :meth:`Scenario.resolved`).

    Raises
    ------
    ScenarioError
        One line: file, field, value, what is allowed.

    Examples
    --------
    >>> load_scenario("right-t9", ["injection.volume_mL=0.8"]).injection.volume_mL
    0.8
    """
    text, source, name = _read(name_or_path)
    try:
        values = tomllib.loads(text)
    except RecursionError as error:
        raise ScenarioError(f"{source}: tables or lists nested too deeply") from error
    except ValueError as error:
        raise ScenarioError(f"{source}: not a TOML file: {_one_line(error)}") from error
    values.setdefault("name", name)
    return scenario_from(overridden(values, overrides, source=source), source=source)


def overridden(
    values: dict[str, Any], overrides: Sequence[str], *, source: str = "scenario"
) -> dict[str, Any]:
    """Set each ``field=value`` in the nested `values`, and return them.

    Raises
    ------
    ScenarioError
        One line: an override that cannot be read, or enters what is no table.
    """
    for override in overrides:
        _override(values, override, source)
    return values


def scenario_from(values: Mapping[str, Any], *, source: str = "scenario") -> Scenario:
    """Check a scenario given as nested dictionaries; `source` names it in errors."""
    try:
        return Scenario.model_validate(dict(values))
    except ValidationError as error:
        raise ScenarioError(f"{source}: {_first_fault(error)}") from error


def _read(name_or_path: str | Path) -> tuple[str, str, str]:
    """Return text, source for messages, and short name of a scenario."""
    given = str(name_or_path)
    if isinstance(name_or_path, str) and given in bundled_names():
        text = (resources.files("scenarios") / f"{given}.toml").read_text(encoding="utf-8")
        return text, given, given
    path = Path(given)
    source = _one_line(given)[-_PATH_LIMIT:]
    try:
        if path.is_dir():
            raise ScenarioError(f"{source}: is a directory; a scenario is one TOML file")
        if not path.exists():
            raise ScenarioError(
                f"{source}: no bundled scenario and no file of this name"
                f"{did_you_mean(given, bundled_names()) or ';'} see `castsim scenarios`"
            )
        if not path.is_file():
            raise ScenarioError(f"{source}: not a regular file; a scenario is one TOML file")
        size = path.stat().st_size
        if size > SIZE_LIMIT_MB * BYTES_PER_MB:
            raise ScenarioError(
                f"{source}: {size / BYTES_PER_MB:.1f} MB; a scenario file has at most "
                f"{SIZE_LIMIT_MB} MB"
            )
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{source}: not a text file in UTF-8") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or _one_line(error)
        raise ScenarioError(f"{source}: cannot be read: {reason}") from error
    return text, source, _safe_name(path.stem)


def _safe_name(stem: str) -> str:
    """Turn a file name into a short name that is a folder name anywhere."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).lstrip("._-")[:_NAME_LIMIT]
    return safe or "scenario"


def _override(values: dict[str, Any], override: str, source: str) -> None:
    """Set one ``a.b=value`` in the nested `values`."""
    field, equals, text = override.partition("=")
    keys = field.strip().split(".")
    if not equals or not all(keys):
        raise ScenarioError(
            f"--set {_clipped(override)}: must read field=value, "
            "for example injection.volume_mL=0.8"
        )
    place: Any = values
    for key in keys[:-1]:
        place = _entered(place, key, f"{source}: --set {_clipped(field)}")
    last = keys[-1]
    if isinstance(place, list):
        _entered(place, last, f"{source}: --set {_clipped(field)}")
        place[int(last)] = _toml_value(text)
    else:
        place[last] = _toml_value(text)


def _entered(place: Any, key: str, where: str) -> Any:
    """Return the table or list entry `key` of `place`, making a table where there is none."""
    if isinstance(place, list):
        if not (key.isascii() and key.isdigit() and int(key) < len(place)):
            raise ScenarioError(f"{where}: {key} is not an entry; allowed: 0 to {len(place) - 1}")
        return place[int(key)]
    inner = place.setdefault(key, {})
    if not isinstance(inner, dict | list):
        raise ScenarioError(f"{where}: {key} is a value, not a table")
    return inner


def _toml_value(text: str) -> Any:
    """Read a TOML value; what is none, such as a bare word, stands for a text."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text.strip()
    return parsed["value"] if set(parsed) == {"value"} else text.strip()


def _first_fault(error: ValidationError) -> str:
    """Say in one line what is wrong with the first faulty field."""
    faults = error.errors(include_url=False)
    # an unknown key explains a missing one (volumn_mL for volume_mL), so it goes first
    fault = min(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    keys = tuple(key for key in fault["loc"] if not _is_tag(key))
    field = ".".join(str(key) for key in keys)
    kind, value = fault["type"], fault["input"]
    if kind == "extra_forbidden":
        known = _known_keys(fault["loc"][:-1])
        hint = did_you_mean(str(keys[-1]), known)
        return f"{_clipped(field)}: unknown key{hint or ';'} allowed: {', '.join(known)}"
    if kind == "missing":
        return f"{field}: missing; {_description(fault['loc'])}"
    if kind == "union_tag_not_found":
        return f"{field}: needs when = one of: {', '.join(RULE_NAMES)}"
    if kind == "union_tag_invalid":
        tag = str(fault["ctx"]["tag"])
        hint = did_you_mean(tag, RULE_NAMES) or ";"
        return f"{field}.when = {_clipped(repr(tag))}: unknown rule{hint} allowed: " + ", ".join(
            RULE_NAMES
        )
    allowed = fault["msg"].removeprefix("Value error, ")
    allowed = re.sub(r"^(Input|String|Tuple) should ", "must ", allowed)
    allowed = re.sub(r"a valid dictionary or instance of \w+", "a table", allowed)
    allowed = allowed.replace("a valid tuple", "a list")
    if kind == "value_error" and isinstance(value, Mapping | BaseModel):
        return f"{field}: {allowed}" if field else allowed
    return f"{field} = {_clipped(repr(value))}: {_one_line(allowed)}"


def _is_tag(key: int | str) -> bool:
    """Tell the tags of unions, which are no keys of the file, from keys."""
    return isinstance(key, str) and (key.startswith("<") or key in RULE_NAMES)


def _known_keys(location: Sequence[int | str]) -> tuple[str, ...]:
    """Return the keys allowed in the table at `location`."""
    sections: set[type[BaseModel]] = {Scenario}
    for key in location:
        sections = set(_inner_sections(sections, key))
    return tuple(dict.fromkeys(key for section in sections for key in section.model_fields))


def _inner_sections(sections: set[type[BaseModel]], key: int | str) -> Iterator[type[BaseModel]]:
    if isinstance(key, int):
        yield from sections
        return
    for section in sections:
        if _is_tag(key):
            if _has_tag(section, str(key)):
                yield section
        elif key in section.model_fields:
            yield from _models_in(section.model_fields[key].annotation)


def _has_tag(section: type[BaseModel], tag: str) -> bool:
    when = section.model_fields.get("when")
    if when is not None:
        return tag in get_args(when.annotation)
    return (tag == "<pause>") == ("pause_s" in section.model_fields)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Find the sections that an annotation such as ``tuple[Waypoint, ...]`` speaks of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType, tuple) or get_args(annotation):
        for inner in get_args(annotation):
            yield from _models_in(inner)


def _description(location: Sequence[int | str]) -> str:
    """Return what the field at `location` means."""
    sections: set[type[BaseModel]] = {Scenario}
    for key in location[:-1]:
        sections = set(_inner_sections(sections, key))
    texts = [
        section.model_fields[str(location[-1])].description
        for section in sections
        if location[-1] in section.model_fields
    ]
    return next((text for text in texts if text), "must be given")


def _one_line(text: object) -> str:
    """Take line breaks and control characters, which a terminal would act on, out of a text."""
    line = " ".join(str(text).split())
    return "".join(letter if letter.isprintable() else "?" for letter in line)


def _clipped(text: str) -> str:
    line = _one_line(text)
    return line if len(line) <= _VALUE_LIMIT else line[: _VALUE_LIMIT - 1] + "…"
