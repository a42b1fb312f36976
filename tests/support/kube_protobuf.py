"""Reads the one message helm sends in protobuf: a Secret of its release store. Kubernetes wraps it in an envelope.

Field numbers are those of k8s.io/api/core/v1/generated.proto (Secret) and of runtime.Unknown and ObjectMeta.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

_MAGIC = b"k8s\x00"
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5


def is_protobuf(body: bytes) -> bool:
    """Whether the body is a Kubernetes protobuf envelope."""
    return body.startswith(_MAGIC)


def read_secret(body: bytes) -> dict[str, Any]:
    """Return the Secret in the envelope, in its JSON form."""
    (raw,) = [value for number, value in _fields(body.removeprefix(_MAGIC)) if number == 2]
    metadata: dict[str, Any] = {"labels": {}}
    secret: dict[str, Any] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {}}
    for number, value in _fields(_bytes(raw)):
        if number == 1:
            metadata |= _metadata(_bytes(value))
        elif number == 2:
            name, content = _entry(_bytes(value))
            secret["data"][name] = base64.b64encode(content).decode()
        elif number == 3:
            secret["type"] = _bytes(value).decode()
    return secret


def _metadata(message: bytes) -> dict[str, Any]:
    names = {1: "name", 3: "namespace", 6: "resourceVersion"}
    found: dict[str, Any] = {"labels": {}}
    for number, value in _fields(message):
        if number in names and value:
            found[names[number]] = _bytes(value).decode()
        elif number == 11:
            name, content = _entry(_bytes(value))
            found["labels"][name] = content.decode()
    return found


def _entry(message: bytes) -> tuple[str, bytes]:
    parts = dict(_fields(message))
    return _bytes(parts[1]).decode(), _bytes(parts.get(2, b""))


def _bytes(value: int | bytes) -> bytes:
    assert isinstance(value, bytes)
    return value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield field numbers with their varint or bytes; fixed-size fields are passed over."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(message):
        tag = varint()
        kind = tag & 7
        if kind == _VARINT:
            yield tag >> 3, varint()
        elif kind == _BYTES:
            length = varint()
            at += length
            yield tag >> 3, message[at - length : at]
        else:
            at += {_FIXED_64: 8, _FIXED_32: 4}[kind]
