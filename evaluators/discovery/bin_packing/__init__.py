"""Online bin packing: `bin-packing:FAMILY`, with two skeletons (policy table, the paper's form)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluators.discovery.bin_packing.instances import FAMILIES, Drawn, Given
from evaluators.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from evaluators.discovery.bin_packing.problem import BinPacking

VARIANTS = tuple(FAMILIES)
SKELETONS = ("table", "priority")


def load(
    family: str,
    *,
    skeleton: str = "table",
    instances: str | None = None,
    divide: bool = True,
    train: int | None = None,
    validation: int | None = None,
    held_out: int | None = None,
    seed: int = 0,
    empty_bins: int | None = None,
    seconds: float | None = None,
) -> BinPacking:
    """`bin-packing:FAMILY` with one of SKELETONS.

    Instances come from the family by `seed`, as many as `train`, `validation` and `held_out` say,
    or from the file `instances` (see `instances.Given` for `divide`). `empty_bins` (see `priority`)
    and `seconds`, the processor time for an instance, are for the priority skeleton. Raises
    UnknownName and BadInput.
    """
    from evaluators.discovery.bin_packing.priority import PriorityProblem
    from evaluators.discovery.bin_packing.table import TableProblem

    if family not in FAMILIES:
        raise UnknownName("family of bin-packing instances", family, FAMILIES)
    if skeleton not in SKELETONS:
        raise UnknownName("skeleton", skeleton, SKELETONS)
    counts = (train, validation, held_out)
    if instances is None:
        source = Drawn(family, seed, counts)
    elif any(c is not None for c in counts):
        raise BadInput("train, validation and held_out do not go with instances=FILE")
    else:
        source = Given(instances, divide)
    name = f"bin-packing:{family}"
    if skeleton == "table":
        for option, value in (("empty_bins", empty_bins), ("seconds", seconds)):
            if value is not None:
                raise BadInput(f"{option} is an option of skeleton=priority")
        return TableProblem(name, source)
    if empty_bins is not None and (type(empty_bins) is not int or empty_bins < 1):
        raise BadInput(f"empty_bins must be an integer of at least 1, not {empty_bins!r}")
    if seconds is not None and not 0 < seconds < float("inf"):
        raise BadInput(f"seconds must be a number above 0, not {seconds!r}")
    return PriorityProblem(name, source, empty_bins, seconds)
