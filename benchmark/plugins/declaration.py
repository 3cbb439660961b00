"""What everything declared in a study file has in common: it is frozen, and a mistake in it says what to do."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from benchmark.table_file import NUMBER

_PLAIN = {
    "missing": "is missing; add it",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list such as [a, b]",
    "too_short": "lists too few values: add one",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
}


class Declaration(BaseModel):
    """A frozen model that answers an unknown key with the nearest one it knows, however deep it stands in a file."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _name_known_keys(cls, declared: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        refuse(*_infinite(declared))
        try:
            made = handler(declared)
            if isinstance(declared, Mapping):
                read = {name: getattr(made, name, None) for name in declared}
                refuse(*_misread(declared, read))
            return made
        except ValidationError as error:
            details = [
                detail(
                    *item["loc"],
                    message=_message(item, cls.model_fields),
                    kind=item["type"],
                    value=item["input"],
                )
                for item in error.errors()
            ]
            raise ValidationError.from_exception_data(cls.__name__, details) from None


def _infinite(declared: Any, *place: str | int) -> Iterator[InitErrorDetails]:
    """Yield a mistake for every number that is not finite, however deep, also where no field would ask."""
    if isinstance(declared, float) and not math.isfinite(declared):
        yield detail(*place, message="must be a finite number", kind="finite_number", value=declared)
    elif isinstance(declared, Mapping | list | tuple):
        for key, value in declared.items() if isinstance(declared, Mapping) else enumerate(declared):
            yield from _infinite(value, *place, key if isinstance(key, int) else str(key))


def _misread(declared: Any, read: Any, *place: str | int) -> Iterator[InitErrorDetails]:
    """Yield a mistake for what pydantic took for a number and is none in plain digits: ``"1_000"``, true.

    What a plug-in reads in its own way (``"2 mm"``) is its own affair.
    """
    if isinstance(declared, str | bool) and isinstance(read, int | float) and not isinstance(read, bool):
        if isinstance(declared, bool) and read == int(declared):
            message = f"{str(declared).lower()} is no number: write one, such as 1"
            yield detail(*place, message=message, value=declared)
        elif isinstance(declared, str) and _only_python_reads(declared):
            message = f"{declared!r} is no number in plain digits: write it without quotes, as in 1000"
            yield detail(*place, message=message, value=declared)
    elif isinstance(declared, Mapping) and isinstance(read, Mapping):
        for (key, value), (read_key, read_value) in zip(declared.items(), read.items(), strict=False):
            yield from _misread(key, read_key, *place, str(key))
            yield from _misread(value, read_value, *place, str(key))
    elif isinstance(declared, list | tuple) and isinstance(read, list | tuple):
        for position, (value, read_value) in enumerate(zip(declared, read, strict=False)):
            yield from _misread(value, read_value, *place, position)


def _only_python_reads(text: str) -> bool:
    """Say whether Python, and so pydantic, reads a text as a number that is not one in plain digits."""
    try:
        float(text)
    except ValueError:
        return False
    return not NUMBER.fullmatch(text.strip())


def _message(item: ErrorDetails, known: Iterable[str]) -> str:
    if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
        return f"unknown key; {did_you_mean(str(item['loc'][0]), known)}"
    return plain_message(item)


def plain_message(item: ErrorDetails) -> str:
    """Return what is wrong with one item of a validation error, and what to do."""
    if tags := item.get("ctx", {}).get("expected_tags"):
        tag, known = item["ctx"]["tag"], re.findall("'([^']+)'", tags)
        return f"there is no {tag!r}; {did_you_mean(tag, known)}"
    return _PLAIN.get(item["type"], item["msg"].removeprefix("Value error, "))


def detail(*place: str | int, message: str, kind: str = "declaration", value: Any = None) -> InitErrorDetails:
    """Return an item of a validation error: a message about the keys `place`."""
    error = PydanticCustomError(kind, "{message}", {"message": message})
    return InitErrorDetails(type=error, loc=place, input=value)


def refuse(*details: InitErrorDetails) -> None:
    """Raise the validation error that holds the mistakes, if there are any."""
    if details:
        raise ValidationError.from_exception_data("declaration", list(details))


def mistake(*place: str | int, message: str) -> ValidationError:
    """Return a validation error about the keys `place` of what is declared."""
    return ValidationError.from_exception_data("declaration", [detail(*place, message=message)])


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for a name that is not among the known ones."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known) or 'none'}"


def _once(values: Any) -> Any:
    """Refuse a list that names something twice, or a mapping in which two keys have one name."""
    named = list(values.values()) if isinstance(values, Mapping) else list(values or ())
    if (twice := next((value for value in named if named.count(value) > 1), None)) is None:
        return values
    if isinstance(values, Mapping):
        alike = " and ".join(str(key) for key, value in values.items() if value == twice)
        raise ValueError(f"{alike} are both called {twice!r}: give each a name of its own")
    raise ValueError(f"{twice!r} is there twice: name each once")


Once = AfterValidator(_once)
"""The validator of a list, or of a mapping to names, that must not say anything twice."""
