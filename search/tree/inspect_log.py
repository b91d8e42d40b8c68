"""Search trees as a log of Inspect (`.eval`), which `inspect view` opens. Needs the extra
`inspect`.

A tree is one sample: its question is the input, the chosen answer the output, and its transcript
has one span a node inside the span of its parent, with text, tokens and why it ended, and its score
as an intermediate one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evaluators.errors import BadInput
from reasoning.describe import describe
from search.tree.node import Node
from search.tree.tree import SearchTree

SOURCE = "reasoning-lab"


def write_eval(
    trees: Sequence[SearchTree], path: str | Path, *, task: str = "tree search",
    model: str = "unknown",
) -> Path:  # fmt: skip
    """Write the trees, one sample each, under the names of their task and model. Returns the path.
    Raises BadInput where the extra is not installed or the file cannot be written."""
    try:
        from inspect_ai.log import EvalDataset, EvalLog, EvalSpec, write_eval_log  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise BadInput(
            f"a .eval file is written by inspect-ai ({error}): pip install 'reasoning-lab[inspect]'"
        ) from error
    file = Path(path)
    ids = [tree.problem or "tree" for tree in trees]
    first = [ids[:at].count(name) for at, name in enumerate(ids)]
    spec = EvalSpec(
        created=datetime.now(UTC).isoformat(), task=task, model=model, dataset=EvalDataset(
            name=task, samples=len(ids), sample_ids=list(dict.fromkeys(ids))
        ), config=_config(max(first, default=0) + 1), packages={},
    )  # fmt: skip
    samples = [_sample(t, i, n + 1, model) for t, i, n in zip(trees, ids, first, strict=True)]
    log = EvalLog(status="success", eval=spec, samples=samples)
    draft = file.with_name(file.name + ".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_eval_log(log, draft.as_posix(), format="eval")
        os.replace(draft, file)
    except OSError as error:
        raise BadInput(f"cannot write {file}: {error}; name another file") from error
    return file


def _config(epochs: int) -> Any:
    from inspect_ai.log import EvalConfig  # pyright: ignore[reportMissingImports]

    return EvalConfig(epochs=epochs)


def _sample(tree: SearchTree, name: str, epoch: int, model: str) -> Any:
    from inspect_ai.log import EvalSample  # pyright: ignore[reportMissingImports]
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser, ModelOutput  # pyright: ignore[reportMissingImports]

    asked = "\n".join(message.content for message in tree.prompt.messages) + tree.prompt.prefix
    messages: list[Any] = [ChatMessageUser(content=asked)]
    output = ModelOutput(model=model)
    facts: dict[str, Any] = {"nodes": len(tree), "stopped_by": tree.stopped_by}
    if tree.chosen >= 0:
        node = tree[tree.chosen]
        said = "".join(tree.texts(node))
        messages.append(ChatMessageAssistant(content=said))
        output = ModelOutput.from_content(model, said)
        facts |= {"chosen": node.id, "answer": node.answer}
    return EvalSample(
        id=name, epoch=epoch, input=asked, target="", messages=messages, output=output,
        metadata=facts, events=[event for node in tree.nodes for event in _events(node)],
    )  # fmt: skip


def _events(node: Node) -> list[Any]:
    from inspect_ai.event import InfoEvent, ScoreEvent, SpanBeginEvent, SpanEndEvent  # pyright: ignore[reportMissingImports]
    from inspect_ai.scorer import Score  # pyright: ignore[reportMissingImports]

    span = f"node-{node.id}"
    above = None if node.parent < 0 else f"node-{node.parent}"
    data = {
        "text": node.text, "tokens": node.tokens, "total": node.total, "finish": node.finish,
        "closed": node.closed, "answer": node.answer, "visits": node.visits, "mean": node.mean,
        "source": node.source, "same_as": None if node.same_as < 0 else node.same_as,
        "note": describe(node.note),
    }  # fmt: skip
    name = " ".join(node.text.split())[:60] or span
    found: list[Any] = [
        SpanBeginEvent(id=span, parent_id=above, name=name, type="node", span_id=span),
        InfoEvent(source=SOURCE, data=data, span_id=span),
    ]
    if node.score is not None:
        score = Score(value=float(node.score), answer=node.answer)
        found.append(ScoreEvent(score=score, intermediate=True, span_id=span))
    return [*found, SpanEndEvent(id=span, span_id=span)]
