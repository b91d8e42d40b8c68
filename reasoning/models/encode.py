"""Prompts to token ids for a local model, by its chat template, its dialect or plain text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from evaluators.errors import BadInput
from reasoning.core import BadPrompt, Prompt


@dataclass(frozen=True)
class Encoder:
    """Turns prompts into ids with a transformers tokenizer.

    `compact`: the contents of all messages joined by newlines, nothing before or after them.
    `plain` with a chat template: the template with its generation prompt. `plain` without one: the
    contents joined by newlines, one newline after them, the beginning-of-sequence token before
    them where the tokenizer sets one. The assistant's turn so far follows: `prefix_ids` as they
    are (strings among them encoded one by one), or else the text of `prefix`. A prompt without
    messages is raw text: its prefix, the beginning-of-sequence token before it.
    """

    tokenizer: Any
    dialect: Literal["compact", "plain"]
    name: str

    @property
    def templated(self) -> bool:
        """Whether the chat template decides the form."""
        return self.dialect == "plain" and bool(self.tokenizer.chat_template)

    def text(self, prompt: Prompt) -> str:
        """The prompt before the assistant's turn so far, as one string."""
        if not prompt.messages:
            return ""
        if not self.templated:
            body = "\n".join(message.content for message in prompt.messages)
            return body if self.dialect == "compact" else body + "\n"
        turns = [{"role": m.role, "content": m.content} for m in prompt.messages]
        try:
            return self.tokenizer.apply_chat_template(
                turns, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:  # templates raise whatever they like
            roles = ", ".join(message.role for message in prompt.messages)
            raise BadInput(
                f"the chat template of {self.name} does not take messages of the roles {roles}:"
                f" {error}. Use roles that it knows (often no system message)."
            ) from error

    def ids(self, prompt: Prompt) -> list[int]:
        """All ids that the model reads. Raises BadPrompt for an empty one, or one of no text."""
        after = "" if prompt.prefix_ids is not None else prompt.prefix
        ids = self.start(prompt) + self.plain(self.text(prompt) + after)
        for part in prompt.prefix_ids or ():
            ids += self.after(part) if isinstance(part, str) else [part]
        if not ids:
            raise BadPrompt(f"an empty prompt cannot be continued by {self.name}; write something")
        return ids

    def continuation(self, prompt: Prompt, text: str) -> list[int]:
        """The ids of `text` after this prompt: as they are when both are encoded together, or,
        where the prompt ends in exact ids or its last token would change, encoded alone."""
        if prompt.prefix_ids is None:
            before = self.ids(prompt)
            both = self.ids(Prompt(prompt.messages, prompt.prefix + text))
            if both[: len(before)] == before:
                return both[len(before) :]
        return self.after(text)

    def after(self, text: str) -> list[int]:
        """The ids of text that follows other text. A tokenizer that writes a space before all that
        it encodes (SentencePiece's `▁`) is asked behind a newline, or the space would come in."""
        letter = self.tokenizer.convert_ids_to_tokens(self.plain("a")[:1])
        if text and letter and letter[0].startswith("▁"):
            line = self.plain("\n")
            both = self.plain("\n" + text)
            if both[: len(line)] == line:
                return both[len(line) :]
        return self.plain(text)

    def plain(self, text: str) -> list[int]:
        """The ids of a string, no special tokens added."""
        if not text:
            return []
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise BadPrompt(
                f"half a character at {error.start} ({error}); mend the text"
            ) from error
        return self.tokenizer.encode(text, add_special_tokens=False)

    def start(self, prompt: Prompt) -> list[int]:
        """The beginning-of-sequence token where it has to be added (templates write their own)."""
        written = self.templated and prompt.messages
        if written or self.dialect == "compact" or self.tokenizer.bos_token_id is None:
            return []
        bos = self.tokenizer.bos_token_id
        return [bos] if bos in self.tokenizer.encode("") else []

    def pieces(self, ids: list[int]) -> tuple[str, ...]:
        """Each token as text."""
        return tuple(self.tokenizer.decode([i], skip_special_tokens=False) for i in ids)
