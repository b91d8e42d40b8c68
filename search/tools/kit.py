"""Kit: the tools of one strategy in one dialect, and how their calls are found in a text."""

from __future__ import annotations

from dataclasses import dataclass, replace

from evaluators.errors import BadInput, UnknownName
from evaluators.tasks.base import Dialect
from reasoning.core import Sampling
from search.tools.calculator import Calculator
from search.tools.python import Python
from search.tools.tool import Marks, Tool

TOOLS: dict[str, Tool] = {"calculator": Calculator(), "python": Python()}
"""The tools by name; put your own here, or give the object."""

Tools = str | Tool | tuple[str | Tool, ...]
"""`"calculator"`, `"calculator+python"`, a Tool, or several."""


def tools_of(tools: Tools) -> tuple[Tool, ...]:
    """Tools by name or as they are. Raises UnknownName, and BadInput for none or one twice."""
    given = tools if isinstance(tools, tuple) else (tools,)
    named: list[str | Tool] = []
    for item in given:
        named += item.split("+") if isinstance(item, str) else [item]
    found: list[Tool] = []
    for item in named:
        if not isinstance(item, str):
            found.append(item)
        elif item.strip() in TOOLS:
            found.append(TOOLS[item.strip()])
        else:
            raise UnknownName("tool", item.strip(), TOOLS)
    names = [tool.name for tool in found]
    if not found or len(set(names)) < len(names):
        raise BadInput(f"tools are one or more different ones, not {names}")
    return tuple(found)


@dataclass(frozen=True)
class Call:
    """A call that stands whole in a text: what was asked of which tool, and the text behind its
    end mark (the rest of the token that held the mark)."""

    tool: Tool
    marks: Marks
    asked: str
    rest: str

    def told(self, result: str) -> str:
        """The result as it goes on from the rest."""
        return self.marks.told(result).removeprefix(self.rest)


@dataclass(frozen=True)
class Kit:
    """Tools with their marks in one dialect. `tells_stop` is whether the model tells a stop string
    from the end of its text."""

    tools: tuple[Tool, ...]
    dialect: Dialect
    tells_stop: bool = True

    def __post_init__(self) -> None:
        if len(self.ends) > 2:
            raise BadInput(
                f"tools with more than two different end marks ({', '.join(map(repr, self.ends))})"
                " cannot be told apart: use fewer, or give them equal end marks"
            )

    @property
    def ends(self) -> list[str]:
        """The different end marks."""
        return list(dict.fromkeys(tool.marks(self.dialect).end for tool in self.tools))

    @property
    def explained(self) -> str:
        """What the question tells of the tools."""
        return "\n".join(filter(None, (tool.explain(self.dialect) for tool in self.tools)))

    def stops(self, sampling: Sampling) -> Sampling:
        """The sampling that ends where a call does. The mark stays in the text as a boundary; a
        second one, or one that a server does not tell from the end, is a stop string."""
        if not self.tells_stop:
            return replace(sampling, boundary=None, stop=tuple(self.ends))
        return replace(sampling, boundary=self.ends[0], stop=tuple(self.ends[1:]))

    def begun(self, text: str) -> tuple[Tool, Marks, int] | None:
        """The first call that the text begins: its tool, its marks, and where its begin mark ends.
        A begin mark within another call is part of that call."""
        found: tuple[int, Tool, Marks] | None = None
        for tool in self.tools:
            marks = tool.marks(self.dialect)
            at = text.find(marks.begin)
            if at >= 0 and (found is None or at < found[0]):
                found = at, tool, marks
        if found is None:
            return None
        at, tool, marks = found
        return tool, marks, at + len(marks.begin)

    def call(self, text: str) -> Call | None:
        """The first call in the text, if it is whole."""
        begun = self.begun(text)
        if begun is None:
            return None
        tool, marks, start = begun
        end = text.find(marks.end, start)
        if end < 0:
            return None
        return Call(tool, marks, text[start:end], text[end + len(marks.end) :])

    def mark_of(self, text: str) -> str:
        """The end mark that ended the text as a stop string: that of the call it has begun; without
        one the mark that a begin mark begins with (a fence is both), or else the first."""
        stops = self.ends[1:] if self.tells_stop else self.ends
        begun = self.begun(text)
        if begun is not None and begun[1].end in stops:
            return begun[1].end
        begins = [tool.marks(self.dialect).begin for tool in self.tools]
        both = [end for end in stops if any(begin.startswith(end.strip()) for begin in begins)]
        return (both or stops)[0]
