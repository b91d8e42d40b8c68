"""Look inside one prediction: the next token's distribution, what the controls leave, attention.

Nothing here is charged to a ledger or seen by the decode loop: a local model is asked by a forward
pass of its own, in the caller's thread, while the loop goes on.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from evaluators.errors import BadInput, LabError
from reasoning.core import BadPrompt, LanguageModel, Prompt
from reasoning.models.distribution import Distribution, as_logits, truncated

__all__ = [
    "Distribution",
    "alternatives",
    "as_logits",
    "attention",
    "distribution",
    "truncated",
    "vocabulary",
]

if TYPE_CHECKING:
    from reasoning.models.local import LocalModel

TOLD = 20
"""Tokens that an endpoint tells of a distribution."""

LONGEST = 2048
"""Tokens for which an attention matrix is made; it grows with their square."""


def distribution(model: LanguageModel, prompt: Prompt, k: int | None = None) -> Distribution:
    """The distribution of the token that follows this prompt: of a local model exact and over its
    whole vocabulary, of an endpoint the likeliest 20, for one generated token. `k` keeps the first.

    Raises BadPrompt for a prompt that the model cannot read, LabError where it tells nothing.
    """
    if getattr(model, "torch_model", None) is not None:
        found = _local(model, prompt)  # type: ignore[arg-type]
    else:
        found = _told(model, prompt, min(k or TOLD, TOLD))
    return found if k is None else found.first(k)


def _local(model: LocalModel, prompt: Prompt) -> Distribution:
    from reasoning.models.decoding.draw import logprobs_of

    ids = model.encode(prompt)
    if len(ids) >= model.max_positions:
        raise BadPrompt(
            f"the prompt has {len(ids)} tokens, {model.name} reads at most {model.max_positions}"
            " with one left to write; shorten it"
        )
    row = _logits(model, ids, 1)[0].cpu().numpy()
    best = np.argmax(row)
    logprobs = (row - row[best]).astype(np.float64) + logprobs_of(row[None], np.array([best]))
    if not np.isfinite(logprobs[best]):
        raise LabError(f"the logits of {model.name} are not finite; load it with dtype='float32'")
    order = np.argsort(-logprobs, kind="stable")
    names = vocabulary(model)
    return Distribution(order, tuple(names[i] for i in order.tolist()), logprobs[order])


def _told(model: Any, prompt: Prompt, k: int) -> Distribution:
    from reasoning.ledger import Ledger
    from reasoning.loop import run

    if not hasattr(model, "next_tokens"):
        raise LabError(
            f"{model.name} tells no distribution of the next token; take a local model, or an"
            " endpoint whose server gives log-probabilities"
        )
    told = run(model.next_tokens(prompt, Ledger(), k))
    told = sorted(told, key=lambda pair: -pair[1])
    logprobs = np.array([logprob for _, logprob in told], np.float64)
    names = tuple(token for token, _ in told)
    return Distribution(np.full(len(told), -1), names, logprobs, complete=False)


def alternatives(
    model: LocalModel, ids: Sequence[int], start: int, k: int
) -> list[list[tuple[int, float]]]:
    """The k likeliest tokens at each position of `ids[start:]`, given all before it: (id, natural
    log-probability) at temperature 1, likeliest first. One forward pass, nothing is charged.

    Raises BadInput for a start outside 1..len(ids), or k below 1.
    """
    if not 1 <= start <= len(ids) or k < 1:
        raise BadInput(f"start must be within 1..{len(ids)} and k 1 or more, not {start} and {k}")
    if start == len(ids):
        return []
    logits = _logits(model, ids[:-1], len(ids) - start)
    top = logits.topk(min(k, logits.shape[1]), dim=1)
    whole = logits.double().logsumexp(dim=1, keepdim=True)
    values = (top.values.double() - whole).tolist()
    pairs = (
        zip(row, ids_, strict=True) for row, ids_ in zip(values, top.indices.tolist(), strict=True)
    )
    return [[(i, value) for value, i in sorted(row, key=lambda p: (-p[0], p[1]))] for row in pairs]


def attention(model: LanguageModel, ids: Sequence[int], layer: int) -> np.ndarray:
    """Attention weights (heads, T, T) float32 of a layer over `ids`: row t is where token t looks
    and sums to 1. Layers count from 0; a negative one counts from the end.

    Raises LabError for a model that is not local or does not tell, BadInput for a missing layer.
    """
    weights = getattr(model, "torch_model", None)
    if weights is None:
        raise LabError(
            f"attention is read from the weights, which {model.name} does not show; it needs a"
            " local model (tiny, or hf:PATH-or-NAME)"
        )
    count = weights.config.get_text_config(decoder=True).num_hidden_layers
    if not -count <= layer < count:
        raise BadInput(f"{model.name} has layers 0 to {count - 1}, not {layer}")
    if not 1 <= len(ids) <= LONGEST:
        raise BadInput(f"attention is shown for 1 to {LONGEST} tokens, not {len(ids)}")
    import torch

    # A copy of the modules that shares the weights: another way to attend, asked of the model
    # itself, would change what the decode thread is running.
    shared = {id(t): t for t in (*weights.parameters(), *weights.buffers())}
    twin = copy.deepcopy(weights, shared)
    twin.set_attn_implementation("eager")
    tokens = torch.tensor([list(ids)], device=weights.get_input_embeddings().weight.device)
    with torch.inference_mode():
        out = twin(input_ids=tokens, output_attentions=True, use_cache=False)
    told = getattr(out, "attentions", None)
    if not told or told[layer] is None:
        raise LabError(f"the architecture of {model.name} does not tell attention at layer {layer}")
    return told[layer][0].float().cpu().numpy()


def _logits(model: LocalModel, ids: Sequence[int], last: int) -> Any:
    """Logits (last, vocabulary) float32 after each of the last tokens of `ids`."""
    import torch

    from reasoning.models.decoding.batched import accepted

    torch_model = model.torch_model
    tokens = torch.tensor([list(ids)], device=torch_model.get_input_embeddings().weight.device)
    options = {"logits_to_keep": last, "use_cache": False}
    options = {name: value for name, value in options.items() if name in accepted(torch_model)}
    with torch.inference_mode():
        return torch_model(input_ids=tokens, **options).logits[0, -last:].float()


_VOCABULARIES: WeakKeyDictionary[Any, tuple[str, ...]] = WeakKeyDictionary()


def vocabulary(model: LocalModel) -> tuple[str, ...]:
    """Every token of a local model as text, by id: a special one by its name, bytes that are no
    whole character as `\\xf0`. Made once a model."""
    if model not in _VOCABULARIES:
        pieces, name = model.token_bytes, model.tokenizer.convert_ids_to_tokens
        count = model.torch_model.config.get_text_config(decoder=True).vocab_size
        _VOCABULARIES[model] = tuple(
            pieces[i].decode("utf-8", "backslashreplace") or name(i) or ""
            for i in range(max(count, len(model.tokenizer)))
        )
    return _VOCABULARIES[model]
