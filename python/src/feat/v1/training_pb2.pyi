import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_AS_KNOWN: _ClassVar[Mode]
    MODE_EVENT_TIME: _ClassVar[Mode]
MODE_UNSPECIFIED: Mode
MODE_AS_KNOWN: Mode
MODE_EVENT_TIME: Mode

class CreateTrainingSetRequest(_message.Message):
    __slots__ = ("header", "spine")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    SPINE_FIELD_NUMBER: _ClassVar[int]
    header: TrainingSetHeader
    spine: bytes
    def __init__(self, header: _Optional[_Union[TrainingSetHeader, _Mapping]] = ..., spine: _Optional[bytes] = ...) -> None: ...

class TrainingSetHeader(_message.Message):
    __slots__ = ("service", "dataset", "time", "zone", "spine_path", "mode")
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    DATASET_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    ZONE_FIELD_NUMBER: _ClassVar[int]
    SPINE_PATH_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    service: str
    dataset: str
    time: str
    zone: str
    spine_path: str
    mode: Mode
    def __init__(self, service: _Optional[str] = ..., dataset: _Optional[str] = ..., time: _Optional[str] = ..., zone: _Optional[str] = ..., spine_path: _Optional[str] = ..., mode: _Optional[_Union[Mode, str]] = ...) -> None: ...

class TrainingSetEvent(_message.Message):
    __slots__ = ("started", "arrow", "progress", "finished")
    STARTED_FIELD_NUMBER: _ClassVar[int]
    ARROW_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    started: Started
    arrow: bytes
    progress: Progress
    finished: TrainingSet
    def __init__(self, started: _Optional[_Union[Started, _Mapping]] = ..., arrow: _Optional[bytes] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., finished: _Optional[_Union[TrainingSet, _Mapping]] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("rows_read", "rows_sent")
    ROWS_READ_FIELD_NUMBER: _ClassVar[int]
    ROWS_SENT_FIELD_NUMBER: _ClassVar[int]
    rows_read: int
    rows_sent: int
    def __init__(self, rows_read: _Optional[int] = ..., rows_sent: _Optional[int] = ...) -> None: ...

class TrainingSet(_message.Message):
    __slots__ = ("id", "of", "created_at", "created_by", "rows", "checksum", "manifest")
    ID_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    CHECKSUM_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    id: str
    of: str
    created_at: _timestamp_pb2.Timestamp
    created_by: str
    rows: int
    checksum: str
    manifest: str
    def __init__(self, id: _Optional[str] = ..., of: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_by: _Optional[str] = ..., rows: _Optional[int] = ..., checksum: _Optional[str] = ..., manifest: _Optional[str] = ...) -> None: ...

class ListTrainingSetsRequest(_message.Message):
    __slots__ = ("limit", "of")
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    OF_FIELD_NUMBER: _ClassVar[int]
    limit: int
    of: str
    def __init__(self, limit: _Optional[int] = ..., of: _Optional[str] = ...) -> None: ...

class ListTrainingSetsResponse(_message.Message):
    __slots__ = ("training_sets",)
    TRAINING_SETS_FIELD_NUMBER: _ClassVar[int]
    training_sets: _containers.RepeatedCompositeFieldContainer[TrainingSet]
    def __init__(self, training_sets: _Optional[_Iterable[_Union[TrainingSet, _Mapping]]] = ...) -> None: ...

class GetTrainingSetRequest(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: str
    def __init__(self, id: _Optional[str] = ...) -> None: ...

class ReproduceTrainingSetRequest(_message.Message):
    __slots__ = ("id", "spine")
    ID_FIELD_NUMBER: _ClassVar[int]
    SPINE_FIELD_NUMBER: _ClassVar[int]
    id: str
    spine: bytes
    def __init__(self, id: _Optional[str] = ..., spine: _Optional[bytes] = ...) -> None: ...
