"""From a program's source to a genome: its expressions as trees, the rest as text around them."""

from __future__ import annotations

import ast
from collections import OrderedDict
from dataclasses import dataclass

from search.evolve.mutate.expression import BOOLEAN, NUMBER, Node, gives, size

INLINE_LIMIT = 600
_BINARY = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Mod: "%", ast.FloorDiv: "//",
    ast.Pow: "**",
}  # fmt: skip
_LOGIC = {ast.BitAnd: "and", ast.BitOr: "or"}
_COMPARE = {
    ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip
_CALLS = {
    "minimum": ("min", 2), "maximum": ("max", 2), "abs": ("abs", 1), "absolute": ("abs", 1),
    "square": ("square", 1), "exp": ("exp", 1), "where": ("where", 3), "logical_and": ("and", 2),
    "logical_or": ("or", 2), "logical_not": ("not", 1), "min": ("min", 2), "max": ("max", 2),
}  # fmt: skip
_SAFE = {"sqrt": "sqrt", "log1p": "log"}
_NOT_NUMBERS = ("tuple", "list", "sequence", "str", "dict", "set", "callable", "bool", "iterable")


@dataclass(frozen=True)
class Slot:
    """A place that holds an expression: its type and the names that are set before it."""

    type: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Genome:
    """A function taken apart. `frame` is the module's source with `__slot_0__`, … for expressions;
    where `inlined`, the body was assignments and a return, and is now the one returned expression,
    which `render` may spread over assignments again."""

    frame: str
    slots: tuple[Slot, ...]
    roots: tuple[Node, ...]
    inlined: bool = False


_KNOWN: OrderedDict[tuple[str, str], Genome] = OrderedDict()
_MOST = 4096


def parse(source: str, function: str) -> Genome:
    """Take `function` out of a module's source. SyntaxError where it does not parse, KeyError where
    it defines no such function."""
    known = _KNOWN.get((source, function))
    return known if known is not None else remember(source, function, _parse(source, function))


def remember(source: str, function: str, genome: Genome) -> Genome:
    """Spare `parse` the work for what was just rendered: the genome it would give."""
    _KNOWN[source, function] = genome
    if len(_KNOWN) > _MOST:
        _KNOWN.popitem(last=False)
    return genome


def _parse(source: str, function: str) -> Genome:
    module = ast.parse(source)
    found = [node for node in module.body if isinstance(node, ast.FunctionDef)]
    target = next((node for node in reversed(found) if node.name == function), None)
    if target is None:
        raise KeyError(function)
    root = _straight(target)
    if root is not None and size(root) <= INLINE_LIMIT:
        keep = target.body[:1] if ast.get_docstring(target) is not None else []
        target.body = [*keep, ast.Return(ast.Name("__slot_0__"))]
        slot = Slot(NUMBER, parameters(target))
        return Genome(ast.unparse(ast.fix_missing_locations(module)), (slot,), (root,), True)
    taker = _Taker()
    taker.block(target.body, list(parameters(target)))
    return Genome(ast.unparse(module), tuple(taker.slots), tuple(taker.roots))


def parameters(function: ast.FunctionDef) -> tuple[str, ...]:
    """The parameters that stand for numbers (or arrays of them), as far as annotations tell."""
    a = function.args
    given = [(x.arg, ast.unparse(x.annotation).lower() if x.annotation else "")
             for x in [*a.posonlyargs, *a.args, *a.kwonlyargs]]  # fmt: skip
    return tuple(name for name, kind in given if not any(word in kind for word in _NOT_NUMBERS))


def _straight(function: ast.FunctionDef) -> Node | None:
    """The returned expression with the local variables put in; None where there are statements
    other than assignments of one name."""
    known: dict[str, Node] = {}
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    for statement in body[:-1]:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], tree(statement.value, known)
        elif isinstance(statement, ast.AugAssign):
            target = statement.target
            left = ast.copy_location(ast.Name(getattr(target, "id", "")), target)
            value = tree(ast.BinOp(left, statement.op, statement.value), known)
        else:
            return None
        if not isinstance(target, ast.Name) or size(value) > INLINE_LIMIT or _hides(value, known):
            return None
        known[target.id] = value
    last = body[-1] if body else None
    if not isinstance(last, ast.Return) or last.value is None:
        return None
    root = tree(last.value, known)
    return None if _hides(root, known) else root


def _hides(node: Node, known: dict[str, Node]) -> bool:
    """Whether a piece of Python that is kept as text reads a local variable."""
    if node[0] == "@":
        names = {n.id for n in ast.walk(ast.parse(node[1], mode="eval")) if isinstance(n, ast.Name)}
        return not names.isdisjoint(known)
    return node[0] not in ("x", "#") and any(_hides(child, known) for child in node[1:])


class _Taker:
    """Takes the expressions out of statements, and leaves numbered names in their place."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.roots: list[Node] = []

    def take(self, expression: ast.expr, names: list[str], type: str = NUMBER) -> ast.expr:
        """A numbered name in place of an expression that can be changed."""
        node = tree(expression, {}, type)
        if node[0] == "@" or (node[0] == "x" and node[1] not in names):
            return expression
        self.slots.append(Slot(gives(node) if type == NUMBER else type, tuple(names)))
        self.roots.append(node)
        return ast.Name(f"__slot_{len(self.roots) - 1}__")

    def block(self, statements: list[ast.stmt], names: list[str]) -> None:
        """`names` grows by the numbers that are set; those set inside a block are known to the rest
        of that block alone. The tests of `while` stay as they are: a changed one may never end."""
        for statement in statements:
            if isinstance(statement, ast.Assign):
                number = _is_number(statement.value, names)
                statement.value = self.take(statement.value, names)
                for target in statement.targets:
                    if isinstance(target, ast.Name) and number and target.id not in names:
                        names.append(target.id)
            elif isinstance(statement, ast.AugAssign | ast.Return) and statement.value:
                statement.value = self.take(statement.value, names)
            elif isinstance(statement, ast.If):
                statement.test = self.take(statement.test, names, BOOLEAN)
                self.block(statement.body, list(names))
                self.block(statement.orelse, list(names))
            elif isinstance(statement, ast.For):
                target = statement.target
                inside = [target.id] if isinstance(target, ast.Name) else []
                self.block(statement.body, [*names, *inside])
            elif isinstance(statement, ast.While):
                self.block(statement.body, list(names))


def _is_number(expression: ast.expr, names: list[str]) -> bool:
    """Whether an assigned value is a number, as far as its form tells."""
    node = tree(expression, {})
    if node[0] == "@":
        return isinstance(expression, ast.Subscript) and not isinstance(expression.slice, ast.Slice)
    return gives(node) == NUMBER and (node[0] != "x" or node[1] in names)


def tree(node: ast.expr, known: dict[str, Node], type: str = NUMBER) -> Node:
    """An expression as a tree, `known` local variables replaced by what they stand for."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return ("#", node.value)
    if isinstance(node, ast.Name):
        return known.get(node.id, ("x", node.id))
    if isinstance(node, ast.BinOp) and isinstance(node.op, (*_BINARY, *_LOGIC)):
        return _binary(node, known)
    if isinstance(node, ast.UnaryOp):
        return _unary(node, known, type)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and node.ops[0].__class__ in _COMPARE:
        sides = tree(node.left, known), tree(node.comparators[0], known)
        return (_COMPARE[node.ops[0].__class__], *sides)
    if isinstance(node, ast.BoolOp):
        name = "and" if isinstance(node.op, ast.And) else "or"
        result, *rest = [tree(value, known, BOOLEAN) for value in node.values]
        for value in rest:
            result = (name, result, value)
        return result
    if isinstance(node, ast.IfExp):
        condition = tree(node.test, known, BOOLEAN)
        return ("where", condition, tree(node.body, known), tree(node.orelse, known))
    if isinstance(node, ast.Call):
        return _call(node, known, type)
    return ("@", ast.unparse(node), type)


def _binary(node: ast.BinOp, known: dict[str, Node]) -> Node:
    if node.op.__class__ in _LOGIC:
        left, right = tree(node.left, known, BOOLEAN), tree(node.right, known, BOOLEAN)
        if gives(left) == gives(right) == BOOLEAN:
            return (_LOGIC[node.op.__class__], left, right)
        return ("@", ast.unparse(node), NUMBER)
    left, right = tree(node.left, known), tree(node.right, known)
    if isinstance(node.op, ast.Pow) and right in (("#", 2), ("#", 3)):
        return ("square" if right[1] == 2 else "cube", left)
    return (_BINARY[node.op.__class__], left, right)


def _unary(node: ast.UnaryOp, known: dict[str, Node], type: str) -> Node:
    if isinstance(node.op, ast.USub):
        inner = tree(node.operand, known)
        return ("#", -inner[1]) if inner[0] == "#" else ("neg", inner)
    if isinstance(node.op, ast.UAdd):
        return tree(node.operand, known)
    inner = tree(node.operand, known, BOOLEAN)
    if isinstance(node.op, ast.Not) or gives(inner) == BOOLEAN:
        return ("not", inner)
    return ("@", ast.unparse(node), type)


def _call(node: ast.Call, known: dict[str, Node], type: str) -> Node:
    plain = not node.keywords and not any(isinstance(a, ast.Starred) for a in node.args)
    name = ast.unparse(node.func)
    last = name.rsplit(".", 1)[-1]
    if plain and _CALLS.get(last, ("", 0))[1] == len(node.args):
        operator = _CALLS[last][0]
        takes_truth = operator in ("and", "or", "not", "where")
        first = tree(node.args[0], known, BOOLEAN if takes_truth else NUMBER)
        rest = [tree(a, known, BOOLEAN if operator in ("and", "or") else NUMBER)
                for a in node.args[1:]]  # fmt: skip
        return (operator, first, *rest)
    if plain and last in _SAFE and len(node.args) == 1:
        inner = tree(node.args[0], known)
        return (_SAFE[last], inner[1] if inner[0] == "abs" else inner)
    if plain and "." in name and node.args:
        return (f"call:{name}", *(tree(argument, known) for argument in node.args))
    return ("@", ast.unparse(node), type)
