"""What can go wrong, as exceptions with the server's words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc


class FeatError(Exception):
    """A call failed. `str(error)` is what the server says: what, where, and what to do.

    `code` is gRPC's name of the kind, such as `"NOT_FOUND"`.
    """

    code = "UNKNOWN"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class InvalidRequest(FeatError):
    """An input is missing or not of its type, or a spine cannot be read: change what is sent."""

    code = "INVALID_ARGUMENT"


class NotFound(FeatError):
    """No such service, dataset, object or training set; the message lists those there are."""

    code = "NOT_FOUND"


class NotReady(FeatError):
    """A group was never filled, an apply is blocked, or an input of a training set has changed."""

    code = "FAILED_PRECONDITION"


class OutOfRange(FeatError):
    """`at` is before what is kept online: ask for a training set."""

    code = "OUT_OF_RANGE"


class Conflict(FeatError):
    """What was planned is stale: plan again."""

    code = "ABORTED"


class ResourceExhausted(FeatError):
    """More rows or calls than the server takes at once."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(FeatError):
    """Server, store or registry do not answer: ask again."""

    code = "UNAVAILABLE"


class DeadlineExceeded(FeatError):
    """There was no answer within the call's timeout."""

    code = "DEADLINE_EXCEEDED"


class Unauthenticated(FeatError):
    """No key was sent, or one that is not known: `feat key add`."""

    code = "UNAUTHENTICATED"


class PermissionDenied(FeatError):
    """The key's role may not make this call."""

    code = "PERMISSION_DENIED"


class Internal(FeatError):
    """A fault of the server: its log says more."""

    code = "INTERNAL"


_BY_CODE = {kind.code: kind for kind in FeatError.__subclasses__()}


def of(error: grpc.RpcError) -> FeatError:
    """The exception of a failed call."""
    code: str = error.code().name
    message = error.details() or "the call failed and the server does not say why"
    kind = _BY_CODE.get(code)
    return FeatError(message, code) if kind is None else kind(message)


@contextmanager
def raised() -> Iterator[None]:
    """Turns gRPC's errors into ours."""
    try:
        yield
    except grpc.RpcError as error:
        raise of(error) from error
