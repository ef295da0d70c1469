"""Check the plain values of a file against the types of a dataclass.

Does not depend on which values there are: the owner of the values declares their types.
"""

import dataclasses
from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from cursivetransformer.utils.wording import quote

# Types of the fields that `from_plain` fills. Numbers are not made from texts or booleans.
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[int, Field(strict=True, ge=0, lt=2**63)]

T = TypeVar("T")


def from_plain(cls: type[T], values: object, name: str = "") -> T:
    """Make a dataclass from the plain values of a file, checked against the types of its fields.

    Args:
        cls: The dataclass; a field with bounds is `Annotated` by pydantic's `Field`.
        values: A dictionary by the names of the fields; fields with a default may be missing.
        name: Of the dictionary in the file.

    Raises:
        ValueError: A value does not fit; the message names its key.
    """
    if isinstance(values, dict):
        known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
        unknown = values.keys() - known
        if unknown:
            raise ValueError(f"{join_keys(name, min(map(str, unknown)))} is unknown")
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ValueError(f"{join_keys(name, *first['loc'])}: {first['msg'].lower()}") from None


def join_keys(*keys: object) -> str:
    """Return the path of a value in a file, for a message."""
    return quote(".".join(str(key) for key in keys if key != ""))
