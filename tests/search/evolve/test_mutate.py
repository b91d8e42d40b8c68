"""The built-in proposer: what it writes always runs, stays in scope, and repeats from its draws."""

import ast
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from evaluators.errors import BadInput
from search.evolve.mutate import Mutator
from search.evolve.mutate.constants import constants_of, tune
from search.evolve.mutate.expression import BOOLEAN, OPERATORS, children, gives, size, walk
from search.evolve.mutate.grammar import WEIGHTS, grammar_of
from search.evolve.mutate.operators import CHANGES, cross
from search.evolve.mutate.parse import _KNOWN, parse
from search.evolve.mutate.render import Renderer
from search.evolve.mutate.simplify import simplify
from search.evolve.program import Program, Request

ARRAYS = "import numpy as np\n\n\ndef f(x, y):\n    return 0\n"
PLAIN = "import math\n\n\ndef f(x, y):\n    return 0\n"
LOOP = '''import numpy as np


def f(x, y):
    """Adds up."""
    total = 0
    for i in range(3):
        if x < i:
            total += y * i
        else:
            total = total + np.minimum(x, 2.5)
    while total > 100:
        total = total / 2
    return total
'''


def problem(skeleton=ARRAYS, **hints) -> Any:
    return SimpleNamespace(name="toy", function="f", skeleton=skeleton, hints=hints)


def rng(*seed):
    return np.random.default_rng(seed)


def request(parents, task=None, attempt=0):
    made = tuple(Program(k, source, 0, (), "") for k, source in enumerate(parents))
    return Request(len(made), task or problem(), 0, made, attempt)


def stream(start, count, task=None, seed=0, keep=60):
    """Proposals one after the other, each from two of the last ones."""
    draws, pool, mutator = rng(seed), [start], Mutator()
    for _ in range(count):
        at = draws.integers(len(pool), size=2)
        made = mutator.propose(request([pool[i] for i in at], task), draws)
        if made.source is not None:
            yield made.source
            pool = [*pool, made.source][-keep:]


def value(source, x: Any = 3, y: Any = 2):
    space = {}
    exec(source, space)
    with np.errstate(all="ignore"):
        return space["f"](x, y)


def roots(source):
    return parse(source, "f").roots


def made_of(depth):
    """A program with a tree of some size."""
    root = grammar_of(problem()).grow("number", depth, ("x", "y"), rng(11), 0.0)
    return f"import numpy as np\n\n\ndef f(x, y):\n    return {Renderer().text(root)}\n"


# -- what it writes -------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [ARRAYS, LOOP], ids=["return 0", "loop"])
def test_every_child_defines_the_function_and_names_only_what_is_in_scope(start):
    for source in stream(start, 300):
        module = ast.parse(source)
        function = next(n for n in module.body if isinstance(n, ast.FunctionDef))
        assert function.name == "f"
        stored = {n.id for n in ast.walk(module) if isinstance(n, ast.Name) and
                  isinstance(n.ctx, ast.Store)}  # fmt: skip
        read = {n.id for n in ast.walk(module) if isinstance(n, ast.Name)} - stored
        assert read <= {"x", "y", "np", "range"}
        compile(module, "child", "exec")


def test_children_of_return_0_run_on_arrays_and_never_read_a_name_too_early():
    x, y = np.arange(1, 5)[:, None], np.arange(1, 6)[None, :]
    shapes = [np.shape(value(source, x, y)) for source in stream(ARRAYS, 400)]
    assert {(4, 5)} < set(shapes) <= {(), (4, 1), (1, 5), (4, 5)}


def test_a_loop_with_statements_keeps_its_statements_and_runs():
    count = 0
    for source in stream(LOOP, 150):
        tree = ast.parse(source)
        kinds = [type(node).__name__ for node in ast.walk(tree) if isinstance(node, ast.stmt)]
        assert kinds.count("For") == kinds.count("While") == kinds.count("If") == 1
        assert "while total > 100:" in source and '"""Adds up."""' in source
        count += 1
    assert count > 140


def test_no_import_and_no_attribute_is_added_beyond_the_primitives():
    known = {"minimum", "maximum", "abs", "sqrt", "log1p", "where"}
    for source in stream(ARRAYS, 300):
        module = ast.parse(source)
        imports = [n for n in ast.walk(module) if isinstance(n, ast.Import | ast.ImportFrom)]
        assert len(imports) == 1
        assert {n.attr for n in ast.walk(module) if isinstance(n, ast.Attribute)} <= known


def test_without_numpy_it_writes_plain_python():
    task, values = problem(PLAIN), []
    for source in stream(PLAIN, 300, task):
        assert "np." not in source
        try:
            values.append(value(source))
        except (ZeroDivisionError, OverflowError):
            continue
    assert len(values) > 200 and all(isinstance(v, int | float) for v in values)


def test_terms_of_the_problem_are_built_in_and_named():
    task = problem(terms={"gap": "y - x"}, constants=(77,))
    sources = list(stream(ARRAYS, 400, task))
    assert any("gap = y - x\n" in source for source in sources)
    assert sum("77" in source for source in sources) > 20


def test_operators_that_the_problem_names_are_the_only_ones_used():
    task = problem(operators=("+", "*"))
    for source in stream(ARRAYS, 200, task):
        assert {n[0] for _, n in walk(roots(source)[0])} <= {*"+*-x#", "neg", "square"}


def test_an_unknown_operator_in_the_hints_is_named():
    with pytest.raises(BadInput, match="unknown operators: swirl"):
        grammar_of(problem(operators=("+", "swirl")))


# -- draws and duplicates -------------------------------------------------------------------------


def test_the_same_draws_give_the_same_programs():
    one = list(stream(ARRAYS, 200, seed=5))
    assert one == list(stream(ARRAYS, 200, seed=5))
    assert one != list(stream(ARRAYS, 200, seed=6))


def test_a_child_differs_from_its_parent_and_duplicates_are_rare():
    mutator, parent = Mutator(), "def f(x, y):\n    return x * 2 + y / (x + 1)\n"
    sources = [mutator.propose(request([parent, parent]), rng(1, k)).source for k in range(200)]
    assert None not in sources and not {s for s in sources if s and roots(s) == roots(parent)}
    made = list(stream(made_of(3), 500, seed=12, keep=500))
    assert len(made) - len(set(made)) < 60


def test_return_0_grows_and_never_beyond_the_largest():
    sizes = [size(roots(source)[0]) for source in stream(ARRAYS, 600)]
    assert max(sizes[:50]) > 5
    assert max(sizes) <= Mutator().largest


def test_a_parent_that_does_not_parse_is_a_reason_not_an_error():
    made = Mutator().propose(request(["def f(x, y:\n"]), rng(0))
    assert made.source is None and made.reason == "no parent parses"


def test_crossover_names_both_parents_and_mutation_one():
    mutator, parents = Mutator(crossover=1.0), ["def f(x, y):\n    return x + y * 3\n"] * 2
    parents[1] = "def f(x, y):\n    return (x - 7) / y\n"
    made = [mutator.propose(request(parents), rng(2, k)) for k in range(100)]
    for one in made:
        assert len(one.parents) == (2 if "crossover" in one.origin else 1)
    assert {one.parents for one in made} >= {(0, 1), (1, 0)}


# -- the pieces -----------------------------------------------------------------------------------


def well_typed(node):
    known = OPERATORS.get(node[0])
    own = known is None or tuple(gives(child) for child in children(node)) == known.takes
    return own and all(well_typed(child) for child in children(node))


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_change_keeps_the_types(name):
    grammar, changed = grammar_of(problem()), 0
    for seed in range(200):
        draws = rng(3, seed)
        root = grammar.grow("number", 4, ("x", "y"), draws)
        new = CHANGES[name][0](root, grammar, ("x", "y"), draws)
        if new is not None:
            assert well_typed(new) and gives(new) == "number"
            changed += 1
    assert changed > 20


def test_crossover_keeps_the_types():
    grammar = grammar_of(problem())
    for seed in range(300):
        draws = rng(4, seed)
        one, other = (grammar.grow("number", 4, ("x", "y"), draws) for _ in range(2))
        made = cross(one, other, draws)
        assert made is None or well_typed(made)
        condition = grammar.grow(BOOLEAN, 3, ("x", "y"), draws)
        assert gives(cross(condition, one, draws) or condition) == BOOLEAN


def test_simplified_expressions_have_the_same_value_and_are_no_longer():
    plain = [name for name in WEIGHTS if name not in ("not", "%")]  # ~True is -2, % jumps
    grammar, say = grammar_of(problem(operators=plain)), Renderer()
    x, y = np.array([1.0, 2.5, -3.0, 7.0]), np.array([4.0, -1.5, 2.0, 0.5])
    shorter = 0
    for seed in range(600):
        root = ("+", grammar.grow("number", 4, ("x", "y"), rng(5, seed)), ("x", "x"))
        new = simplify(root)
        assert size(new) <= size(root)
        shorter += size(new) < size(root)
        space = {"np": np, "x": x, "y": y}
        with np.errstate(all="ignore"):
            try:
                before, after = (eval(say.text(n), space) for n in (root, new))
            except ZeroDivisionError:
                continue
        before, after = np.broadcast_to(before, 4), np.broadcast_to(after, 4)
        defined = np.isfinite(before)
        assert np.allclose(before[defined], after[defined], rtol=1e-4, atol=1e-4)
    assert shorter > 60


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("x + 0", "x"), ("0 * x", "0"), ("x - x", "0"), ("x / 1", "x"), ("2 * 3 + x", "x + 6"),
        ("(x + 2) - 5", "x - 3"), ("x * x", "x**2"), ("-(-x)", "x"), ("x - (-y)", "x + y"),
        ("np.where(x < x, x, y)", "y"), ("np.minimum(y, y)", "y"), ("np.abs(x**2)", "x**2"),
        ("~(x < y)", "x >= y"), ("(x * 2) * 3", "x * 6"), ("(x + y) - x", "y"),
    ],
)  # fmt: skip
def test_algebra(text, short):
    (root,) = roots(f"def f(x, y):\n    return {text}\n")
    assert Renderer().text(simplify(root)) == short


def test_written_and_read_again_an_expression_is_the_same():
    grammar = grammar_of(problem(terms=("x[0]", "g(y)")))
    for style, seed in [(Renderer(), 6), (Renderer(None, "math"), 7)]:
        for number in range(300):
            root = simplify(grammar.grow("number", 4, ("x", "y"), rng(seed, number)))
            text = style.text(root)
            assert roots(f"def f(x, y):\n    return {text}\n") == (root,), text


@pytest.mark.parametrize("start", [ARRAYS, PLAIN, LOOP], ids=["arrays", "plain", "loop"])
def test_a_remembered_genome_is_the_one_that_its_source_parses_to(start):
    sources = list(stream(start, 400, problem(start), seed=13))
    remembered = [parse(source, "f") for source in sources]
    _KNOWN.clear()
    assert [parse(source, "f") for source in sources] == remembered


def test_long_expressions_become_short_lines_with_the_same_value():
    x, y = np.array([2.0, 3.0]), np.array([5.0, 1.5])
    for source in stream(ARRAYS, 500, seed=8):
        assert max(map(len, source.splitlines())) <= 100
        text = Renderer().text(roots(source)[0])
        flat = f"import numpy as np\ndef f(x, y):\n    return {text}\n"
        assert np.array_equal(value(flat, x, y), value(source, x, y), equal_nan=True)


def test_assignments_and_a_return_are_one_expression():
    source = "def f(x, y):\n    a = x + 1\n    a *= y\n    b = a - x\n    return b / a\n"
    genome = parse(source, "f")
    assert genome.inlined
    assert Renderer().text(genome.roots[0]) == "((x + 1) * y - x) / ((x + 1) * y)"


def test_a_local_variable_inside_unreadable_python_keeps_the_statements():
    source = "def f(x, y):\n    a = x + 1\n    return [a, y][0] * 2\n"
    genome = parse(source, "f")
    assert not genome.inlined and len(genome.roots) == 2


# -- tuning ---------------------------------------------------------------------------------------


def test_tuned_constants_reach_the_optimum_of_a_convex_toy():
    (root,), draws = roots("def f(x, y):\n    return 1 * x + 50 * y\n"), rng(9)

    def loss(node):
        a, b = (number for _, number in constants_of(node))
        return (a - 3.25) ** 2 + (b + 7) ** 2

    for _ in range(1500):
        new = tune(root, draws)
        assert new is not None
        root = min(root, new, key=loss)
    assert math.sqrt(loss(root)) < 0.02


def test_tuning_changes_numbers_and_nothing_else():
    (root,) = roots("def f(x, y):\n    return np.where(x < 3, y * 0.5, x + 10)\n")
    for seed in range(100):
        new = tune(root, rng(10, seed))
        assert new is not None and new != root
        assert [p for p, n in walk(new) if n[0] != "#"] == [p for p, n in walk(root) if n[0] != "#"]


def test_an_expression_without_constants_has_nothing_to_tune():
    assert tune(("+", ("x", "x"), ("x", "y")), rng(0)) is None
