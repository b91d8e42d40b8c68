"""The command `reasonlab`: finds the subcommand and turns errors into one line and an exit code.

Each subcommand is a module with `run(argv) -> int`; only the one that is asked for is imported.
Exit codes: 0 done, 1 the work itself failed, 2 wrong name, option or file, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from evaluators.errors import BadInput, LabError, UnknownName

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("labs.demo", "the main job: ways of reasoning at equal budget, chart and table"),
    "compare": ("labs.compare", "strategies x budgets on a task; resumable, from flags or TOML"),
    "check": ("labs.check", "judge completions in a JSONL file, one JSON verdict a line"),
    "solve": ("labs.solve", "print the traces of one problem, each step with its verdict"),
    "tree": ("labs.tree", "the search tree of one problem of a run, as a page or a file"),
    "plan": ("labs.plan", "fit an adaptive strategy: what pays at which difficulty"),
    "evolve": ("labs.evolve", "evolutionary code search; resumable, from flags or TOML"),
    "score": ("labs.score", "score a program on a discovery problem, JSON on the last line"),
    "verify": ("labs.verify", "check the artefacts of an evolution again, without running code"),
    "judge": ("labs.judge", "pass@k of code samples against unit tests, in the sandbox"),
    "serve": ("labs.serve", "serve models and strategies as OpenAI does"),
    "students": ("labs.students", "trained models side by side: samples, search, forgetting, cost"),
    "tasks": ("labs.names", "list the tasks"),
    "models": ("labs.names", "list the models"),
    "strategies": ("labs.names", "list the strategies"),
    "scorers": ("labs.names", "list the scorers"),
    "traces": ("labs.trace_data", "collect, select, view and describe reasoning traces"),
    "train": ("labs.train", "train reward and process models"),
    "estimate": ("labs.estimate", "what training takes: memory by part, time, money"),
    "pretrain": ("labs.pretrain", "train an embedded model by its recipe"),
}
"""Name -> module with `run(argv)`, one line of help."""


def usage() -> str:
    """The text of `reasonlab --help`."""
    width = max(map(len, COMMANDS))
    rows = [f"  {name.ljust(width)}  {help}" for name, (_, help) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: reasonlab [--import MODULE] COMMAND [options]",
            "",
            "A laboratory for machine reasoning. Commands:",
            "",
            *rows,
            "",
            "reasonlab COMMAND --help shows a command's options. --import MODULE runs a module of",
            "yours first (from the current folder or installed), so that the tasks, models and",
            "strategies that it registers have names here; it may be given several times.",
        ]
    )


def take_imports(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split `--import MODULE` (anywhere, repeated) from the rest: modules, remaining arguments."""
    modules: list[str] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif word == "--import":
            module = next(words, "")
            if not module or module.startswith("-"):
                raise BadInput("--import needs the name of a module: --import my_module")
            modules.append(module)
        elif word.startswith("--import="):
            modules.append(word.removeprefix("--import="))
        else:
            rest.append(word)
    return modules, rest


def bring(modules: Sequence[str]) -> None:
    """Import the user's modules, by name (the current folder first) or by the path of a file.
    Raises BadInput for one not found."""
    for given in modules:
        file = Path(given)
        by_path = file.suffix == ".py" or len(file.parts) > 1
        folder, name = (file.resolve().parent, file.stem) if by_path else (Path.cwd(), given)
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            raise BadInput(
                f"--import {given}: {error}; name a module that is installed or stands in the"
                " current folder, or give the path of its file"
            ) from error


def dispatch(argv: Sequence[str]) -> int:
    """Run one subcommand. Raises UnknownName and whatever the command raises."""
    modules, rest = take_imports(argv)
    if not rest or rest[0] in ("-h", "--help", "help"):
        print(usage())
        return 0
    if rest[0] in ("-V", "--version"):
        from importlib.metadata import version

        print(version("reasoning-lab"))
        return 0
    name, options = rest[0], rest[1:]
    if name not in COMMANDS:
        raise UnknownName("command", name, COMMANDS)
    if not {"-h", "--help"} & set(options):
        bring(modules)
    module = import_module(COMMANDS[name][0])
    return (
        module.run(options) if COMMANDS[name][0] != "labs.names" else module.run([name, *options])
    )


def main(argv: Sequence[str] | None = None) -> int:
    """The console script. Returns the exit code; argparse and tyro may raise SystemExit."""
    try:
        return dispatch(sys.argv[1:] if argv is None else argv)
    except LabError as error:
        print(f"reasonlab: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        advice = str(stop)
        print(f"\nreasonlab: interrupted{': ' + advice if advice else ''}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader (head, less) went away; a second write at exit must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


if __name__ == "__main__":
    sys.exit(main())
