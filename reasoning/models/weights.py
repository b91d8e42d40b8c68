"""Open a transformers model, in a folder or on the hub, and choose how to decode it."""

from __future__ import annotations

import hashlib
import re
import socket
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from reasoning.models.encode import Encoder
from reasoning.models.local import LocalModel
from reasoning.models.quantise import WEIGHTS, kept_float, needed, settings, stored

DTYPES = ("auto", "float32", "bfloat16", "float16")
DECODE = ("auto", "fused", "batched", "generate")
ATTENTION = ("eager", "sdpa", "flex_attention", "flash_attention_2", "flash_attention_3")


def open_local(
    name: str,
    place: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    max_rows: int | None = None,
    decode: str = "auto",
    dialect: str | None = None,
    revision: str | None = None,
    prefix_cache: bool = True,
    draft: tuple[str, str] | None = None,
    draft_tokens: int = 4,
    weights: str = "float",
    attention: str | None = None,
) -> LocalModel:
    """Load tokenizer and weights and start nothing yet; options as in `load_model`, except that
    `draft` is a name and the place of its weights, which is empty for `ngram`.

    The sampling settings of the checkpoint's generation config are dropped: the request decides.
    Raises BadInput where the place or an option cannot be used.
    """
    one_of("dtype", dtype, DTYPES)
    one_of("decode", decode, DECODE)
    one_of("weights", weights, WEIGHTS)
    for option, value, known in (
        ("dialect", dialect, ("compact", "plain")),
        ("attention", attention, ATTENTION),
    ):
        if value is not None:
            one_of(option, value, known)
    for option, count in (("max_rows", max_rows), ("draft_tokens", draft_tokens)):
        if count is not None and (not isinstance(count, int) or count < 1):
            raise BadInput(f"option {option} must be a whole number of 1 or more, not {count!r}")
    if not isinstance(prefix_cache, bool):
        raise BadInput(f"option prefix_cache must be True or False, not {prefix_cache!r}")
    source = located(name, place, revision)
    target = device_of(device)
    model, tokenizer = opened(name, source, target, dtype, weights, attention)
    ends = eos_ids(model, tokenizer)
    model.generation_config = generation_config(ends)
    said = dialect or getattr(model.config, "reasonlab_dialect", "plain")
    encoder = Encoder(tokenizer, "compact" if said == "compact" else "plain", name)

    from reasoning.models.decoding.route import Speedups, choose

    drafting: Any = None
    if draft is not None:
        drafting = draft[0]
        if draft[1]:
            other, words = opened(draft[0], located(draft[0], draft[1], None), target, dtype)
            same_tokens(name, tokenizer, draft[0], words)
            other.generation_config = generation_config(eos_ids(other, words))
            drafting = other
    switches = Speedups(prefix_cache, drafting, draft_tokens, attention)
    chosen = choose(name, model, tokenizer, ends, decode, max_rows, switches)
    identity = {
        "weights": weights_id(place, revision),
        "device": str(target),
        "dtype": str(model.dtype).removeprefix("torch."),
    }
    if weights != "float":
        identity["stored"] = weights
    if attention is not None:
        identity["attention"] = attention
    if not prefix_cache:
        identity["prefix_cache"] = "off"
    if draft is not None and chosen.path != "fused":  # the fused path draws the same bits
        which = f" {weights_id(draft[1], None)}" if draft[1] else ""
        identity["draft"] = f"{draft[0]}{which} by {draft_tokens}"
    left = kept_float(model) if weights != "float" else ()
    note = f"still in float: {', '.join(left)}" if left else ""
    return LocalModel(
        name,
        chosen.loop,
        encoder,
        max_positions=chosen.max_positions,
        flops_per_token=2.0 * multiplied(model),
        path=chosen.path,
        note="; ".join(filter(None, (chosen.note, note))),
        identity=identity,
        torch_model=model,
    )


def opened(
    name: str,
    source: dict[str, Any],
    target: Any,
    dtype: str,
    weights: str = "float",
    attention: str | None = None,
) -> tuple[Any, Any]:
    """Model and tokenizer of a located checkpoint, on the target; raises BadInput."""
    needed(weights)

    import transformers

    cpu = target.type == "cpu"
    wanted = "float32" if dtype == "auto" and cpu else dtype
    options: dict[str, Any] = {"dtype": wanted}
    if attention is not None:
        options["attn_implementation"] = attention
    with quiet():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
            if weights != "float":
                config = transformers.AutoConfig.from_pretrained(**source)
                options |= settings(weights, config, target)
            model = transformers.AutoModelForCausalLM.from_pretrained(**source, **options)
        except (OSError, ValueError, ImportError) as error:
            raise BadInput(f"model {name} cannot be loaded: {first_line(error)}") from error
    used = model.config._attn_implementation
    if attention is not None and used != attention:
        raise BadInput(f"model {name} does not take attention={attention}; it runs {used}")
    model = model if stored(model) else model.to(target)
    return model.eval().requires_grad_(False), tokenizer


def generation_config(ends: frozenset[int]) -> Any:
    """Where a sequence ends, and nothing of the checkpoint's sampling settings."""
    import transformers

    return transformers.GenerationConfig(
        eos_token_id=sorted(ends) or None, pad_token_id=min(ends, default=0)
    )


def same_tokens(name: str, tokenizer: Any, draft: str, other: Any) -> None:
    """Raise BadInput where a draft has another vocabulary than the model it proposes to."""
    if tokenizer.get_vocab() != other.get_vocab():
        raise BadInput(
            f"draft {draft} has another tokenizer than {name}: take a draft of the same family,"
            " or draft='ngram', which needs none"
        )


def located(name: str, place: str, revision: str | None) -> dict[str, Any]:
    """Arguments for `from_pretrained`; raises BadInput at once where nothing can be loaded."""
    folder = Path(place).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise BadInput(f"folder {place} holds no model: config.json is missing")
        return {"pretrained_model_name_or_path": str(folder), "local_files_only": True}
    if folder.exists() or not re.fullmatch(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?", place):
        raise BadInput(
            f"model {name}: there is no folder {place}; give the folder of a saved model"
            " (config.json and weights) or a hub name of the form ORG/NAME"
        )
    import huggingface_hub
    from huggingface_hub import constants

    source = {"pretrained_model_name_or_path": place, "revision": revision or "main"}
    found = huggingface_hub.try_to_load_from_cache(place, "config.json", revision=revision)
    if isinstance(found, str):
        weights = [p for p in Path(found).parent.iterdir() if p.suffix in (".safetensors", ".bin")]
        if weights:
            return {**source, "local_files_only": True}
    offline = constants.HF_HUB_OFFLINE
    if offline or not reachable(constants.ENDPOINT):
        why = "HF_HUB_OFFLINE is set" if offline else "the hub cannot be reached"
        raise BadInput(
            f"model {name} is neither a folder here nor in the local cache, and {why}: run"
            f" `hf download {place}` where there is a network and set HF_HOME to that cache, or"
            " give a folder: hf:PATH"
        )
    return source


def reachable(url: str) -> bool:
    """Whether anything answers there within 5 seconds (an HTTP error is an answer)."""
    try:
        urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except urllib.error.URLError as error:
        return not isinstance(error.reason, socket.gaierror | ConnectionError | TimeoutError)
    except (TimeoutError, ConnectionError):
        return False
    return True


def device_of(device: str) -> Any:
    """The torch device of an option; raises BadInput where this machine has none such."""
    import torch

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = str(device).partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdigit()):
        raise BadInput(f"option device must be auto, cpu, cuda, cuda:N or mps, not {device!r}")
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.mps.is_available()}
    if not there[kind]:
        raise BadInput(f"option device: this machine offers no {kind}; use device='auto'")
    if kind == "cuda" and number and int(number) >= torch.cuda.device_count():
        raise BadInput(f"option device: {device} asked, {torch.cuda.device_count()} GPUs are here")
    return torch.device(device)


def one_of(option: str, value: str, known: tuple[str, ...]) -> None:
    """Raise BadInput for a value that the option does not take."""
    if value not in known:
        raise BadInput(f"option {option} must be one of {', '.join(known)}, not {value!r}")


def eos_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every id that ends a sequence: of the generation config, the config and the tokenizer."""
    ids: set[int] = set()
    for found in (
        model.generation_config.eos_token_id,
        getattr(model.config, "eos_token_id", None),
        tokenizer.eos_token_id,
    ):
        ids.update([found] if isinstance(found, int) else found or [])
    return frozenset(ids)


def multiplied(model: Any) -> int:
    """Parameters that take part in a product for every token: see `LocalModel`."""
    total = model.num_parameters()  # tied weights once, packed ones at their own number
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = head is not None and head.weight is embedding.weight
    return total if tied else total - embedding.weight.numel()


def weights_id(place: str, revision: str | None) -> str:
    """A hub model's commit, or a hash of a folder's weight files: whole up to 64 MB each, of the
    first and last megabyte beyond."""
    folder = Path(place).expanduser()
    if not folder.is_dir():
        import huggingface_hub

        found = huggingface_hub.try_to_load_from_cache(place, "config.json", revision=revision)
        return Path(found).parent.name if isinstance(found, str) else f"{place}@{revision}"
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in (".safetensors", ".bin"):
            size = path.stat().st_size
            digest.update(f"{path.name} {size} ".encode())
            with path.open("rb") as file:
                if size <= 64 << 20:
                    digest.update(file.read())
                else:
                    digest.update(file.read(1 << 20))
                    file.seek(-(1 << 20), 2)
                    digest.update(file.read())
    return digest.hexdigest()[:16]


def first_line(error: Exception) -> str:
    """What an error says, without its long tail."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def quiet() -> Any:
    """No progress bar while weights load, as before afterwards."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
