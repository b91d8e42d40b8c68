"""The embedded models' tokenizer: byte-level, with whole numbers 0..99 and a few words.

A number of one or two digits that stands alone is one token; a longer one is its digits; every
other character is its UTF-8 bytes, so any string round-trips. `<think> </think> wait check good
bad` are one token each, and 32 `<spare_i>` are free for later training.
"""

from __future__ import annotations

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

EOS, PAD = "<eos>", "<pad>"
WORDS = ("<think>", "</think>", "wait", "check", "good", "bad")
SPARE = tuple(f"<spare_{i}>" for i in range(32))


def build() -> PreTrainedTokenizerFast:
    """The tokenizer, made from nothing: ids 0 pad, 1 eos, then 256 bytes, 90 two-digit numbers,
    the words and the spare ones."""
    vocabulary = {PAD: 0, EOS: 1}
    for symbol in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary[symbol] = len(vocabulary)
    pairs = [(str(n)[0], str(n)[1]) for n in range(10, 100)]
    for tens, ones in pairs:
        vocabulary[tens + ones] = len(vocabulary)
    raw = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs))
    alone = Regex(r"(?<![0-9])[0-9]{2}(?![0-9])|[\s\S]")
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(alone, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    raw.decoder = decoders.ByteLevel()
    raw.add_special_tokens([PAD, EOS])
    raw.add_tokens([AddedToken(word, normalized=False) for word in (*WORDS, *SPARE)])
    return PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token=EOS, pad_token=PAD, clean_up_tokenization_spaces=False
    )
