"""Tools that a model calls while it reasons: a calculator, and Python in the sandbox."""

from search.tools.calculator import Calculator
from search.tools.kit import TOOLS, Kit, tools_of
from search.tools.python import Python
from search.tools.tool import Marks, Result, Tool

__all__ = ["TOOLS", "Calculator", "Kit", "Marks", "Python", "Result", "Tool", "tools_of"]
