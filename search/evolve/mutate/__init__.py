"""The built-in proposer: mutation, crossover and constant tuning of syntax trees."""

from search.evolve.mutate.mutator import Mutator

__all__ = ["Mutator"]
