"""check_strategy: hold a strategy to the rules; assert_conforms for a test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from evaluators.errors import BadInput, UnknownName
from reasoning.loop import inside
from search.conformance.case import Broke, away
from search.conformance.report import Conformance, Finding
from search.conformance.rules import RULES
from search.conformance.subject import NotApplicable, Subject
from search.strategies import label


def check_strategy(
    strategy: Any,
    *,
    rules: Iterable[str] | None = None,
    expansions: int | None = None,
    depth: int = 2_000,
) -> Conformance:
    """Hold a strategy to the rules (all of RULES, or those named) on toy problems; it takes a few
    seconds and no model.

    A strategy whose setting `scorer` can be replaced gets an exact scorer. `expansions` is how many
    calls it may need to find an optimum (by default what the toy's size says, see `optimum`),
    `depth` how long the longest trace is. Raises BadInput for what is no strategy, UnknownName for
    a rule.
    """
    if isinstance(strategy, str):
        from search.strategies import parse

        strategy = parse(strategy)
    if isinstance(strategy, type) or not hasattr(strategy, "solve"):
        raise BadInput(f"a strategy is an object with `async def solve`, not {strategy!r}")
    chosen = list(RULES if rules is None else rules)
    for rule in chosen:
        if rule not in RULES:
            raise UnknownName("rule", rule, RULES)
    if inside():
        raise BadInput("check_strategy waits for its runs: call it outside the lab's event loop")
    return away(lambda: _check(Subject(strategy, expansions, depth), chosen))


def assert_conforms(strategy: Any, **options: Any) -> None:
    """For a test: raises AssertionError with the findings. Options are those of check_strategy."""
    found = check_strategy(strategy, **options)
    if not found.ok:
        raise AssertionError(f"\n{found}")


def _check(subject: Subject, rules: Iterable[str]) -> Conformance:
    held: list[str] = []
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    for rule in rules:
        before = len(findings)
        try:
            findings.extend(RULES[rule](subject))
        except NotApplicable as reason:
            skipped[rule] = str(reason)
            continue
        except Broke as broke:
            findings.append(Finding(rule, "a solution and no exception", str(broke), broke.case))
        if len(findings) == before:
            held.append(rule)
    return Conformance(label(subject.strategy), tuple(held), tuple(findings), skipped)
