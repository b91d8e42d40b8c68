"""Finding and Conformance: what a check of a strategy found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from search.conformance.case import Case


@dataclass(frozen=True)
class Finding:
    """One rule that did not hold: what was expected, what was seen, and the smallest case found."""

    rule: str
    expected: str
    seen: str
    case: Case | None = None

    def __str__(self) -> str:
        lines = [f"{self.rule}: expected {self.expected}", f"    seen: {self.seen}"]
        if self.case is not None:
            lines.append(f"    again: replay(strategy, {self.case!r})")
        return "\n".join(lines)


@dataclass(frozen=True)
class Conformance:
    """What came of holding a strategy to the rules: the rules that `held`, the `findings`, and why
    a rule did `not_apply`. It is true if there are no findings."""

    strategy: str
    held: tuple[str, ...]
    findings: tuple[Finding, ...]
    not_apply: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every rule that applies holds."""
        return not self.findings

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        verdict = "conforms" if self.ok else f"{len(self.findings)} findings"
        lines = [f"{self.strategy}: {verdict} ({len(self.held)} rules held)"]
        lines += [str(finding) for finding in self.findings]
        lines += [f"did not apply: {rule}: {why}" for rule, why in self.not_apply.items()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [f"<tr><td>{escape(rule)}</td><td>holds</td><td></td></tr>" for rule in self.held]
        for found in self.findings:
            again = f"replay(strategy, {found.case!r})" if found.case is not None else ""
            said = f"expected {found.expected}<br>seen: {found.seen}"
            said = "<br>".join(map(escape, said.split("<br>")))
            rows.append(
                f"<tr><td>{escape(found.rule)}</td><td><b>does not hold</b></td>"
                f"<td>{said}<br><code>{escape(again)}</code></td></tr>"
            )
        rows += [
            f"<tr><td>{escape(rule)}</td><td>does not apply</td><td>{escape(why)}</td></tr>"
            for rule, why in self.not_apply.items()
        ]
        return f"<p>{escape(self.strategy)}</p><table>{''.join(rows)}</table>"
