"""Ends of a completion in its bytes, and the bytes of tokens."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from reasoning.models.decoding.stops import TokenBytes, Watch
from reasoning.models.tiny import tokenizer as tiny


def first(watch: Watch, pieces: list[str]) -> tuple[int, str, int] | None:
    """Index of the token that ends the text, why, and the bytes kept."""
    for i, piece in enumerate(pieces):
        hit = watch(piece.encode())
        if hit:
            return i, *hit
    return None


CASES = [
    ("boundary-alone", "\n", (), ["3+", "8", "\n", "1"], (2, "boundary", 4)),
    ("boundary-inside-a-token-keeps-the-token", "\n", (), ["3", "8\n11"], (1, "boundary", 5)),
    ("stop-across-three-tokens", None, ("END",), ["xE", "N", "Dy"], (2, "stop", 1)),
    ("stop-at-the-start", None, ("ab",), ["a", "b"], (1, "stop", 0)),
    ("no-end", "\n", ("END",), ["EN", "EN", "xD"], None),
    ("an-aborted-start-then-the-string", None, ("aab",), ["a", "a", "a", "b"], (3, "stop", 1)),
    ("complete-first-wins", None, ("abc", "b"), ["a", "b", "c"], (1, "stop", 1)),
    ("complete-first-wins-inside-a-token", None, ("abc", "b"), ["abc"], (0, "stop", 1)),
    ("boundary-before-a-stop-in-one-token", "\n", ("END",), ["1\nEND"], (0, "boundary", 5)),
    ("stop-before-a-boundary-in-one-token", "\n", ("END",), ["1END\n"], (0, "stop", 1)),
    ("stop-goes-before-the-same-boundary", "\n", ("\n",), ["1", "\n"], (1, "stop", 1)),
    ("the-longer-of-two-that-end-together", None, ("d", "and"), ["an", "d"], (1, "stop", 0)),
    ("half-a-character-is-never-written", "\udc00", ("\ud800",), ["a", "\ufffd"], None),
    ("non-ascii-stop", None, ("✓",), ["a", "✓b"], (1, "stop", 1)),
]


@pytest.mark.parametrize(("boundary", "stop", "pieces", "want"), [c[1:] for c in CASES],
                         ids=[c[0] for c in CASES])  # fmt: skip
def test_a_text_ends_at_the_string_that_is_complete_first(
    boundary: str | None, stop: tuple[str, ...], pieces: list[str], want: object
) -> None:
    assert first(Watch(boundary, stop), pieces) == want


def test_a_character_split_over_tokens_is_found_and_not_lost() -> None:
    watch = Watch(None, ("✓",))
    mark = "✓".encode()
    assert [watch(mark[i : i + 1]) for i in range(3)] == [None, None, ("stop", 0)]


@pytest.mark.parametrize("text", ["3+8-5\n11-5\n6\n</think>6", "héllo ✓ 12 123 wait", "<spare_3>"])
def test_embedded_tokens_spell_their_text(text: str) -> None:
    tokenizer = tiny.build()
    pieces = TokenBytes(tokenizer)
    ids = tokenizer(text, add_special_tokens=False).input_ids
    assert pieces.text(ids) == text
    assert pieces.text([*ids, tokenizer.eos_token_id, tokenizer.pad_token_id]) == text


def wordy(decoder: object, vocabulary: list[str], model: object = None) -> PreTrainedTokenizerFast:
    raw = Tokenizer(model or models.WordLevel({w: i for i, w in enumerate(vocabulary)}, "<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Whitespace()
    raw.decoder = decoder  # type: ignore[assignment]
    return PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="</s>")


def test_byte_fallback_tokens_are_single_bytes() -> None:
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    vocabulary = ["<unk>", "</s>", "a", "▁ok", "<0xC3>", "<0xA9>"]
    tokenizer = wordy(decoders.Sequence(parts), vocabulary)
    pieces = TokenBytes(tokenizer)
    assert [pieces[i] for i in range(1, 6)] == [b"", b"a", b" ok", b"\xc3", b"\xa9"]
    assert pieces.text([2, 4, 5, 3]) == "aé ok"


def test_other_tokenizers_are_asked_what_a_token_adds() -> None:
    tokenizer = wordy(decoders.WordPiece(), ["<unk>", "</s>", "a", "play", "##ing"])
    pieces = TokenBytes(tokenizer)
    assert [pieces[i] for i in (2, 3, 4)] == [b" a", b" play", b"ing"]
