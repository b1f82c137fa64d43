"""One value: Python's, and the message that carries it."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from feat.v1 import value_pb2

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_DAY = datetime.date(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)


def microseconds(time: datetime.datetime, name: str) -> int:
    """Microseconds since 1970 of an instant.

    Raises: ValueError if it has no zone; the message names it.
    """
    if time.tzinfo is None:
        raise ValueError(
            f"`{name}` is {time}, which has no zone: whose clock is meant? "
            "For UTC write tzinfo=datetime.timezone.utc"
        )
    return (time - _EPOCH) // _MICROSECOND


def message(value: Any, name: str) -> value_pb2.Value:
    """The message of a Python or NumPy value of the input `name`; None is null.

    Raises: TypeError if it is of a type that the language has not, ValueError for a time without zone.
    """
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()  # A scalar of NumPy.
    if hasattr(value, "to_pydatetime"):
        value = value.to_pydatetime()  # A Timestamp of pandas.
    if hasattr(value, "to_pytimedelta"):
        value = value.to_pytimedelta()
    match value:
        case None:
            return value_pb2.Value()
        case bool():
            return value_pb2.Value(bool=value)
        case int():
            if not -(2**63) <= value < 2**63:
                raise ValueError(f"`{name}` is {value}, which is no int of 64 bits")
            return value_pb2.Value(int=value)
        case float():
            return value_pb2.Value(float=value)
        case str():
            return value_pb2.Value(string=value)
        case bytes() | bytearray() | memoryview():
            return value_pb2.Value(bytes=bytes(value))
        case decimal.Decimal():
            return value_pb2.Value(decimal=format(value, "f"))
        case datetime.datetime():
            return value_pb2.Value(timestamp=microseconds(value, name))
        case datetime.date():
            return value_pb2.Value(date=(value - _DAY).days)
        case datetime.timedelta():
            return value_pb2.Value(duration=value // _MICROSECOND)
        case Mapping():
            fields = [
                value_pb2.Struct.Field(name=key, value=message(one, name)) for key, one in value.items()
            ]
            return value_pb2.Value(struct=value_pb2.Struct(fields=fields))
        case Sequence():
            return value_pb2.Value(list=value_pb2.List(items=[message(one, name) for one in value]))
    raise TypeError(f"`{name}` is a {type(value).__name__}, and no feature or input has such a type")


def python(value: value_pb2.Value, ty: pa.DataType) -> Any:
    """What Python makes of a message of type `ty`.

    Instants are in UTC, decimals exact, maps and structs dicts.
    """
    kind = value.WhichOneof("kind")
    if kind is None:
        return None
    found = getattr(value, kind)
    match kind:
        case "decimal":
            return decimal.Decimal(found)
        case "timestamp":
            return _EPOCH + found * _MICROSECOND
        case "date":
            return _DAY + datetime.timedelta(days=found)
        case "duration":
            return found * _MICROSECOND
        case "list":
            return [python(item, ty.value_type) for item in found.items]
        case "map":
            return {python(one.key, ty.key_type): python(one.value, ty.item_type) for one in found.entries}
        case "struct":
            return {one.name: python(one.value, ty.field(one.name).type) for one in found.fields}
        case "embedding":
            return list(found.elements)
    return found


def arrow(value: Any, ty: pa.DataType) -> Any:
    """A Python value of `python` in the form in which Arrow takes it: a map as pairs."""
    if value is None:
        return None
    if pa.types.is_map(ty):
        return [(arrow(key, ty.key_type), arrow(one, ty.item_type)) for key, one in value.items()]
    if pa.types.is_struct(ty):
        return {field.name: arrow(value[field.name], field.type) for field in ty}
    if pa.types.is_list(ty):
        return [arrow(item, ty.value_type) for item in value]
    return value
