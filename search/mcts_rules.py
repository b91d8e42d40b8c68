"""The formulas of Monte-Carlo tree search: which child to follow, and when to draw another one."""

from __future__ import annotations

from math import log, sqrt


def uct(mean: float, parent_visits: int, visits: int, c: float) -> float:
    """UCB1 applied to trees: mean + c sqrt(ln N / n) (Kocsis and Szepesvari 2006, equation 1 with
    2 C_p = c). `mean` lies in 0..1; both counts are 1 or more."""
    return mean + c * sqrt(log(parent_visits) / visits)


def puct(mean: float, prior: float, parent_visits: int, visits: int, c: float) -> float:
    """Q + c P sqrt(N) / (1 + n) (Silver et al. 2017, Methods, "Search algorithm"; predictors of
    bandit arms are due to Rosin 2011). `prior` is the child's share of its siblings' sum."""
    return mean + c * prior * sqrt(parent_visits) / (1 + visits)


def widened(visits: int, factor: float, power: float) -> int:
    """How many draws a node may have had after so many visits: the floor of k n^a, at least 1
    (progressive widening: Coulom 2007; with an endless supply of sampled children Couetoux et al.
    2011)."""
    return max(1, int(factor * visits**power + 1e-9))
