"""A JSON file of gigabytes, read value by value."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import IO, Any

_CHUNK = 1 << 20
_TOKEN = 4096
"""An error farther than this from the end of what was read is none of the end."""


class CutShortError(Exception):
    """A file that ends within a value."""


class Stream:
    """Nested JSON objects: ``enter`` goes into one, ``value`` reads what stands behind the last key."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._json = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._keys: list[str] = []

    @property
    def place(self) -> str:
        """Where the reader stands, for a message."""
        return f" of {', '.join(self._keys)}" if self._keys else ""

    def enter(self) -> Iterator[str]:
        """The keys of the object that comes next; what stands behind each must be read before the next is asked for."""
        self._take("{")
        if self._next() == "}":
            self._take("}")
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise json.JSONDecodeError("Expecting a key", self._text, self._at)
            self._keys.append(key)
            self._take(":")
            yield key
            self._keys.pop()
            if self._next() == "}":
                self._take("}")
                return
            self._take(",")

    def value(self) -> Any:
        """The whole value that comes next."""
        self._next()
        while True:
            try:
                value, self._at = self._json.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if error.pos < len(self._text) - _TOKEN:
                    raise
                self._fill()
            else:
                return value

    def _take(self, character: str) -> None:
        if self._next() != character:
            raise json.JSONDecodeError(f"Expecting {character!r}", self._text, self._at)
        self._at += 1

    def _next(self) -> str:
        """The next character that is no blank."""
        while True:
            while self._at < len(self._text) and self._text[self._at].isspace():
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            self._fill()

    def _fill(self) -> None:
        chunk = self._file.read(_CHUNK)
        if not chunk:
            raise CutShortError
        self._text = self._text[self._at :] + self._decode(chunk)
        self._at = 0
