"""Enforced forms: masks against brute force, random texts against `re` and `json`, faults."""

from __future__ import annotations

import itertools
import json
import random
import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from evaluators.errors import BadInput
from reasoning.core import Sampling
from reasoning.models.decoding.guide import Guides, Matcher
from reasoning.models.decoding.stops import TokenBytes
from reasoning.models.tiny import tokenizer as tiny


class Known:
    """What a loop knows of a tokenizer's tokens."""

    def __init__(self, tokenizer: Any, *ends: int) -> None:
        self.pieces = TokenBytes(tokenizer)
        self.eos_ids = frozenset(ends or [tokenizer.eos_token_id])


TINY: Any = tiny.build()
PIECES = TokenBytes(TINY)
EOS = TINY.eos_token_id
GUIDES = Guides(TINY, Known(TINY))


def started(**form: Any) -> Matcher:
    guide = GUIDES.of(Sampling(**form))
    assert guide is not None
    return guide.matcher()


def mask(matcher: Matcher, size: int = len(TINY)) -> np.ndarray:
    row = np.empty(size, np.bool_)
    matcher.allow(row)
    return row


def wander(matcher: Matcher, rng: random.Random, most: int = 400) -> str:
    """A text of tokens drawn evenly from those allowed, to its end."""
    drawn: list[int] = []
    for _ in range(most):
        token = rng.choice(np.flatnonzero(mask(matcher)).tolist())
        if token == EOS:
            return PIECES.bytes(drawn).decode()
        drawn.append(token)
        matcher.take(token)
    raise AssertionError(f"no end after {most} tokens: {PIECES.text(drawn)!r}")


def check_masks(language: set[bytes], form: dict[str, Any], rng: random.Random) -> None:
    """Along a random text of this language: exactly the tokens that stay in it are allowed, and
    the end exactly where a text is whole."""
    matcher, text = started(**form), b""
    for _ in range(12):
        going_on = {word[len(text) :] for word in language if word.startswith(text)}
        starts = {word[:n] for word in going_on for n in range(1, len(word) + 1)}
        want = {token for token in range(len(TINY)) if PIECES[token] in starts}
        allowed = set(np.flatnonzero(mask(matcher)).tolist())
        assert allowed - {EOS} == want, (form, text)
        assert (EOS in allowed) == (text in language), (form, text)
        if not want:
            return
        token = rng.choice(sorted(want))
        matcher.take(token)
        text += PIECES[token]


LETTERS = "ab12\n"


@cache
def words() -> list[str]:
    return ["".join(w) for n in range(6) for w in itertools.product(LETTERS, repeat=n)]


ATOMS = ["a", "b", "1", "2", r"\n", "[ab]", "[12]", "1|12|a", "[^\x00-ac-\U0010ffff]"]


def pattern(rng: random.Random, depth: int = 3) -> tuple[str, int]:
    """A random regular expression over LETTERS, and no less than its longest text's length."""
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(ATOMS), 2
    first, longest = pattern(rng, depth - 1)
    form = rng.choice(["cat", "or", "maybe", "times"])
    if form == "maybe":
        return f"(?:{first})?", longest
    if form == "times":
        return f"(?:{first}){{0,2}}", 2 * longest
    second, other = pattern(rng, depth - 1)
    if form == "or":
        return f"(?:{first}|{second})", max(longest, other)
    return f"(?:{first})(?:{second})", longest + other


def test_of_random_regular_expressions_exactly_the_viable_tokens_are_allowed() -> None:
    rng, checked = random.Random(1), 0
    while checked < 120:
        regex, longest = pattern(rng)
        if longest > 6:
            continue
        matches = re.compile(regex).fullmatch
        check_masks({word.encode() for word in words() if matches(word)}, {"regex": regex}, rng)
        checked += 1


@pytest.mark.parametrize(
    "atom",
    [".", r"\d", r"\D", r"\w", r"\s", r"\S", "[^a]", "(?i:k)", r"[\]\-^]", r"\/", "/", "^a$"],
)
def test_classes_of_characters_mean_what_they_mean_in_python(atom: str) -> None:
    allowed = set(np.flatnonzero(mask(started(regex=atom))).tolist())
    for token in range(len(TINY)):
        piece = PIECES[token]
        if len(piece) == 1 and piece < b"\x80" and not b"\x1c" <= piece <= b"\x1f":
            # Python alone takes those four separators for blanks
            whole = re.fullmatch(atom, piece.decode()) is not None
            assert (token in allowed) == whole, (atom, piece)


def test_of_random_choices_exactly_the_viable_tokens_are_allowed() -> None:
    rng = random.Random(2)
    for _ in range(200):
        choices = tuple(
            "".join(rng.choices('a"\\/\n 1é✓𝄞|', k=rng.randint(1, 6)))
            for _ in range(rng.randint(1, 6))
        )
        check_masks({choice.encode() for choice in choices}, {"choices": choices}, rng)


def test_a_text_of_many_kinds_of_regular_expressions_matches_them() -> None:
    rng = random.Random(3)
    for regex in [
        r"[0-9]{1,3}(\.[0-9]{2})?",
        r"(?:[a-c]\n){0,9}</think>[0-9]",
        r"[à-ü]{1,5}ß?",
        r"([a-zß]{1,9} ){1,3}\S",
        r".{0,9}",
        r"Answer: -?[0-9]{1,9}",
        r"(?s).{3}",
        r"(?i)yes|no",
    ]:
        texts = {wander(started(regex=regex), rng) for _ in range(20)}
        assert all(re.fullmatch(regex, text) for text in texts), regex
        assert len(texts) > 1


def schema(rng: random.Random, depth: int = 2) -> dict[str, Any]:
    """A random JSON schema whose texts are short."""
    kind = rng.choice(["enum", "integer", "boolean", "string", *(["array", "object"] * depth)])
    if kind == "enum":
        return {"enum": rng.sample([1, "x", None, True, "né", 'q"t'], 3)}
    if kind == "integer":
        low = rng.randint(-30, 30)
        return {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 99)}
    if kind == "string":
        return {"type": "string", "maxLength": rng.randint(0, 4)}
    if kind == "array":
        most = rng.randint(1, 3)
        return {"type": "array", "items": schema(rng, depth - 1), "maxItems": most}
    if kind == "object":
        parts = {name: schema(rng, depth - 1) for name in rng.sample(["a", "b b", "c"], 2)}
        required = rng.sample(sorted(parts), rng.randint(0, 2))
        return {"type": "object", "properties": parts, "required": required,
                "additionalProperties": False}  # fmt: skip
    return {"type": kind}


def satisfies(value: Any, asked: dict[str, Any]) -> bool:
    """Whether a JSON value satisfies a schema of the kinds above."""
    if "enum" in asked:
        return any(value is x or (type(value) is type(x) and value == x) for x in asked["enum"])
    match asked["type"]:
        case "integer":
            return type(value) is int and asked["minimum"] <= value <= asked["maximum"]
        case "boolean":
            return type(value) is bool
        case "string":
            return isinstance(value, str) and len(value) <= asked["maxLength"]
        case "array":
            items = isinstance(value, list) and len(value) <= asked["maxItems"]
            return items and all(satisfies(item, asked["items"]) for item in value)
    known = asked["properties"]
    return (
        isinstance(value, dict)
        and set(asked["required"]) <= set(value) <= set(known)
        and all(satisfies(part, known[name]) for name, part in value.items())
    )


def test_texts_of_random_schemas_are_json_that_satisfies_them() -> None:
    rng, texts = random.Random(4), set()
    for _ in range(100):
        asked = schema(rng)
        text = wander(started(schema=json.dumps(asked)), rng)
        assert satisfies(json.loads(text), asked), (asked, text)
        texts.add(text)
    assert len(texts) > 60


def test_the_text_of_a_token_that_only_tells_the_end_is_never_part_of_a_text() -> None:
    allowed = np.flatnonzero(mask(started(regex="(<eos>|<pad>|</think>)"))).tolist()
    assert [PIECES[token] for token in allowed] == [b"<", b"</think>"]


def test_every_end_of_sequence_is_allowed_and_a_wider_model_draws_no_unknown_token() -> None:
    guide = Guides(TINY, Known(TINY, 0, 1, 999)).of(Sampling(choices=("7",)))
    assert guide is not None
    matcher = guide.matcher()
    matcher.take(TINY.convert_tokens_to_ids("7"))
    assert np.flatnonzero(mask(matcher, len(TINY) + 62)).tolist() == [0, 1]


def test_a_token_that_ends_the_sequence_is_no_part_of_a_text() -> None:
    a, b = (TINY.convert_tokens_to_ids(letter) for letter in "ab")
    guides = Guides(TINY, Known(TINY, b))
    for choices, allowed in ((("ab", "a"), [b]), (("ab", "ac"), [TINY.convert_tokens_to_ids("c")])):
        guide = guides.of(Sampling(choices=choices))
        assert guide is not None
        matcher = guide.matcher()
        matcher.take(a)
        assert np.flatnonzero(mask(matcher)).tolist() == allowed


def wordy(decoder: Any, vocabulary: list[str]) -> Any:
    """A tokenizer of these words and this decoder; the first is unknown, the second the end."""
    raw = Tokenizer(models.WordLevel({w: i for i, w in enumerate(vocabulary)}, vocabulary[0]))
    raw.pre_tokenizer, raw.decoder = pre_tokenizers.Whitespace(), decoder  # type: ignore
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token=vocabulary[0], eos_token=vocabulary[1]
    )


def test_vocabularies_of_other_kinds_are_followed_by_their_bytes() -> None:
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokens = ["<unk>", "</s>", "a", "▁ok", "<0xC3>", "<0xA9>", "ok", "▁"]
    tokenizer = wordy(decoders.Sequence(parts), tokens)
    guide = Guides(tokenizer, Known(tokenizer)).of(Sampling(choices=("aé ok", " a")))
    assert guide is not None
    matcher, seen = guide.matcher(), []
    for token in (2, 4, 5, 7, 6):
        seen.append(np.flatnonzero(mask(matcher, 8)).tolist())
        matcher.take(token)
    assert seen == [[2, 7], [4], [5], [3, 7], [6]]
    assert np.flatnonzero(mask(matcher, 8)).tolist() == [1]


def test_a_form_that_this_vocabulary_cannot_write_is_refused_where_that_shows() -> None:
    tokenizer = wordy(decoders.Fuse(), ["<unk>", "</s>", "a", "b"])
    guides = Guides(tokenizer, Known(tokenizer))
    with pytest.raises(BadInput, match="no text of this model's tokens has that form"):
        guides.of(Sampling(choices=("é",)))
    guide = guides.of(Sampling(choices=("aé",)))
    assert guide is not None
    matcher = guide.matcher()
    matcher.take(2)
    with pytest.raises(BadInput, match=r"'aé'.* cannot be followed to an end"):
        matcher.allow(np.empty(4, np.bool_))


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({"regex": "a(?=b)"}, "'a(?=b)' cannot be enforced: look-around, including"),
        ({"regex": "(["}, "cannot be enforced: unclosed character class"),
        ({"regex": r"(a)\1"}, "cannot be enforced: backreferences are not supported"),
        ({"regex": r"[^\s\S]"}, "no text of this model's tokens has that form"),
        ({"regex": "a\ud800"}, "has half a character"),
        ({"choices": ("\ud800",)}, "has half a character"),
        ({"schema": "{"}, "'{' is no JSON: Expecting property name"),
        ({"schema": '{"type": "strin"}'}, "Invalid type: strin"),
        ({"schema": '{"not": {"type": "string"}}'}, 'Unimplemented keys: ["not"]'),
        ({"schema": '{"type": "integer", "minimum": 3, "maximum": 2}'}, "Unsatisfiable schema"),
        ({"schema": "5"}, "schema must be an object or boolean"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_a_form_that_cannot_be_enforced_is_refused_with_the_reason(
    form: dict[str, Any], says: str
) -> None:
    with pytest.raises(BadInput, match=re.escape(says)) as caught:
        GUIDES.of(Sampling(**form))
    assert "\n" not in str(caught.value)


def test_a_form_is_compiled_once_and_its_texts_do_not_meddle() -> None:
    assert GUIDES.of(Sampling(stop=("a",))) is None
    assert GUIDES.of(Sampling(regex="ab?")) is GUIDES.of(Sampling(temperature=0.0, regex="ab?"))
    one, two = started(regex="ab?"), started(regex="ab?")
    one.take(TINY.convert_tokens_to_ids("a"))
    assert not mask(two)[EOS] and mask(one)[EOS]
