"""What a model is asked: the task, the best versions so far in ascending order, and for a next one.

Best-shot prompting as in FunSearch (Romera-Paredes et al. 2023, methods): the k versions are shown
as `priority_v0`, `priority_v1`, worst first, and the model writes `priority_v2`. `chat` asks in a
message; `continuation` is the text of a module that breaks off after the header of the next
version, for a model that knows no chat.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from evaluators.discovery.base import DiscoveryProblem
from reasoning.core import Message, Prompt
from search.evolve.assemble import Wanted, fresh
from search.evolve.names import places, rename
from search.evolve.program import Program, Request
from search.evolve.statements import Unreadable, parsed, split

STOPS = ("\ndef ", "\nclass ", "\nif __name__", "\n@")
"""What ends a continuation: the function is over."""

SHOWN = 6
"""Instances whose scores are told of one program: all, or the best and the worst."""


@dataclass(frozen=True)
class Asked:
    """A prompt, and what its answer should hold."""

    prompt: Prompt
    wanted: Wanted


@dataclass(frozen=True)
class Version:
    """A program as the model sees it: numbered, and no name of it in the way of another's."""

    source: str
    program: Program | None


def ask(
    request: Request, *, chat: bool, best_k: int, feedback: bool, thought: bool, longest: int
) -> Asked:
    """The prompt for a request: at most `best_k` versions, and as many of the best as fit into
    `longest` characters (the best one always does)."""
    problem = request.problem
    shown = versions(request.parents, problem, best_k, longest)
    frame = _frame(problem.skeleton, problem.start, problem.function)
    wanted = Wanted(
        problem.function, len(shown), _header(frame, problem, len(shown)), frame.parameters,
        tuple(v.source for v in shown), frame.known, problem.limits.source_bytes,
    )  # fmt: skip
    if not chat:
        return Asked(Prompt((), _module(problem, frame, shown, wanted, feedback)), wanted)
    failure = request.failure if feedback else None
    text = _message(problem, frame, shown, wanted, failure, feedback, thought)
    return Asked(Prompt((Message("user", text),)), wanted)


def versions(
    parents: Sequence[Program], problem: DiscoveryProblem, best_k: int, longest: int
) -> list[Version]:
    """The last `best_k` parents, renamed; where several define a helper of one name differently,
    each later one gets a name of its own. Without parents the starting program."""
    chosen: list[tuple[str, Program | None]] = []
    room = longest
    for program in reversed(parents[-best_k:]):
        source = program.source or ""
        if not source or (chosen and len(source) > room):
            continue
        room -= len(source)
        chosen.insert(0, (source, program))
    made, taken = [], dict[str, str]()
    for number, (source, program) in enumerate(chosen or [(problem.start, None)]):
        try:
            tree = parsed(source, problem.limits.source_bytes)
        except Unreadable:  # the program of another proposer; it has been scored, so it is Python
            continue
        new = {problem.function: f"{problem.function}_v{number}"}
        for statement in split(tree, source):
            for name in sorted(statement.binds - {problem.function}):
                if isinstance(statement.node, ast.Import | ast.ImportFrom):
                    continue
                if taken.setdefault(name, statement.text) != statement.text:
                    new[name] = fresh(name, {*taken, *new.values()})
        taken |= dict.fromkeys(new.values(), "")
        made.append(Version(rename(tree, source, new).strip("\n"), program))
    return made


# -- the two styles -----------------------------------------------------------------------


def _message(
    problem: DiscoveryProblem, frame: _Frame, shown: Sequence[Version], wanted: Wanted,
    failure: Program | None, feedback: bool, thought: bool,
) -> str:  # fmt: skip
    better = "lower" if problem.direction == "minimise" else "higher"
    parts = [problem.description.strip()]
    parts.append(f"The function is `{frame.signature}`; {frame.available}.")
    if frame.docstring:
        parts[-1] += f"\n{frame.docstring}"
    parts.append(f"Versions so far, the best last ({better} scores are better):")
    for number, version in enumerate(shown):
        told = _told(version.program, problem, feedback)
        said = version.program.reason if thought and version.program else ""
        idea = f"\nIdea: {said}" if said else ""
        parts.append(f"Version {number}{told}:{idea}\n```python\n{version.source}\n```")
    if failure is not None and failure.source and failure.evaluation is not None:
        found = failure.evaluation
        where = f" (line {found.line})" if found.line else ""
        text = failure.source.strip()[:2000]
        parts.append(
            f"A program like this one failed, with the verdict {found.verdict}: {found.reason}"
            f"{where}\n```python\n{text}\n```"
        )
    name = wanted.name
    parts.append(
        f"Write `{name}`, with the same parameters, that gets a {better} score than all of these."
        " Change more than constants where you see a better rule."
    )
    first = "First say in one sentence what you try. Then give" if thought else "Give"
    parts.append(f"{first} the whole function in one Python code block, and nothing after it.")
    return "\n\n".join(parts)


def _module(
    problem: DiscoveryProblem, frame: _Frame, shown: Sequence[Version], wanted: Wanted,
    feedback: bool,
) -> str:  # fmt: skip
    better = "lower" if problem.direction == "minimise" else "higher"
    quotes = '"""'
    said = problem.description.strip().replace(quotes, "'''")
    head = f"{quotes}{said}\n\nEach version gets a {better} score than the one before.\n{quotes}"
    parts = ["\n".join([head, *frame.imports])]
    for number, version in enumerate(shown):
        told = _told(version.program, problem, feedback)
        parts.append(f"# Version {number}{told}\n{version.source}")
    last = len(shown) - 1
    before = f"`{problem.function}_v{last}`"
    return "\n\n\n".join([*parts, f'{wanted.header}\n    """Improved version of {before}."""\n'])


def _told(program: Program | None, problem: DiscoveryProblem, feedback: bool) -> str:
    """What is said of a program's worth."""
    if program is None or program.score is None or program.evaluation is None:
        return ""
    told = f", score {program.score:.6g}"
    names, scores = problem.instances("train"), program.evaluation.scores
    if not feedback or len(scores) != len(names) or len(names) < 2:
        return told
    pairs = list(zip(names, scores, strict=True))
    if len(pairs) <= SHOWN:
        return f"{told} ({', '.join(f'{name} {score:.4g}' for name, score in pairs)})"
    pairs.sort(key=lambda pair: pair[1], reverse=problem.direction == "maximise")
    best, worst = pairs[: SHOWN // 2], pairs[-(SHOWN // 2) :]
    low, high = (", ".join(f"{n} {s:.4g}" for n, s in group) for group in (best, worst))
    return f"{told} (best of {len(pairs)} instances: {low}; worst: {high})"


# -- the function's surroundings ----------------------------------------------------------


@dataclass(frozen=True)
class _Frame:
    """What a skeleton gives: the function's signature and docstring, how many parameters it takes,
    the imports, and the names that are there."""

    signature: str
    arguments: str
    returns: str
    docstring: str
    parameters: int
    imports: tuple[str, ...]
    known: frozenset[str]

    @property
    def available(self) -> str:
        """The imports as a clause of a sentence."""
        said = ", ".join(f"`{line}`" for line in self.imports)
        return f"the module begins with {said}" if said else "the module imports nothing"


@lru_cache(maxsize=16)
def _frame(skeleton: str, start: str, function: str) -> _Frame:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(skeleton)
    nodes = [*ast.parse(start).body, *tree.body]
    node = next(n for n in nodes if isinstance(n, functions) and n.name == function)
    arguments = ast.unparse(node.args)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    marked = next((n for n in tree.body if isinstance(n, functions) and n.name == function), node)
    lines = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    useful = [ast.unparse(n) for n in lines if "evolve" not in ast.unparse(n)]
    known = {p.name for p in places(tree, skeleton) if p.binds} - {function, "evolve"}
    return _Frame(
        f"{function}({arguments}){returns}", arguments, returns,
        ast.get_docstring(marked) or ast.get_docstring(node) or "",
        len(node.args.posonlyargs + node.args.args), tuple(useful), frozenset(known),
    )  # fmt: skip


def _header(frame: _Frame, problem: DiscoveryProblem, number: int) -> str:
    return f"def {problem.function}_v{number}({frame.arguments}){frame.returns}:"
