"""Enforced forms: which tokens may come next so that the text is one of some choices, matches a
regular expression or satisfies a JSON schema.

The grammars and their masks are llguidance's. A token is allowed where its bytes can go on to a
text of the form, however the tokenizer would have cut that text, and the end of sequence exactly
where the text is one. So a draw follows the model's distribution renormalised over what is allowed.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from typing import Any, Protocol

import llguidance
import numpy as np

from evaluators.errors import BadInput
from reasoning.core import Sampling
from reasoning.models.decoding.stops import TokenBytes

KEPT = 256
"""Compiled forms that a model keeps, at most."""

BLANKS = {"whitespace_pattern": " ?"}
"""At most one space between the parts of a JSON text, so that no blank goes on for ever."""


class Vocabulary(Protocol):
    """What a loop knows of its tokens."""

    @property
    def pieces(self) -> TokenBytes: ...

    @property
    def eos_ids(self) -> frozenset[int]: ...


class Guides:
    """The forms of one model, each compiled once. Calls may come from any thread."""

    def __init__(self, tokenizer: Any, loop: Vocabulary) -> None:
        self._tokenizer, self._loop = tokenizer, loop
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Any, ...], Guide] = OrderedDict()
        self._vocabulary: llguidance.LLTokenizer | None = None

    def of(self, sampling: Sampling) -> Guide | None:
        """The form that this sampling asks for, or `None`. Raises BadInput with the library's
        reason where it cannot be enforced, or no text has it."""
        if not sampling.guided:
            return None
        key = (sampling.choices, sampling.regex, sampling.schema)
        with self._lock:
            guide = self._known.pop(key, None)
            if guide is None:
                if self._vocabulary is None:
                    self._vocabulary = self._read()
                guide = Guide(*grammar(sampling), self._vocabulary)
            self._known[key] = guide
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return guide

    def _read(self) -> llguidance.LLTokenizer:
        """The bytes of every token; those that add nothing to a text are never allowed."""
        ends = sorted(token for token in self._loop.eos_ids if token < len(self._tokenizer))
        if not ends:
            raise BadInput("this model has no end-of-sequence token: no form can be enforced on it")
        words = _Words(self._tokenizer, self._loop.pieces, ends)
        return llguidance.LLTokenizer(llguidance.TokenizerWrapper(words), eos_token=ends)


class _Words:
    """A vocabulary as llguidance asks for it."""

    bos_token_id = None

    def __init__(self, tokenizer: Any, pieces: TokenBytes, ends: list[int]) -> None:
        self._tokenizer, self.eos_token_id = tokenizer, ends[0]
        self.tokens = [b"" if i in ends else pieces[i] for i in range(len(tokenizer))]
        self.special_token_ids = [i for i, piece in enumerate(self.tokens) if not piece]

    def __call__(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False)


class Guide:
    """One form, compiled. `said` names it in messages."""

    def __init__(self, said: str, text: str, vocabulary: llguidance.LLTokenizer) -> None:
        self.said = said
        self._first = llguidance.LLMatcher(vocabulary, text, log_level=0)
        if self._first.is_error():
            raise BadInput(f"{said} cannot be enforced: {reason(self._first.get_error())}")
        try:
            self.matcher().allow(np.empty(vocabulary.vocab_size, np.bool_))
        except BadInput as error:
            raise BadInput(
                f"{said} cannot be enforced: no text of this model's tokens has that form"
            ) from error

    def matcher(self) -> Matcher:
        """What one text is followed with."""
        return Matcher(self.said, self._first.deep_copy())


class Matcher:
    """Follows one text of a form token by token."""

    def __init__(self, said: str, inner: llguidance.LLMatcher) -> None:
        self._said, self._inner = said, inner

    def allow(self, row: np.ndarray) -> None:
        """Write into `row` (bool, one entry a token of the model) which tokens may come next.
        Raises BadInput where the form cannot be followed further."""
        bits = np.frombuffer(self._inner.compute_bitmask(), np.uint8)
        known = np.unpackbits(bits, bitorder="little")[: len(row)]
        row[: len(known)] = known
        row[len(known) :] = False
        self._refuse_stuck(bool(known.any()))

    def take(self, token: int) -> None:
        """Go on after a token that was allowed. Raises BadInput like `allow`."""
        self._refuse_stuck(self._inner.consume_token(token))

    def _refuse_stuck(self, goes_on: bool) -> None:
        if self._inner.is_error() or not goes_on:
            why = reason(self._inner.get_error()) or "no token of this model goes on to such a text"
            raise BadInput(f"{self._said} cannot be followed to an end: {why}")


def grammar(sampling: Sampling) -> tuple[str, str]:
    """The form of a guided sampling: what messages call it, and as a grammar of llguidance (a Lark
    dialect). Raises BadInput for half characters and for what is no JSON."""
    if sampling.choices:
        said = f"sampling.choices {shown(sampling.choices)}"
        form = " | ".join(json.dumps(choice, ensure_ascii=False) for choice in sampling.choices)
    elif sampling.regex is not None:
        said = f"sampling.regex {shown(sampling.regex)}"
        form = f"/{llguidance.regex_to_lark(whole(said, sampling.regex), '')}/"
    else:
        said = f"sampling.schema {shown(sampling.schema)}"
        try:
            schema = json.loads(sampling.schema or "")
        except json.JSONDecodeError as error:
            raise BadInput(f"{said} is no JSON: {error}") from error
        if isinstance(schema, dict):
            schema = {"x-guidance": BLANKS, **schema}
        form = "%json " + json.dumps(schema, ensure_ascii=False)
    # forcing would allow of a forced text only the tokens into which the tokenizer cuts it
    return said, f'%llguidance {{"no_forcing": true}}\nstart: {whole(said, form)}\n'


def whole(said: str, text: str) -> str:
    """The text. Raises BadInput where it has half a character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadInput(f"{said} has half a character ({error}); mend it") from error
    return text


def shown(value: Any) -> str:
    """A form in a message, its beginning where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def reason(error: str) -> str:
    """What llguidance says is wrong, in one line: without the place in the grammar made here, and
    of a report in several lines the one that tells."""
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    told = [line.removeprefix("error:").strip() for line in lines if line.startswith("error:")]
    first = lines[0] if lines else ""
    if first.startswith("at ") and ": " in first:
        first = first.partition(": ")[2]
    return told[0] if told else first
