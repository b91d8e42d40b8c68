"""The scorer of reasoning-gym, inside a sandbox: what its scorers would evaluate is read first.

Sent as text after `evaluators.code.crossing`. Several scorers hand the answer's text to `eval`, in
the process that knows the right answer and computes the score. So `eval` is replaced there, in the
package and in sympy, by one that takes literals and formulas alone: no attributes, no functions
that reach further, no code. What a hostile answer could still break is its own sandbox.
"""

from __future__ import annotations

import ast
import builtins
import re
import sys
from typing import Any

from evaluators.code.crossing import loads

_FORMULA = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.List, ast.Tuple, ast.Set, ast.Dict,
    ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.Call, ast.operator, ast.unaryop,
    ast.boolop, ast.cmpop, ast.keyword,
)  # fmt: skip
_PLAIN = {"abs", "max", "min", "round", "pow", "int", "float", "sum", "True", "False", "None"}
_MADE_OF_TEXT = {"Symbol", "Function", "Integer", "Float", "Rational"}
_FAR = {
    "lambdify", "sympify", "S", "parse_expr", "preview", "plot", "Lambda", "implemented_function",
    "source", "symbols", "var",
}  # fmt: skip
_eval = eval

NONSENSE = "no answer to this"
"""An answer that is right nowhere."""


class Refused(Exception):
    """A text that is no literal and no formula."""


def read(text: Any, globals: Any = None, locals: Any = None) -> Any:
    """`eval` for literals and formulas. Raises Refused, and what `eval` raises."""
    if not isinstance(text, str):
        raise Refused("no text")
    tree = ast.parse(text.strip(), mode="eval")
    for node in ast.walk(tree):
        if not isinstance(node, _FORMULA):
            raise Refused(type(node).__name__)
        if isinstance(node, ast.Name):
            name = node.id
            if "__" in name or name in _FAR or (hasattr(builtins, name) and name not in _PLAIN):
                raise Refused(name)
        if isinstance(node, ast.Call):
            _check_call(node)
    return _eval(compile(tree, "<answer>", "eval"), globals if globals is not None else {}, locals)


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        raise Refused("a call of what is no name")
    for part in [*node.args, *(word.value for word in node.keywords)]:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            plain = re.fullmatch(r"[A-Za-z0-9_.+-]*", part.value) and "__" not in part.value
            if node.func.id not in _MADE_OF_TEXT or not plain:
                raise Refused("a call with a text")


def guard() -> None:
    """Put `read` in the place of `eval` in the package's modules and in sympy's parser."""
    for name, module in list(sys.modules.items()):
        if name.startswith("reasoning_gym.") or name == "sympy.parsing.sympy_parser":
            vars(module)["eval"] = read


def score(name: str, config: dict[str, Any], entry: str, answer: str) -> float:
    """The package's own score of an answer; -1 where any other would have the full score too."""
    import reasoning_gym

    data = reasoning_gym.create_dataset(name, seed=0, size=1, **config)
    known = loads(entry)
    guard()
    found = float(data.score_answer(answer, known))
    if found == 1 and answer != NONSENSE:
        try:
            return -1.0 if float(data.score_answer(NONSENSE, known)) == 1 else found
        except Exception:  # it breaks down on nonsense, so it reads the answer
            return found
    return found
