"""`reasonlab verify RUN`: check the artefacts of an evolution again, without running any code."""

from __future__ import annotations

from evaluators.errors import BadInput

USAGE = """usage: reasonlab verify FOLDER

Checks every artefact that `reasonlab evolve --out FOLDER` stored, exactly, with the problem's own
verifier; no program runs. Prints one line for each. Exit code 0: all are valid, 1: one is not."""


def run(argv: list[str]) -> int:
    """The command."""
    if {"-h", "--help"} & set(argv):
        print(USAGE)
        return 0
    if len(argv) != 1 or argv[0].startswith("-"):
        raise BadInput("reasonlab verify takes the folder of one run")
    from search.evolve.verify import verify_run

    found = verify_run(argv[0])
    for one in found:
        if one.valid:
            print(f"{one.file}: valid, program {one.k}, {one.split} score {one.check.score!r}")
        else:
            print(f"{one.file}: INVALID: {one.reason}")
    return 0 if all(one.valid for one in found) else 1
