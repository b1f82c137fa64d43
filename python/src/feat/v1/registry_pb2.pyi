import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChangeClass(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CHANGE_CLASS_UNSPECIFIED: _ClassVar[ChangeClass]
    CHANGE_CLASS_INITIAL: _ClassVar[ChangeClass]
    CHANGE_CLASS_METADATA: _ClassVar[ChangeClass]
    CHANGE_CLASS_COMPATIBLE: _ClassVar[ChangeClass]
    CHANGE_CLASS_BEHAVIOURAL: _ClassVar[ChangeClass]
    CHANGE_CLASS_BREAKING: _ClassVar[ChangeClass]

class Lifecycle(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIFECYCLE_UNSPECIFIED: _ClassVar[Lifecycle]
    LIFECYCLE_ACTIVE: _ClassVar[Lifecycle]
    LIFECYCLE_DEPRECATED: _ClassVar[Lifecycle]
    LIFECYCLE_ARCHIVED: _ClassVar[Lifecycle]

class Direction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DIRECTION_UNSPECIFIED: _ClassVar[Direction]
    DIRECTION_UPSTREAM: _ClassVar[Direction]
    DIRECTION_DOWNSTREAM: _ClassVar[Direction]

class EdgeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EDGE_KIND_UNSPECIFIED: _ClassVar[EdgeKind]
    EDGE_KIND_IDENTITY: _ClassVar[EdgeKind]
    EDGE_KIND_TRANSFORMATION: _ClassVar[EdgeKind]
    EDGE_KIND_AGGREGATION: _ClassVar[EdgeKind]
    EDGE_KIND_FILTER: _ClassVar[EdgeKind]
    EDGE_KIND_GROUP_BY: _ClassVar[EdgeKind]
    EDGE_KIND_WINDOW: _ClassVar[EdgeKind]
    EDGE_KIND_CONDITIONAL: _ClassVar[EdgeKind]
    EDGE_KIND_SORT: _ClassVar[EdgeKind]
    EDGE_KIND_JOIN: _ClassVar[EdgeKind]
CHANGE_CLASS_UNSPECIFIED: ChangeClass
CHANGE_CLASS_INITIAL: ChangeClass
CHANGE_CLASS_METADATA: ChangeClass
CHANGE_CLASS_COMPATIBLE: ChangeClass
CHANGE_CLASS_BEHAVIOURAL: ChangeClass
CHANGE_CLASS_BREAKING: ChangeClass
LIFECYCLE_UNSPECIFIED: Lifecycle
LIFECYCLE_ACTIVE: Lifecycle
LIFECYCLE_DEPRECATED: Lifecycle
LIFECYCLE_ARCHIVED: Lifecycle
DIRECTION_UNSPECIFIED: Direction
DIRECTION_UPSTREAM: Direction
DIRECTION_DOWNSTREAM: Direction
EDGE_KIND_UNSPECIFIED: EdgeKind
EDGE_KIND_IDENTITY: EdgeKind
EDGE_KIND_TRANSFORMATION: EdgeKind
EDGE_KIND_AGGREGATION: EdgeKind
EDGE_KIND_FILTER: EdgeKind
EDGE_KIND_GROUP_BY: EdgeKind
EDGE_KIND_WINDOW: EdgeKind
EDGE_KIND_CONDITIONAL: EdgeKind
EDGE_KIND_SORT: EdgeKind
EDGE_KIND_JOIN: EdgeKind

class PlanRequest(_message.Message):
    __slots__ = ("files",)
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[File]
    def __init__(self, files: _Optional[_Iterable[_Union[File, _Mapping]]] = ...) -> None: ...

class File(_message.Message):
    __slots__ = ("path", "text")
    PATH_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    path: str
    text: str
    def __init__(self, path: _Optional[str] = ..., text: _Optional[str] = ...) -> None: ...

class PlanResponse(_message.Message):
    __slots__ = ("changes", "plan_hash", "blocked")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    PLAN_HASH_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    plan_hash: str
    blocked: bool
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., plan_hash: _Optional[str] = ..., blocked: _Optional[bool] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("urn", "kind", "name", "reason", "code", "dependents", "cost")
    URN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CLASS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    DEPENDENTS_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    urn: str
    kind: str
    name: str
    reason: str
    code: str
    dependents: _containers.RepeatedScalarFieldContainer[str]
    cost: str
    def __init__(self, urn: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., reason: _Optional[str] = ..., code: _Optional[str] = ..., dependents: _Optional[_Iterable[str]] = ..., cost: _Optional[str] = ..., **kwargs) -> None: ...

class ApplyRequest(_message.Message):
    __slots__ = ("files", "plan_hash")
    FILES_FIELD_NUMBER: _ClassVar[int]
    PLAN_HASH_FIELD_NUMBER: _ClassVar[int]
    files: _containers.RepeatedCompositeFieldContainer[File]
    plan_hash: str
    def __init__(self, files: _Optional[_Iterable[_Union[File, _Mapping]]] = ..., plan_hash: _Optional[str] = ...) -> None: ...

class ApplyResponse(_message.Message):
    __slots__ = ("changes", "revision")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    revision: int
    def __init__(self, changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., revision: _Optional[int] = ...) -> None: ...

class GetObjectRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class Object(_message.Message):
    __slots__ = ("urn", "kind", "name", "parent", "doc", "owners", "tags", "lifecycle", "version", "type")
    URN_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PARENT_FIELD_NUMBER: _ClassVar[int]
    DOC_FIELD_NUMBER: _ClassVar[int]
    OWNERS_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    LIFECYCLE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    urn: str
    kind: str
    name: str
    parent: str
    doc: str
    owners: _containers.RepeatedScalarFieldContainer[str]
    tags: _containers.RepeatedScalarFieldContainer[str]
    lifecycle: Lifecycle
    version: Version
    type: str
    def __init__(self, urn: _Optional[str] = ..., kind: _Optional[str] = ..., name: _Optional[str] = ..., parent: _Optional[str] = ..., doc: _Optional[str] = ..., owners: _Optional[_Iterable[str]] = ..., tags: _Optional[_Iterable[str]] = ..., lifecycle: _Optional[_Union[Lifecycle, str]] = ..., version: _Optional[_Union[Version, _Mapping]] = ..., type: _Optional[str] = ...) -> None: ...

class Version(_message.Message):
    __slots__ = ("major", "minor", "meaning", "state", "text", "path", "created_at", "created_by", "revision")
    MAJOR_FIELD_NUMBER: _ClassVar[int]
    MINOR_FIELD_NUMBER: _ClassVar[int]
    MEANING_FIELD_NUMBER: _ClassVar[int]
    CLASS_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_BY_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    major: int
    minor: int
    meaning: str
    state: str
    text: str
    path: str
    created_at: _timestamp_pb2.Timestamp
    created_by: str
    revision: int
    def __init__(self, major: _Optional[int] = ..., minor: _Optional[int] = ..., meaning: _Optional[str] = ..., state: _Optional[str] = ..., text: _Optional[str] = ..., path: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_by: _Optional[str] = ..., revision: _Optional[int] = ..., **kwargs) -> None: ...

class ListObjectsRequest(_message.Message):
    __slots__ = ("kind", "contains", "archived")
    KIND_FIELD_NUMBER: _ClassVar[int]
    CONTAINS_FIELD_NUMBER: _ClassVar[int]
    ARCHIVED_FIELD_NUMBER: _ClassVar[int]
    kind: str
    contains: str
    archived: bool
    def __init__(self, kind: _Optional[str] = ..., contains: _Optional[str] = ..., archived: _Optional[bool] = ...) -> None: ...

class ListObjectsResponse(_message.Message):
    __slots__ = ("objects",)
    OBJECTS_FIELD_NUMBER: _ClassVar[int]
    objects: _containers.RepeatedCompositeFieldContainer[Object]
    def __init__(self, objects: _Optional[_Iterable[_Union[Object, _Mapping]]] = ...) -> None: ...

class ListVersionsRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class ListVersionsResponse(_message.Message):
    __slots__ = ("versions",)
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    versions: _containers.RepeatedCompositeFieldContainer[Version]
    def __init__(self, versions: _Optional[_Iterable[_Union[Version, _Mapping]]] = ...) -> None: ...

class GetLineageRequest(_message.Message):
    __slots__ = ("name", "direction", "depth")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    DEPTH_FIELD_NUMBER: _ClassVar[int]
    name: str
    direction: Direction
    depth: int
    def __init__(self, name: _Optional[str] = ..., direction: _Optional[_Union[Direction, str]] = ..., depth: _Optional[int] = ...) -> None: ...

class GetLineageResponse(_message.Message):
    __slots__ = ("edges",)
    EDGES_FIELD_NUMBER: _ClassVar[int]
    edges: _containers.RepeatedCompositeFieldContainer[Edge]
    def __init__(self, edges: _Optional[_Iterable[_Union[Edge, _Mapping]]] = ...) -> None: ...

class Edge(_message.Message):
    __slots__ = ("to", "kind", "text")
    FROM_FIELD_NUMBER: _ClassVar[int]
    TO_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    to: str
    kind: EdgeKind
    text: str
    def __init__(self, to: _Optional[str] = ..., kind: _Optional[_Union[EdgeKind, str]] = ..., text: _Optional[str] = ..., **kwargs) -> None: ...
