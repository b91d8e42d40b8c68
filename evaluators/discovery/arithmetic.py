"""Whether a program is arithmetic alone: then it gives the same answer at every call.

Running a program a second time, to see whether it repeats, costs as much as the first. A program
that can name nothing but its arguments, its own variables and numpy's element-wise functions has
neither clock nor chance nor memory to differ by, so the second run is spared. Only what is known to
be harmless is let through: any other name, attribute, call or statement counts as not arithmetic.
"""

from __future__ import annotations

import ast

FUNCTIONS = frozenset(
    "abs absolute add any all arange argmax argmin argsort array asarray broadcast_to ceil clip"  # noqa: SIM905
    " concatenate copysign cos count_nonzero cross cumprod cumsum diff divide dot equal exp expm1"
    " fabs flip float_power floor floor_divide fmax fmin fmod full full_like greater greater_equal"
    " hypot invert isfinite isinf isnan less less_equal log log10 log1p log2 logical_and"
    " logical_not logical_or logical_xor matmul max maximum mean median min minimum mod multiply"
    " negative not_equal ones ones_like outer pi inf power prod remainder reshape rint roll round"
    " select sign sin sort sqrt square stack std subtract sum tan tanh tile transpose trunc var"
    " where zeros zeros_like float64 int64 bool_ astype shape ndim size T".split()
)
BUILTINS = frozenset(
    "abs bool enumerate float int len max min pow range round sum zip".split()  # noqa: SIM905
)
KEYWORDS = frozenset(("axis", "axes", "dtype", "keepdims", "default", "decimals", "ddof", "start"))
"""Of calls. `where=` and `out=` may leave memory as it was found."""
LARGEST = 20_000  # characters of source that are looked at

_STATEMENTS = (
    ast.Module, ast.FunctionDef, ast.arguments, ast.arg, ast.Return, ast.Assign, ast.AugAssign,
    ast.Expr, ast.If, ast.For, ast.Pass,
)  # fmt: skip
_EXPRESSIONS = (
    ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Compare, ast.Call, ast.Constant,
    ast.Attribute, ast.Subscript, ast.Slice, ast.Name, ast.Tuple, ast.List,
    ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop,
)  # fmt: skip


def is_arithmetic(source: str) -> bool:
    """Whether the module is functions of arithmetic alone; False where in doubt. `np` is numpy."""
    if len(source) > LARGEST:
        return False
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    bound = {"np"} | BUILTINS
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            if node.decorator_list or node.args.defaults or node.args.kw_defaults:
                return False
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    return all(_harmless(node, bound) for node in ast.walk(tree))


def _harmless(node: ast.AST, bound: set[str]) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in FUNCTIONS and isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Name):
        return node.id in bound and not (node.id == "np" and isinstance(node.ctx, ast.Store))
    if isinstance(node, ast.keyword):
        return node.arg in KEYWORDS
    return isinstance(node, _STATEMENTS + _EXPRESSIONS)
