import random

import pytest

from reasoning.models.tiny import tokenizer as module
from reasoning.models.tiny.tokenizer import SPARE, WORDS

TOKENIZER = module.build()

CASES = [
    ("7", 1), ("42", 1), ("99", 1), ("100", 3), ("12345", 5), ("3+42=", 4), ("<think>", 1),
    ("</think>12", 2), ("wait\n", 2), ("007", 3), ("07", 2), ("é", 2), ("<spare_31>", 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "count"), CASES, ids=[t for t, _ in CASES])
def test_numbers_and_words_are_single_tokens(text: str, count: int) -> None:
    assert len(TOKENIZER(text)["input_ids"]) == count


def test_any_string_round_trips() -> None:
    rng = random.Random(0)
    for _ in range(500):
        text = "".join(
            chr(rng.choice([rng.randrange(0x20), rng.randrange(32, 127), rng.randrange(48, 58),
                            rng.randrange(0xA0, 0xD7FF), rng.randrange(0x1F300, 0x1F600)]))
            for _ in range(15)
        )  # fmt: skip
        assert TOKENIZER.decode(TOKENIZER(text)["input_ids"]) == text


def test_words_and_spare_tokens_have_their_own_ids() -> None:
    ids = TOKENIZER.convert_tokens_to_ids([*WORDS, *SPARE])
    assert len(set(ids)) == 6 + 32 and len(TOKENIZER) == 2 + 256 + 90 + 38


def test_it_survives_saving(tmp_path) -> None:
    from transformers import AutoTokenizer

    TOKENIZER.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = "12+345<think>wait\n</think>99"
    assert loaded(text)["input_ids"] == TOKENIZER(text)["input_ids"]
    assert loaded.decode(loaded(text)["input_ids"]) == text and loaded.eos_token_id == 1
