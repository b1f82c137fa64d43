"""Types as the language writes them, such as `list<string>?`, and the Arrow types that carry them."""

from __future__ import annotations

import re

import pyarrow as pa

_PLAIN = {
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
    "bytes": pa.binary(),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
    "duration": pa.duration("us"),
}
_WORD = re.compile(r'\s*([a-z_A-Z][a-z_A-Z0-9]*|\d+|-\d+|"(?:[^"\\]|\\.)*"|[<>(){},:?])')


def field(name: str, text: str) -> pa.Field:
    """The Arrow field of a value of type `text`, with the types and nullability of what is in it.

    Raises: ValueError if `text` is no type.
    """
    parser = _Parser(text)
    found = parser.slot(name)
    parser.end()
    return found


class _Parser:
    """Reads a type word by word."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.words: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            word = _WORD.match(text, at)
            if word is None:
                raise self.wrong()
            self.words.append(word.group(1))
            at = word.end()
        self.words.reverse()

    def wrong(self) -> ValueError:
        return ValueError(f"`{self.text}` is no type that this client knows: is it older than the server?")

    def end(self) -> None:
        if self.words:
            raise self.wrong()

    def next(self) -> str:
        if not self.words:
            raise self.wrong()
        return self.words.pop()

    def expect(self, word: str) -> None:
        if self.next() != word:
            raise self.wrong()

    def taken(self, word: str) -> bool:
        if self.words and self.words[-1] == word:
            self.words.pop()
            return True
        return False

    def slot(self, name: str) -> pa.Field:
        """A type, nullable if a `?` follows."""
        found = self.type()
        return pa.field(name, found, nullable=self.taken("?"))

    def type(self) -> pa.DataType:
        word = self.next()
        if word in _PLAIN:
            return _PLAIN[word]
        if word == "enum":
            self.expect("(")
            while self.next() != ")":
                pass
            return pa.string()
        if word == "decimal":
            self.expect("(")
            precision = int(self.next())
            self.expect(",")
            scale = int(self.next())
            self.expect(")")
            return pa.decimal128(precision, scale)
        if word == "list":
            self.expect("<")
            item = self.slot("item")
            self.expect(">")
            return pa.list_(item)
        if word == "map":
            self.expect("<")
            key = self.type()
            self.expect(",")
            value = self.slot("value")
            self.expect(">")
            return pa.map_(key, value)
        if word == "struct":
            self.expect("{")
            fields = []
            while not self.taken("}"):
                name = self.next()
                self.expect(":")
                fields.append(self.slot(name))
                self.taken(",")
            return pa.struct(fields)
        if word == "embedding":
            self.expect("<")
            length = int(self.next())
            self.expect(">")
            return pa.list_(pa.field("item", pa.float32(), nullable=False), length)
        raise self.wrong()
