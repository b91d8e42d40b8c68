"""A problem of one's own: one Python file (see `evaluators/discovery/examples/` for one to copy).

The file holds ordinary Python:

- one function marked `@evolve` (`from evaluators.discovery import evolve`), as it starts;
- `solve(instance)`, which calls it and returns an answer (without `solve`, the marked function is
  called with the instance itself). Both run in the sandbox, with what they use and nothing else;
- `score(instance, answer)`: a number; None, ValueError or AssertionError refuse the answer. It runs
  on the trusted side, never in the sandbox. The error's text is what the log and a model read;
- `DIRECTION`: "maximise" or "minimise";
- `train`, `validation`, `held_out`: instances as plain data, a list or a dictionary by name, or a
  function without parameters that returns one; no instance in two of them;
- perhaps `LIMITS` (a dictionary of the sandbox's limits), `baselines` (sources of the function by
  name), `verify(instance, answer)` (an exact score for checking stored answers again), and
  `DESCRIPTION` (what a model is told; else the module's docstring).
"""

from evaluators.discovery.own.check import check
from evaluators.discovery.own.problem import OwnProblem, load_own

__all__ = ["OwnProblem", "check", "load_own"]
