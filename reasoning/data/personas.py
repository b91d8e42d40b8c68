"""What a problem writer is asked, and how its reply is read.

In the plain dialect the model is given a persona and worked seeds and asked for one more problem of
the kind (Wang et al. 2023, "Self-Instruct", section 2.2, for seeds; Ge et al. 2024, "Scaling
synthetic data creation with 1,000,000,000 personas", section 2, for personas). A model of the
compact dialect reads no English: it goes on from the beginning of a seed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluators.errors import BadInput
from evaluators.problem import Problem
from evaluators.tasks.base import Task

PERSONAS = (
    "a baker who plans tomorrow's bread", "a ferry captain", "a nurse on a night shift",
    "a beekeeper with forty hives", "a referee at a youth tournament",
    "a carpenter who fits stairs",
    "a librarian who moves a collection", "a bus driver on a mountain line", "a choir conductor",
    "a botanist on an island", "a cook for a school of three hundred", "a clockmaker",
    "a farmer with an orchard", "a geologist with a drill", "a mother of four who packs for a trip",
    "a museum guard", "a photographer at weddings", "a potter with two kilns", "a sailmaker",
    "a surveyor of footpaths", "a tailor", "a train dispatcher", "a vet for large animals",
    "a violin maker",
)  # fmt: skip
"""Who may write a problem, where nobody else is named."""


def text_of(task: Task, problem: Problem) -> str:
    """A problem's text alone, as a seed shows it: without instructions and without an end mark."""
    question = problem.fields.get("question")
    if isinstance(question, str):
        return question
    return task.render(problem, "direct", "compact").rstrip().rstrip("=:")


def asked(shown: Sequence[str], persona: str | None) -> str:
    """The request for one more problem."""
    who = f"You are {persona}. " if persona else ""
    listed = "".join(f"\nProblem: {text}\n" for text in shown)
    about = " that could come up in your work" if persona else ""
    return (
        f"{who}These are problems of one kind, in one form.\n{listed}\nWrite one more problem of"
        f" this kind and form{about}, with other numbers and other words. Write the problem only,"
        " without its answer, after `Problem:`."
    )


def beginning(text: str, rng: np.random.Generator) -> str:
    """The first part of a seed, a quarter to three quarters of it, that ends outside a number."""
    low, high = max(1, len(text) // 4), max(2, 3 * len(text) // 4)
    cut = int(rng.integers(low, high + 1))
    while 0 < cut < len(text) and text[cut - 1].isdigit() and text[cut].isdigit():
        cut += 1
    return text[:cut]


def read_problem(task: Task, text: str) -> Problem | None:
    """The problem in a reply: what follows `Problem:`, up to an answer or a blank line; None for
    none. A text with more behind it, as in `3+4=7`, is read up to there."""
    told = text.rpartition("Problem:")[2].strip()
    for end in ("\n\n", "\nAnswer", "\nSolution", "\nProblem"):
        told = told.partition(end)[0].strip()
    told = told.strip("`\"' ")
    if not told:
        return None
    parse = getattr(task, "parse_problem", None)
    if parse is None:
        return Problem(f"{task.name}/own", {"question": told})
    for reading in dict.fromkeys((told.rstrip("=:? "), told.partition("=")[0])):
        try:
            return parse(reading)
        except BadInput:
            continue
    return None
