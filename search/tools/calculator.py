"""calculator: exact arithmetic on whole numbers and fractions. Nothing is executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluators.tasks import arithmetic as ar
from evaluators.tasks.base import Dialect
from search.tools.tool import Marks, Result

COMPACT = Marks("[", "]", "=", "\n")
PLAIN = Marks("<calc>", "</calc>", " = ", "\n")


@dataclass(frozen=True)
class Calculator:
    """Evaluates `+ - * /` and brackets, by the grammar and within the caps of
    `evaluators.tasks.arithmetic`. A value that is no whole number is told in lowest terms, `7/2`.
    `written` are other marks than the dialect's.
    """

    written: Marks | None = None

    name = "calculator"
    steady = True

    def marks(self, dialect: Dialect) -> Marks:
        """`[3*7]=21` in the compact dialect, `<calc>3*7</calc> = 21` in the plain one."""
        return self.written or (COMPACT if dialect == "compact" else PLAIN)

    def explain(self, dialect: Dialect) -> str:
        """One sentence in the plain dialect; models of the compact one were trained to call."""
        if dialect == "compact":
            return ""
        call = self.marks(dialect).of("12*(3+4)")
        return f"You have a calculator: write {call} and the value follows."

    def prepare(self) -> None:
        """It works everywhere."""

    def run(self, call: str, earlier: Sequence[str] = (), seconds: float = 0.0) -> Result:
        """The value, or why there is none."""
        try:
            return Result(str(ar.evaluate(ar.parse(call))))
        except ZeroDivisionError:
            return Result("error: division by zero", failed=True)
        except ar.NotAnExpression as error:
            return Result(f"error: {error}", failed=True)
