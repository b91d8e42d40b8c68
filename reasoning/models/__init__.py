"""Models by name: `load_model("tiny")`, `"hf:PATH-or-NAME"`, `"recorded:FILE"`.

Importing this module loads no framework; loading a model imports what that model needs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput, UnknownName
from reasoning.core import LanguageModel

MODELS: dict[str, str | Callable[..., LanguageModel]] = {
    "tiny": "0.85 M parameters, trained here on the embedded tasks; compact dialect",
    "tiny-weak": "the same shape, stopped early: room for search and training",
    "tiny-student": "a quarter of the size, direct answers only: a student to teach",
    "tiny-tools": "tiny, trained on to call a calculator for what it cannot do in its head",
    "hf:PATH-or-NAME": "a causal model of transformers, from a folder or the hub",
    "openai:MODEL@URL": "a model behind an OpenAI-compatible server; the key from the environment",
    "recorded:FILE": "prompts and completions replayed from a JSONL file",
}
"""What `load_model` takes, each with one line on what it is. Under a name of your own
put a function that makes the model; it is called with the options."""


def load_model(
    name: str | LanguageModel, *, record: str | Path | None = None, **options: Any
) -> LanguageModel:
    """Load a model by name; a model object is taken as it is.

    `record` appends every call to a JSONL file that `recorded:FILE` replays. Other options:

    embedded models and `hf:` -- `device` (auto, cpu, cuda, cuda:N, mps; auto is the CPU for the
    embedded ones, else a GPU where there is one), `dtype` (auto, float32,
    bfloat16, float16; auto is float32 on a CPU and the checkpoint's own elsewhere), `max_rows`
    (rows decoded side by side), `decode` (auto, fused, batched, generate), `dialect` (compact,
    plain; by default what the model's card says), `revision` (`hf:` names only); and what makes
    decoding cheaper: `prefix_cache` (True; False computes every prompt anew), `draft` (another
    local model or `ngram`, which proposes `draft_tokens` tokens, 4, for this one to verify: the
    same tokens in fewer passes, counted in `model.speculation`), `weights` (float, int8, nf4: not
    on the fused path, extra `quant`), `attention` (eager, sdpa, flex_attention,
    flash_attention_2, flash_attention_3: what transformers calls attn_implementation, not on the
    fused path).
    `openai:` -- `route` (auto, completions, chat), `dialect` (auto, compact, plain), `can`
    (abilities, in place of asking the server), `profile` (openai, vllm, llama.cpp, ollama, gemini:
    as documented, in place of asking), `key_env` (the variable that holds the key), `price_prompt`,
    `price_cached`, `price_completion` (dollars per million tokens), `timeout` (seconds an attempt),
    `retries`, `concurrency`, `context`.
    `recorded:` -- `dialect`.

    Raises UnknownName for a name that is none of these, BadInput for an option or a place that
    cannot be used.
    """
    if not isinstance(name, str):
        refuse(options, (), getattr(name, "name", "a model object"))
        model: Any = name
    else:
        kind, _, rest = name.partition(":")
        if kind in LOADERS and rest:
            model = LOADERS[kind](name, rest, options)
        elif callable(own := MODELS.get(name)):
            model = own(**options)
        elif name in MODELS and kind not in LOADERS:
            model = _embedded(name, options)
        else:
            raise UnknownName("model", name, MODELS)
    if record is None:
        return model
    from reasoning.models.recording import Recording

    return Recording(model, record)


def refuse(options: dict[str, Any], known: tuple[str, ...], name: str) -> None:
    """Raise BadInput for options that this model does not take."""
    wrong = sorted(set(options) - set(known))
    if wrong:
        takes = f"it takes {', '.join((*known, 'record'))}" if known else "it takes only record"
        raise BadInput(f"model {name}: unknown option {', '.join(wrong)}; {takes}")


SPEEDUPS = ("prefix_cache", "draft", "draft_tokens", "weights", "attention")
SETTINGS = ("device", "dtype", "max_rows", "decode", "dialect", *SPEEDUPS)


def embedded_folder(name: str) -> str:
    """Where the weights of an embedded model are. Raises BadInput where they are missing."""
    folder = Path(__file__).parent / "tiny" / name
    if not (folder / "config.json").is_file():
        raise BadInput(
            f"the weights of {name!r} are not there: run `reasonlab pretrain {name}` (about a"
            " quarter of an hour on one processor), or reinstall the package that contains them"
        )
    return str(folder)


def _drafted(options: dict[str, Any]) -> dict[str, Any]:
    """The options with the draft's name and place side by side."""
    draft = options.get("draft")
    if draft is None:
        if "draft_tokens" in options:
            raise BadInput("option draft_tokens is for a draft: add draft='ngram' or a model")
        return options
    kind, _, rest = str(draft).partition(":")
    if draft == "ngram":
        return {**options, "draft": (draft, "")}
    if kind == "hf" and rest:
        return {**options, "draft": (draft, rest)}
    if isinstance(MODELS.get(draft), str) and kind not in LOADERS and not rest:
        return {**options, "draft": (draft, embedded_folder(draft))}
    raise BadInput(
        f"option draft must be ngram, an embedded model or hf:PATH-or-NAME, not {draft!r}"
    )


def _embedded(name: str, options: dict[str, Any]) -> Any:
    refuse(options, SETTINGS, name)
    folder, options = embedded_folder(name), _drafted(options)
    from reasoning.models.weights import open_local

    if options.get("device", "auto") == "auto":
        options = {**options, "device": "cpu"}  # the same bits on every machine, and fast enough
    return open_local(name, folder, **options)


def _hf(name: str, place: str, options: dict[str, Any]) -> Any:
    refuse(options, (*SETTINGS, "revision"), name)
    options = _drafted(options)
    from reasoning.models.weights import open_local

    return open_local(name, place, **options)


def _openai(name: str, rest: str, options: dict[str, Any]) -> Any:
    from reasoning.models.endpoint.connect import OPTIONS, connect

    refuse(options, OPTIONS, name)
    return connect(name, rest, options)


def _recorded(name: str, file: str, options: dict[str, Any]) -> Any:
    refuse(options, ("dialect",), name)
    from reasoning.models.recorded import RecordedModel

    return RecordedModel(file, **options)


LOADERS: dict[str, Callable[[str, str, dict[str, Any]], Any]] = {
    "hf": _hf,
    "openai": _openai,
    "recorded": _recorded,
}
"""Loader of each `kind:rest` name, called with the whole name, the rest and the options."""
