"""Judging: each engine's derivatives enter; who is the reference, and everyone's verdict, leave.

Every engine is held against one reference: reverse mode, unless it is at fault itself. Reverse and forward
mode read one table of rules, so that they agree with each other proves nothing; what counts is how many
*independent* witnesses agree, and in a tie the function's own values win over any derivative rule.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from graphc.compare.engines import ENGINES, RULE_FREE, Findings
from graphc.compare.noise import noise_of
from graphc.compare.point import Point
from graphc.compare.probes import Probe
from graphc.compare.report import Comparison, Verdict
from graphc.runtime.interpreter import Array

# Rounding of a few hundred dependent operations, with room; a wrong rule is off by far more.
TOLERANCE = 1e-10
NOISE = 30  # standard deviations: engines round in different places
# Engines of one family share what could be wrong with them.
_FAMILY = {"reverse": "rules", "forward": "rules"}


@dataclass(frozen=True, eq=False)
class Judge:
    """Holds the engines of one comparison against each other."""

    point: Point
    probes: Sequence[Probe]
    findings: Mapping[str, Findings]
    tolerance: float | None
    seed: int
    _measured: dict[int, dict[str, float]] = field(default_factory=dict)

    def verdicts(self, faulty: Collection[str] = ()) -> list[Comparison]:
        """Every engine on every parameter, against the reference; ``faulty`` engines cannot be that."""
        return self._against(self._reference(faulty), list(self.findings))

    # -- the reference -----------------------------------------------------------------------------
    def _reference(self, faulty: Collection[str]) -> str:
        able = [e for e in ENGINES if e in self.findings]
        first = able[0]
        if first not in faulty and len(able) > 1 and self._agree(first, able[1:]):
            return first
        candidates = [e for e in able if e not in faulty] or able

        def weight(engine: str) -> tuple[int, bool]:
            friends = {engine, *[o for o in able if o != engine and self._agree(engine, [o])]}
            return len({_FAMILY.get(e, e) for e in friends}), not friends.isdisjoint(RULE_FREE)

        return max(candidates, key=weight)  # the first of equals

    def _agree(self, reference: str, others: Sequence[str]) -> bool:
        return all(c.verdict != "disagrees" for c in self._against(reference, [reference, *others]))

    # -- the verdicts ------------------------------------------------------------------------------
    def _against(self, reference: str, engines: Sequence[str]) -> list[Comparison]:
        noise = self._noise(reference)
        values = self.findings[reference].values
        largest = max((_largest(v) for v in values.values()), default=0.0)
        found = []
        for name in engines:
            for probe in self.probes:
                label = probe.parameter.label
                expected = values[label]
                # Rounding is relative to what was summed on the way, so a parameter whose gradient
                # cancels is granted a thousandth of the largest gradient as its scale.
                scale = max(_largest(expected), 1e-3 * largest)
                allowed, reason = self._allowed((name, reference), label, scale, noise[label])
                difference = np.abs(self.findings[name].values[label] - expected)
                wrong = ~(difference <= allowed)
                excused = self._at_kinks((name, reference), label, wrong)
                verdict: Verdict = "reference" if name == reference else "agrees"
                if np.any(wrong & ~excused):
                    verdict = "disagrees"
                elif np.any(wrong):
                    verdict, reason = "kink", "the derivative jumps within the step there"
                absolute, bound = _largest(difference), _largest(allowed)
                relative = absolute / scale if scale else 0.0
                found.append(
                    Comparison(
                        name, label, probe.description, absolute, relative, scale, bound, reason, verdict,
                        name == reference,
                    )
                )  # fmt: skip
        return found

    def _noise(self, reference: str) -> dict[str, float]:
        """The rounding of each parameter's gradient, where some engine has it as a graph."""
        labels = [p.parameter.label for p in self.probes]
        graphs = self.findings[reference].gradients or next(
            (f.gradients for f in self.findings.values() if f.gradients), ()
        )
        key = id(graphs)
        if key not in self._measured:
            sizes = noise_of(self.point, graphs, self.seed) if graphs else [0.0] * len(labels)
            self._measured[key] = dict(zip(labels, sizes, strict=True))
        return self._measured[key]

    def _allowed(self, engines: tuple[str, str], label: str, scale: float, noise: float) -> tuple[Array, str]:
        if self.tolerance is not None:
            exact = self.tolerance * scale
            reason = f"{self.tolerance:.0e} of the largest derivative, as asked"
        elif NOISE * noise > TOLERANCE * scale:
            exact, reason = NOISE * noise, f"{NOISE} × the gradient's own rounding, as measured"
        else:
            exact, reason = TOLERANCE * scale, f"{TOLERANCE:.0e} of the largest derivative: rounding"
        allowed = np.full(self.findings[engines[0]].values[label].shape, exact)
        for engine in dict.fromkeys(engines):
            errors = self.findings[engine].errors.get(label)
            if errors is not None:
                allowed = allowed + 10 * errors
                reason = "10 × Richardson's own estimate and rounding"
        return allowed, reason

    def _at_kinks(self, engines: tuple[str, str], label: str, wrong: Array) -> Array:
        """Where a kink excuses the pair: differences and complex step there follow no convention."""
        differences = self.findings.get("central differences")
        if differences is not None and not set(engines).isdisjoint(RULE_FREE):
            return np.asarray(differences.crossed[label])
        return np.zeros_like(wrong)


def _largest(values: Array) -> float:
    return float(np.max(np.abs(values), initial=0.0))
