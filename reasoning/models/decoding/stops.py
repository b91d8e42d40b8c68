"""Where a completion ends in its text: step boundaries and stop strings, found on bytes.

Tokens are pieces of bytes, so a string is found across token borders and a character may be spread
over several tokens without being lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal


def byte_alphabet() -> dict[str, int]:
    """The printable stand-ins of byte-level BPE and the bytes they mean (Radford et al. 2019)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(byte): byte for byte in plain}
    rest = (byte for byte in range(256) if byte not in set(plain))
    return table | {chr(256 + i): byte for i, byte in enumerate(rest)}


class TokenBytes:
    """The bytes that each token of a transformers tokenizer adds to a running text.

    Special tokens (end of sequence, padding) add nothing; added tokens that are not special, such
    as `<think>`, add their text. Byte-level and byte-fallback vocabularies are read exactly; others
    are asked for the text that a token adds after a letter.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = set(tokenizer.all_special_ids)
        self._added = {}
        for i, added in tokenizer.added_tokens_decoder.items():
            self._added[i] = added.content.encode()
            if added.special:
                self._special.add(i)
        backend = getattr(tokenizer, "backend_tokenizer", None)
        decoder = json.loads(backend.to_str()).get("decoder") if backend is not None else None
        kinds = _kinds(decoder)
        self._byte_level = "ByteLevel" in kinds
        self._fallback = "ByteFallback" in kinds
        self._alphabet = byte_alphabet()
        self._anchor: tuple[list[int], str] | None = None
        self._known: dict[int, bytes] = {}

    def __getitem__(self, token: int) -> bytes:
        piece = self._known.get(token)
        if piece is None:
            piece = self._known[token] = self._piece(token)
        return piece

    def bytes(self, tokens: Sequence[int]) -> bytes:
        """The bytes of these tokens together."""
        return b"".join([self[token] for token in tokens])

    def text(self, tokens: Sequence[int]) -> str:
        """Their text; a character cut off at an end shows as U+FFFD (the ids keep it)."""
        return self.bytes(tokens).decode("utf-8", "replace")

    def _piece(self, token: int) -> bytes:
        if token in self._special:
            return b""
        if token in self._added:
            return self._added[token]
        name = self._tokenizer.convert_ids_to_tokens(token)
        if name is None:  # an id beyond the vocabulary (padded embeddings)
            return b""
        if self._byte_level and all(c in self._alphabet for c in name):
            return bytes(self._alphabet[c] for c in name)
        if self._fallback:
            byte = re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", name)
            return bytes([int(byte[1], 16)]) if byte else name.replace("▁", " ").encode()
        return self._by_decoding(token)

    def _by_decoding(self, token: int) -> bytes:
        """What the tokenizer's own decoder adds for this token after a letter."""

        def decode(ids: list[int]) -> str:
            return self._tokenizer.decode(
                ids, skip_special_tokens=True, clean_up_tokenization_spaces=False
            )

        if self._anchor is None:
            ids = self._tokenizer.encode("a", add_special_tokens=False)
            self._anchor = ids, decode(ids)
        ids, before = self._anchor
        after = decode([*ids, token])
        return (after[len(before) :] if after.startswith(before) else decode([token])).encode()


def _kinds(decoder: Any) -> set[str]:
    """The types of a tokenizers decoder and of those inside it."""
    if not isinstance(decoder, dict):
        return set()
    inner = (_kinds(part) for part in decoder.get("decoders", ()))
    return {decoder.get("type", "")}.union(*inner)


class Watch:
    """Looks for one request's boundary and stop strings as its bytes arrive.

    The string that is complete first ends the text; of two that end together a stop string goes
    before the boundary, the longer before the shorter.
    """

    def __init__(self, boundary: str | None, stop: Sequence[str]) -> None:
        self._marks = [(mark.encode("utf-8", "surrogatepass"), "stop") for mark in stop]
        if boundary:
            self._marks.append((boundary.encode("utf-8", "surrogatepass"), "boundary"))
        self._stops = [mark for mark, reason in self._marks if reason == "stop"]
        self._marks.sort(key=lambda mark: (mark[1] == "boundary", -len(mark[0])))
        self._reach = max((len(mark) for mark, _ in self._marks), default=1) - 1
        self._tail = b""
        self._seen = 0  # bytes before the tail

    def __call__(self, piece: bytes) -> tuple[Literal["stop", "boundary"], int] | None:
        """Take the next token's bytes: the reason to end and how many bytes of all taken so far
        the text keeps, or `None` to go on."""
        window = self._tail + piece
        best: tuple[int, str, int] | None = None
        for mark, reason in self._marks:
            at = window.find(mark)
            if at >= 0 and (best is None or at + len(mark) < best[0]):
                best = at + len(mark), reason, at
        if best is not None:
            _, reason, at = best
            if reason == "stop":
                return "stop", self._seen + at
            return "boundary", self._seen + len(window)
        drop = max(0, len(window) - self._reach)
        self._seen += drop
        self._tail = window[drop:]
        return None

    @property
    def held(self) -> int:
        """How many of the last bytes may be the beginning of a stop string, and so of no text."""
        for length in range(len(self._tail), 0, -1):
            end = self._tail[-length:]
            if any(mark.startswith(end) for mark in self._stops):
                return length
        return 0
