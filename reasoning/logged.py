"""LoggedModel: a model whose responses are logged on arrival and, after a restart, answered from
the log.

A response is found again by its scope, its seed path, and a hash of prompt and sampling, so an
edited prompt never gets a stale answer. Answering from the log makes the same reservations and
charges the same usage as the call did. A call that was not answered is asked again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, cast

from evaluators.errors import LabError
from reasoning.core import (
    BadPrompt,
    Completion,
    LanguageModel,
    Prompt,
    Sampling,
    SeedPath,
    TokenScores,
    Usage,
)
from reasoning.ledger import Ledger
from reasoning.runlog import RunLog
from reasoning.tap import Tap, apply, reserve

R = TypeVar("R")

GRACE = 0.1  # seconds; a stopped run gives a call that has been answered this long to be logged


class CallFailed(LabError):
    """A model call that failed for this prompt; its problem becomes `error`, others go on."""


@dataclass(frozen=True)
class Logged:
    """One logged response: the reservations it made, what each was granted, and the answer."""

    reserved: tuple[dict[str, Any], ...]
    granted: tuple[int, ...]
    answer: list[dict[str, Any]]


Responses = Mapping[str, deque[Logged]]


def responses(events: Iterable[Mapping[str, Any]], settled: frozenset[str]) -> Responses:
    """The logged responses by key, without those of scopes that are `settled`."""
    found: dict[str, deque[Logged]] = {}
    for event in events:
        if event["kind"] == "response" and event["scope"] not in settled:
            logged = Logged(tuple(event["reserved"]), tuple(event["granted"]), event["answer"])
            found.setdefault(event["key"], deque()).append(logged)
    return found


class LoggedModel:
    """`model` inside one scope (an arm, a budget, a seed, a problem) of a run.

    With `runlog` None nothing is logged, and calls fail in the same way: an error of one call
    (connection, time-out, a crash of the model, a prompt too long for it) is CallFailed; any other
    LabError is passed on.
    """

    def __init__(
        self,
        model: LanguageModel,
        runlog: RunLog | None = None,
        scope: str = "",
        past: Responses | None = None,
    ) -> None:
        self.inner, self.runlog, self.scope = model, runlog, scope
        self.name, self.can = model.name, model.can
        self.dialect: Literal["compact", "plain"] = model.dialect
        self.flops_per_token = model.flops_per_token
        self._past = past or {}

    def beside(self, model: LanguageModel) -> LoggedModel:
        """Another model in the same scope of the same run: a scorer's own."""
        return LoggedModel(model, self.runlog, self.scope, self._past)

    def fingerprint(self) -> Mapping[str, Any]:
        return self.inner.fingerprint()

    async def generate(
        self, prompt: Prompt, sampling: Sampling, ledger: Ledger, seed: SeedPath
    ) -> list[Completion]:
        """As the model's own; raises CallFailed."""
        key = f"{self.scope}|{seed.text}|{_digest(_plain(prompt), vars(sampling))}"
        found = await self._answered(key, ledger)
        if found is not None:
            return [_completion(row) for row in found]

        async def ask(tap: Ledger) -> list[Completion]:
            return await self.inner.generate(prompt, sampling, tap, seed)

        return await self._ask(key, ask, ledger, _dump_completions)

    async def score(
        self, prompt: Prompt, continuations: Sequence[str], ledger: Ledger
    ) -> list[TokenScores]:
        """As the model's own; raises CallFailed."""
        asked = _digest(self.name, _plain(prompt), list(continuations))
        key = f"{self.scope}|score|{asked}"
        found = await self._answered(key, ledger)
        if found is not None:
            return [TokenScores(tuple(r["tokens"]), tuple(r["logprobs"])) for r in found]

        async def ask(tap: Ledger) -> list[TokenScores]:
            return await self.inner.score(prompt, continuations, tap)

        return await self._ask(key, ask, ledger, _dump_scores)

    async def other(
        self, key: str, work: Callable[[], Awaitable[dict[str, Any]]], ledger: Ledger
    ) -> dict[str, Any]:
        """What something else than a model has to say (a tool): logged when it comes, and answered
        from the log after a restart. `key` tells it from all others of this scope. Nothing is
        charged."""
        key = f"{self.scope}|other|{key}"
        found = await self._answered(key, ledger)
        if found is not None:
            return found[0]
        said = await work()
        if self.runlog is not None:
            self.runlog.append(
                "response", scope=self.scope, key=key, reserved=[], granted=[], answer=[said]
            )
        return said

    async def rate(
        self, texts: Sequence[str | tuple[str, ...]], ledger: Ledger, *, known: Sequence[int] = ()
    ) -> list[list[float] | None]:
        """As a process model's own; raises CallFailed."""
        asked = _digest(self.name, [t if isinstance(t, str) else list(t) for t in texts], known)
        key = f"{self.scope}|rate|{asked}"
        found = await self._answered(key, ledger)
        if found is not None:
            return [row["rates"] for row in found]

        async def ask(tap: Ledger) -> list[list[float] | None]:
            return await cast(Any, self.inner).rate(texts, tap, known=known)

        return await self._ask(key, ask, ledger, lambda made: [{"rates": row} for row in made])

    # -- from the log -----------------------------------------------------------------

    async def _answered(self, key: str, ledger: Ledger) -> list[dict[str, Any]] | None:
        """The logged answer to a call, charged as the call was; None where there is none."""
        waiting = self._past.get(key)
        if not waiting:
            return None
        # Calls that are asked reserve in a task of their own, one turn of the loop later. Waiting a
        # turn here keeps the order of a wave's reservations what it was.
        await asyncio.sleep(0)
        if not waiting:
            return None
        logged = waiting[0]
        grants = [reserve(ledger, wish) for wish in logged.reserved]
        if tuple(grant.max_tokens for grant in grants) != logged.granted:
            for grant in reversed(grants):  # the ledger has changed: this is another call
                grant.withdraw()
            return None
        waiting.popleft()
        await asyncio.sleep(0)  # settle after the whole wave has reserved, as `_ask` does
        for grant, wish in zip(grants, logged.reserved, strict=True):
            apply(grant, wish["settled"])
        return logged.answer

    # -- to the log -------------------------------------------------------------------

    async def _ask(
        self,
        key: str,
        ask: Callable[[Ledger], Awaitable[R]],
        ledger: Ledger,
        dump: Callable[[R], list[dict[str, Any]]],
    ) -> R:
        tap = Tap(ledger)

        async def settled() -> R:
            try:
                answer = await _classified(ask(cast(Ledger, tap)), self.name)
                if self.runlog is not None and any(g.max_tokens > 0 for g in tap.grants):
                    self.runlog.append(
                        "response", scope=self.scope, key=key, reserved=tap.reserved(),
                        granted=[grant.max_tokens for grant in tap.grants], answer=dump(answer),
                    )  # fmt: skip
                await asyncio.sleep(0)  # even a model that never waits settles after its wave
                return answer
            except BaseException:
                self._note(tap)
                raise
            finally:
                for grant in tap.grants:
                    grant.apply()

        task = asyncio.ensure_future(settled())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await _end(task)
            raise

    def _note(self, tap: Tap) -> None:
        """Log what a call without an answer has cost: no row of a log's answers will."""
        if self.runlog is not None and tap.dollars > 0:
            self.runlog.append("lost", scope=self.scope, dollars=tap.dollars)


async def _classified(call: Awaitable[R], model: str) -> R:
    try:
        return await call
    except BadPrompt as error:
        raise CallFailed(str(error)) from error
    except (LabError, TypeError, AttributeError, NameError, ImportError):
        raise  # ours say what to do; the others are mistakes in code and concern every call
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise CallFailed(f"model {model!r} dropped a call: was it closed?") from error
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise CallFailed(f"a call of model {model!r} failed: {reason}") from error


async def _end(task: asyncio.Future[Any]) -> None:
    """Let a call that has been answered reach the log; cut one that has not."""
    # The caller was cancelled: what becomes of the call interests nobody.
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    try:
        await asyncio.wait([task], timeout=GRACE)
    finally:
        task.cancel()
    await asyncio.wait([task])


def _plain(prompt: Prompt) -> list[Any]:
    return [[[m.role, m.content] for m in prompt.messages], prompt.prefix, prompt.prefix_ids]


# `vars` and not `asdict`, which copies every token id and is the slowest part of a call.
def _dump_completions(made: Sequence[Completion]) -> list[dict[str, Any]]:
    return [{**vars(c), "usage": vars(c.usage)} for c in made]


def _dump_scores(made: Sequence[TokenScores]) -> list[dict[str, Any]]:
    return [vars(s) for s in made]


def _completion(row: Mapping[str, Any]) -> Completion:
    ids, logprobs = row["token_ids"], row["logprobs"]
    return Completion(
        row["text"], row["finish"], Usage(**row["usage"]),
        None if ids is None else tuple(ids), None if logprobs is None else tuple(logprobs),
    )  # fmt: skip


def _digest(*parts: Any) -> str:
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True)
    raw = text.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(raw, digest_size=12).hexdigest()
