"""What was answered: values with their status and age, the instant, and what they were computed from."""

from __future__ import annotations

import datetime
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from feat import types, values
from feat.v1 import online_pb2, value_pb2

if TYPE_CHECKING:
    import pandas
    import polars


class Status(str, enum.Enum):
    """How a value came to be, from the plainest to the worst."""

    #: From rows within the group's longest window.
    PRESENT = "present"
    #: No row lies within the group's longest window: the value of no rows, such as a count of 0.
    EMPTY = "empty"
    #: By the group's `ttl` the entity is not there: null.
    ABSENT = "absent"
    #: A column of the entity's key is null; so is the value.
    NO_KEY = "no_key"
    #: The value does not fit its type, or its window holds more than its bound: null.
    OVERFLOW = "overflow"
    #: The expression cannot be evaluated: null.
    ERROR = "error"


_STATUSES = {value_pb2.Status.Value(f"STATUS_{one.name}"): one for one in Status}


@dataclass(frozen=True)
class Feature:
    """A feature that is answered."""

    #: The service's full name.
    service: str
    service_version: int
    #: The alias, or `group.feature`.
    name: str
    #: Its column in a training set, and in frames: the alias, or `group__feature`.
    column: str
    #: As the language writes it, such as `float?`.
    type: str


class Answer:
    """The features of services for the rows that were asked about, all at one instant.

    Rows are as they were asked, features as the services list them. The frames have the columns of a
    training set, in its types, so that a model that was fitted on one takes the other.
    """

    def __init__(self, message: online_pb2.GetFeaturesResponse) -> None:
        self._columns = list(message.columns)
        self._message = message
        self.features = features(message.features)
        # Columns of a training set can be null, whatever the feature's type says.
        self._fields = [types.field(one.column, one.type).with_nullable(True) for one in self.features]

    def __len__(self) -> int:
        return len(self._columns[0].statuses) if self._columns else 0

    def __repr__(self) -> str:
        state = "complete" if self.complete else "not complete"
        at = self.evaluated_at.isoformat()
        return f"<Answer: {len(self)} rows of {len(self.features)} features at {at}, {state}>"

    @property
    def evaluated_at(self) -> datetime.datetime:
        """The instant of every value: the one asked for, else the server's now."""
        return _instant(self._message.evaluated_at)

    @property
    def complete(self) -> bool:
        """Whether no row is missing that could count at `evaluated_at`."""
        return self._message.complete

    @property
    def complete_to(self) -> datetime.datetime | None:
        """Every row that became known before this is included; None: nothing was read."""
        return _instant(self._message.complete_to) if self._message.HasField("complete_to") else None

    @property
    def stamps(self) -> Sequence[value_pb2.Stamp]:
        """What the values were computed from, one a group.

        Equal stamps and an equal instant give equal bits, online and offline.
        """
        return self._message.stamps

    @property
    def statuses(self) -> dict[str, list[Status]]:
        """How each value came to be: by column, one a row."""
        named = zip(self._names(), self._columns, strict=True)
        return {name: [_STATUSES[status] for status in column.statuses] for name, column in named}

    @property
    def ages(self) -> dict[str, list[datetime.timedelta | None]]:
        """From the last change of the entity's state to `evaluated_at`; None: nothing is kept of it."""
        named = zip(self._names(), self._columns, strict=True)
        return {
            name: [None if age < 0 else datetime.timedelta(microseconds=age) for age in column.ages]
            for name, column in named
        }

    def of(self, service: str) -> Answer:
        """The part of one service, by the name that `features` gives it, full or short.

        Raises: KeyError if it was not asked for.
        """
        kept = [
            place
            for place, feature in enumerate(self.features)
            if service in (feature.service, feature.service.rpartition(".")[2])
        ]
        if not kept:
            known = sorted({feature.service for feature in self.features})
            raise KeyError(f"`{service}` was not asked for: {', '.join(known)}")
        part = online_pb2.GetFeaturesResponse()
        part.CopyFrom(self._message)
        del part.columns[:], part.features[:]
        part.columns.extend(self._columns[place] for place in kept)
        part.features.extend(self._message.features[place] for place in kept)
        return Answer(part)

    def to_dict(self) -> dict[str, Any]:
        """The values of the one row that was asked about, by column.

        Raises: ValueError if there are several; `to_dicts` has them.
        """
        if len(self) != 1:
            raise ValueError(f"{len(self)} rows were asked about: to_dicts() has one dict for each")
        return self.to_dicts()[0]

    def to_dicts(self) -> list[dict[str, Any]]:
        """The values by column, one dict a row: instants in UTC, exact decimals, null as None."""
        columns = {
            name: _values(column.values, field.type)
            for name, column, field in zip(self._names(), self._columns, self._fields, strict=True)
        }
        return [{name: values[row] for name, values in columns.items()} for row in range(len(self))]

    def to_arrow(self, *, statuses: bool = False, ages: bool = False) -> pa.Table:
        """The values as an Arrow table of the types of a training set.

        With `statuses` and `ages` a column `NAME__status` or `NAME__age` follows each.
        """
        fields: list[pa.Field] = []
        arrays: list[pa.Array] = []
        how, old = (self.statuses if statuses else {}), (self.ages if ages else {})
        for name, column, field in zip(self._names(), self._columns, self._fields, strict=True):
            fields.append(field)
            arrays.append(_array(column.values, field.type))
            if statuses:
                fields.append(pa.field(f"{name}__status", pa.string(), nullable=False))
                arrays.append(pa.array([status.value for status in how[name]], pa.string()))
            if ages:
                fields.append(pa.field(f"{name}__age", pa.duration("us")))
                arrays.append(pa.array(old[name], pa.duration("us")))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def to_pandas(self, *, statuses: bool = False, ages: bool = False, **options: Any) -> pandas.DataFrame:
        """The values as a frame of pandas; `options` are those of `pyarrow.Table.to_pandas`."""
        frame: pandas.DataFrame = self.to_arrow(statuses=statuses, ages=ages).to_pandas(**options)
        return frame

    def to_polars(self, *, statuses: bool = False, ages: bool = False) -> polars.DataFrame:
        """The values as a frame of polars."""
        import polars

        frame = polars.from_arrow(self.to_arrow(statuses=statuses, ages=ages))
        assert isinstance(frame, polars.DataFrame)
        return frame

    def _names(self) -> list[str]:
        """The columns' names.

        Raises: ValueError if two services give one the same.
        """
        names = [feature.column for feature in self.features]
        twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
        if twice:
            services = ", ".join(sorted({feature.service for feature in self.features}))
            raise ValueError(
                f"several services have a column `{min(twice)}`: take them apart with of() ({services})"
            )
        return names


def features(messages: Sequence[online_pb2.Feature]) -> list[Feature]:
    """Features as a service lists them."""
    return [Feature(one.service, one.service_version, one.name, one.column, one.type) for one in messages]


def _instant(message: Any) -> datetime.datetime:
    found: datetime.datetime = message.ToDatetime(datetime.timezone.utc)
    return found


def _raw(column: online_pb2.Column) -> list[Any]:
    """What stands in the message, with None for nulls."""
    kind = column.WhichOneof("values")
    found = list(getattr(column, kind).values) if kind else []
    if kind != "any":
        for null in column.nulls:
            found[null] = None
    return found


def _array(column: online_pb2.Column, ty: pa.DataType) -> pa.Array:
    """A column as an Arrow array of type `ty`."""
    found = _raw(column)
    if column.WhichOneof("values") == "any":
        return pa.array([values.arrow(values.python(one, ty), ty) for one in found], ty)
    if pa.types.is_decimal(ty):
        return pa.array(found, pa.string()).cast(ty)
    if pa.types.is_timestamp(ty) or pa.types.is_duration(ty):
        return pa.array(found, pa.int64()).cast(ty)
    if pa.types.is_date(ty):
        return pa.array(found, pa.int32()).cast(ty)
    return pa.array(found, ty)


def _values(column: online_pb2.Column, ty: pa.DataType) -> list[Any]:
    """A column as Python values."""
    if column.WhichOneof("values") == "any":
        return [values.python(one, ty) for one in column.any.values]
    if (
        pa.types.is_timestamp(ty)
        or pa.types.is_duration(ty)
        or pa.types.is_date(ty)
        or pa.types.is_decimal(ty)
    ):
        found: list[Any] = _array(column, ty).to_pylist()
        return [
            one.astimezone(datetime.timezone.utc) if isinstance(one, datetime.datetime) else one
            for one in found
        ]
    return _raw(column)
