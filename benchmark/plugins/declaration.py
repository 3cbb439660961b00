"""What everything declared in a study file has in common: it is frozen, and a mistake in it says what to do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

_PLAIN = {
    "missing": "is missing; add it",
    "tuple_type": "must be a list such as [a, b]",
    "too_short": "lists too few values: add one",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
}


class Declaration(BaseModel):
    """A frozen model that answers an unknown key with the nearest one it knows, however deep it stands in a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _name_known_keys(cls, declared: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(declared)
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


def mistake(*place: str | int, message: str) -> ValidationError:
    """Return a validation error about the keys `place` of what is declared."""
    return ValidationError.from_exception_data("declaration", [detail(*place, message=message)])


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint for a name that is not among the known ones."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(known) or 'none'}"
