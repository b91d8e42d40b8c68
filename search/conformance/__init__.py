"""Conformance: hold a strategy to the rules of this house on toy problems of known optimum.

from search.conformance import check_strategy

check_strategy(MyStrategy())        # in a cell; in a test: assert_conforms(MyStrategy())
"""

from search.conformance.case import Case, Run, replay
from search.conformance.check import assert_conforms, check_strategy
from search.conformance.process import Process, brute_force
from search.conformance.report import Conformance, Finding
from search.conformance.rules import RULES

__all__ = [
    "RULES",
    "Case",
    "Conformance",
    "Finding",
    "Process",
    "Run",
    "assert_conforms",
    "brute_force",
    "check_strategy",
    "replay",
]
