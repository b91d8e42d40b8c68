"""Strategies as models: `MODEL/STRATEGY` spends a budget on the request's one question.

With `task` the last user message is a problem of that task, asked and judged as everywhere here.
Without, the request's messages are asked as they stand and there is no verifier.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from evaluators.answers import canonical, extract
from evaluators.errors import BadInput, UnknownName
from evaluators.problem import Problem
from evaluators.tasks.base import Dialect, Format, Task
from evaluators.verdict import Verifier
from labs.server.answer import Answer, Choice
from labs.server.asked import Asked
from labs.server.errors import bad
from labs.server.fields import Body
from labs.server.posed import Posed
from labs.solve import ask
from reasoning.core import (
    Context,
    LanguageModel,
    Message,
    Prompt,
    SeedPath,
    Solution,
    Strategy,
    Usage,
)
from reasoning.ledger import Budget, Ledger
from search.strategies import STRATEGIES, knows, label, options, parse, refuse_unfit

DRAWING = ("temperature", "top_k", "top_p", "min_p", "max_tokens")
"""Fields of a request that are settings of a strategy as well."""

SHOTS = 64
"""The most worked examples of a request: making them holds up all other requests."""


@dataclass(frozen=True)
class Free(Task):
    """A question that belongs to no task: its answer is what the text marks as one, else the text;
    equal answers are equal as mathematics or as text."""

    @property
    def verifier(self) -> Verifier:
        raise BadInput(
            'nothing can check a free question: say whose problem it is ("task": "countdown"), or'
            " take scorer likelihood, mean-likelihood or vote"
        )

    def render(self, problem: Problem, format: Format, dialect: Dialect) -> str:
        return problem.fields["question"]

    def extract(self, text: str) -> str | None:
        return extract(text, "math") or text.strip() or None

    def answer_key(self, problem: Problem, text: str) -> str | None:
        answer = self.extract(text)
        return None if answer is None else canonical(answer, "math") or answer


class _Capped(Ledger):
    """A ledger under the server's own cap, which is no budget that a strategy should use up."""

    @property
    def bounded(self) -> bool:
        return any(cap is not None for cap in asdict(self.budget).values())


@dataclass(frozen=True)
class Plan:
    """A request to a strategy, found fit to be worked on."""

    strategy: Strategy
    problem: Problem
    context: Context
    task: str | None

    async def answer(self) -> Answer:
        """The chosen trace as the one choice; the usage is the ledger's total."""
        solution = await self.strategy.solve(self.problem, self.context)
        chosen = None if solution.chosen is None else solution.traces[solution.chosen]
        cut = chosen is None or chosen.finish in ("length", "budget")
        text = "" if chosen is None else chosen.text
        spent = self.context.ledger.spent
        return Answer(
            (Choice(0, text, "length" if cut else "stop", None),),
            Usage(spent.prompt, spent.cached, spent.completion),
            self._extension(solution),
        )

    def _extension(self, solution: Solution) -> dict[str, Any]:
        ledger, chosen = self.context.ledger, solution.chosen
        trace = None if chosen is None else solution.traces[chosen]
        rows = [row for row in ledger.rows if row.discarded is not None]
        return {
            "strategy": label(self.strategy),
            "task": self.task,
            "knows": knows(self.strategy, self.context.task),
            "origin": None if trace is None else trace.seed,
            "answer": solution.answer,
            "score": None if trace is None else trace.score,
            "stopped_by": solution.stopped_by,
            "traces": len(solution.traces),
            "calls": ledger.spent.calls,
            "tokens": ledger.spent.tokens,
            "scored": ledger.spent.scored,
            "discarded": sum(row.completion for row in rows),
            "budget": {k: v for k, v in asdict(ledger.budget).items() if v is not None},
        }


def plan(asked: Asked, model: LanguageModel, name: str, spend: int) -> Plan:
    """How a request is worked on by the strategy `name`, with at most `spend` tokens. Raises
    ApiError, BadInput and UnknownName for what cannot work, before any call."""
    extra = dict(asked.extra or {})
    _refuse(asked)
    [posed] = asked.prompts
    budget, task = _budget(extra.get("budget"), spend), extra.get("task")
    if task is None:
        question = "\n".join([*(m.content for m in posed.messages), posed.prefix])
        made: Task = Free("request")
        problem = Problem("request", {"question": question})
        seen = Posed(model, posed, alone=True)
    else:
        before, question = _question(posed, task)
        found = ask(task, question)
        made, problem = found.task, found.problem
        seen = Posed(model, Prompt(before), alone=False)
    strategy = _strategy(name, extra.get("strategy"), asked, made, model)
    refuse_unfit(strategy, made, seen)
    ledger = _Capped(budget, parent=Ledger(Budget(tokens=spend)))
    path = SeedPath(asked.seed, (problem.id,))
    return Plan(strategy, problem, Context(made, seen, ledger, path), task)


def _refuse(asked: Asked) -> None:
    """Raises ApiError for what a strategy has no use for."""
    for field, given in (
        ("n", asked.sampling.n > 1),
        ("stop", bool(asked.stop)),
        ("logprobs", asked.logprobs is not None),
        ("echo", asked.echo),
        ("structured_outputs", asked.sampling.guided),
        ("return_token_ids", asked.token_ids),
        ("prompt", len(asked.prompts) > 1),
    ):
        if given:
            hint = "; how many samples it draws is a setting of its own" if field == "n" else ""
            raise bad(f"a strategy answers one question with one text: no {field}{hint}", field)


def _question(posed: Prompt, task: Any) -> tuple[tuple[Message, ...], str]:
    """The turns before a task's problem, and the problem in its notation."""
    if not isinstance(task, str) or ":" in task:
        raise bad("task must be the name of a task (`reasonlab tasks` lists them)", "task")
    if posed.prefix_ids is not None:
        raise bad("a problem of a task is text, not token ids", "prompt")
    if not posed.messages:
        return (), posed.prefix
    if posed.prefix or posed.messages[-1].role != "user":
        raise bad("the last message must be the problem, from the user", "messages")
    return posed.messages[:-1], posed.messages[-1].content


def _strategy(name: str, given: Any, asked: Asked, task: Task, model: LanguageModel) -> Strategy:
    """The strategy with the settings of the request."""
    settings = dict(Body(given or {}, "strategy").rest())
    known = options(STRATEGIES[name])
    for field in DRAWING:
        if field in asked.given:
            value = getattr(asked.sampling, field)
            if settings.setdefault(field, value) != value:
                raise bad(f"{field} is given twice: {value} and {settings[field]}", field)
    if isinstance(task, Free):
        for field in {"format", "shots", "role"} & set(settings):
            raise bad(f"{field} is how a task asks; name the task", f"strategy.{field}")
        if "scorer" in known and "scorer" not in settings:
            settings["scorer"] = "likelihood" if "logprobs" in model.can else "vote"
    for field in settings:
        if field not in known:
            raise UnknownName(f"option of {name}", field, known)
    made = parse(f"{name}({','.join(f'{k}={_written(k, v)}' for k, v in settings.items())})")
    if getattr(made, "shots", 0) > SHOTS:
        raise bad(f"a request may ask for at most {SHOTS} worked examples", "strategy.shots")
    return made


def _written(name: str, value: Any) -> str:
    """A setting as the text that `parse` reads."""
    if value is None or isinstance(value, bool | int | float):
        return str(value).lower()
    if isinstance(value, str) and ('"' not in value or "'" not in value):
        return f"'{value}'" if '"' in value else f'"{value}"'
    raise bad(f"strategy.{name} cannot be {value!r}", f"strategy.{name}")


def _budget(given: Any, spend: int) -> Budget:
    """The caps of a request."""
    body = Body(given or {}, "budget")
    budget = Budget(
        body.whole("tokens", 0), body.whole("calls", 0), body.amount("flops"),
        body.amount("seconds"), body.amount("dollars"),
    )  # fmt: skip
    body.finish()
    if budget.tokens is not None and budget.tokens > spend:
        raise bad(f"a request may spend at most {spend} tokens here", "budget.tokens")
    return budget
