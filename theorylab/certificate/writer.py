"""The statement of a certificate: letters, definitions, flows and hypotheses of a world, collected and written.

It holds the model's outputs, the rates and the quantities, never a derived field: the checker derives that itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from theorylab.derive.relations import gram, lead_of, orthogonal_letter
from theorylab.derive.world import Component, World
from theorylab.errors import UnsupportedReading
from theorylab.flow import Flow
from theorylab.gradient_flow import FirstOrder, SecondOrder
from theorylab.readings import polynomial as po
from theorylab.readings.array import Array, is_number
from theorylab.readings.letters import TIME
from theorylab.readings.namespace import Case, Namespace, call
from theorylab.readings.polynomial import Polynomial, Symbol

Json = Any


def plain(name: str) -> str:
    """A name as the checker wants it: printable, and it starts with a letter or an underscore."""
    return name if name[:1].isalpha() or name[:1] == "_" else f"_{name}"


class Writer:
    """Collects the letters and definitions of one statement."""

    def __init__(self, world: World, keep: bool = True) -> None:
        """keep: whether zeros are stated as they are written."""
        self.world, self.keep = world, keep
        self.letters: dict[str, dict[str, Json]] = {}
        self.define: list[dict[str, Json]] = []
        self.names: dict[Symbol, str] = {}
        self.counts: dict[str, int] = {}
        self.rewrites: list[dict[str, Json]] = []
        self.relations: list[dict[str, Json]] = []
        self.premises: dict[str, None] = {}
        self.named: dict[Polynomial, Symbol] = {}
        self.parts: dict[Symbol, Polynomial] = {}

    # -- expressions ---------------------------------------------------------------------------------------

    def symbol(self, s: Symbol) -> str:
        if s.name == "delta" or s.name.startswith("#"):
            return s.name
        if s not in self.names:
            if s in self.parts:
                expression = self.expression(self.parts[s])
                name = self.names[s] = self.fresh("part")
                axes = [[f"i{a}", str(size)] for a, size in enumerate(s.sizes)]
                self.define.append({"name": name, "axes": axes, "expr": expression})
            elif s.argument is None:
                self.names[s] = plain(s.name)
                self.letters[self.names[s]] = {"shape": [str(z) for z in s.sizes], "sign": s.sign}
            else:
                argument = self.expression(s.argument)
                if s.function == "log":
                    self.divisible(s.argument)
                name = self.fresh(s.function or "atom")
                self.names[s] = name
                axes = [[f"i{a}", str(size)] for a, size in enumerate(s.sizes)]
                self.define.append({"name": name, "axes": axes, "fn": s.function, "arg": argument})
        return self.names[s]

    def divisible(self, p: Polynomial) -> None:
        """log(u) has the derivative u'/u: the letters of a one-term u must not vanish."""
        if len(p.terms) == 1:
            for s, _, _ in next(iter(p.terms)):
                if s.argument is None and s.sign == "any":
                    self.letters[self.symbol(s)]["sign"] = "nonzero"

    def fresh(self, stem: str) -> str:
        self.counts[stem] = self.counts.get(stem, 0) + 1
        return f"{stem}.{self.counts[stem]}"

    def expression(self, p: Polynomial) -> list[Json]:
        return [self.term(m, c) for m, c in sorted(p.terms.items(), key=lambda item: repr(item[0]))]

    def term(self, m: po.Monomial, c: po.Coefficient) -> list[Json]:
        factors = []
        for s, idx, e in m:
            name, exponent = self.power(s, e)
            factors.append([name, [f"i{i}" if i >= 0 else f"s{-i}" for i in idx], exponent])
        return [str(Fraction(c)), factors]

    def power(self, s: Symbol, e: int) -> tuple[str, int]:
        """A name and an exponent for s^e: a letter that something is divided by must not vanish."""
        name = self.symbol(s)
        if e < 0 and s.argument is None and not s.nonzero:
            self.letters[name]["sign"] = "nonzero"
        return name, e

    def definition(self, stem: str, component: Component) -> str:
        """A letter itself, or a new definition with the component's axes in order."""
        order = {a: n for n, (a, _) in enumerate(component.axes)}
        entry = component.entry.relabel(order)
        sizes = [size for _, size in component.axes]
        if len(entry.terms) == 1:
            ((m, c),) = entry.terms.items()
            if (
                c == 1
                and len(m) == 1
                and m[0][2] == 1
                and m[0][1] == tuple(range(len(sizes)))
                and m[0][0].argument is None
            ):
                return self.symbol(m[0][0])
        name = self.fresh(stem)
        expression = self.expression(entry)
        self.define.append(
            {"name": name, "axes": [[f"i{n}", str(size)] for n, size in enumerate(sizes)], "expr": expression}
        )
        return name

    def axes(self, component: Component) -> list[list[str]]:
        return [[f"i{a}", str(size)] for a, size in component.axes]

    def scalar(self, value: Any) -> list[Json]:
        (component,) = self.world.components(self.world.array(value))
        return self.expression(component.entry)

    # -- flows ---------------------------------------------------------------------------------------------

    def flow(self, flow: Flow, state: Mapping[str, Array], case: Case, with_start: bool) -> dict[str, Json]:
        """A flow by its outputs, or by its right-hand side where it is no plain gradient flow."""
        p, c = flow.view(state, case, self.world.time)
        parts = {n: self.world.components(a) for n, a in state.items()}
        spec: dict[str, Json] = {"state": {}}
        explicit: dict[str, str] = {}
        base = flow.base if isinstance(flow, SecondOrder) else flow
        descent = _descent(base, p, c)
        if isinstance(base, FirstOrder) and (descent is not None or base.loss is None):
            weights = self.world.components(self.world.array(base.residual(p, c)))
            outputs = self.world.components(self.world.array(base.outputs(p, c)))
            spec["outputs"] = [
                [self.definition("output", f), self.definition("slope", r)]
                for f, r in zip(outputs, weights, strict=True)
                if f.entry
            ]
        if descent is not None:
            rates, decay = descent
            for name, rate in rates.items():
                for component in parts[name]:
                    spec["state"][self.definition("state", component)] = self.scalar(rate)
            if not (is_number(decay) and not decay):
                spec["decay"] = self.scalar(decay)
            if isinstance(flow, SecondOrder):
                spec["friction"] = self.scalar(flow.friction(p, c))
                spec["velocity"] = {
                    self.definition("state", w): self.definition("state", v)
                    for n in rates
                    for w, v in zip(parts[n], parts[f"velocity_{n}"], strict=True)
                }
        else:
            for name, value in flow.field(p, c).items():
                self.right_side(explicit, parts[name], self.world.lift(value, state[name]))
        for name, integrand in flow.integrals.items():
            key = f"integral.{name}"
            self.right_side(explicit, parts[key], self.world.lift(call(integrand, p, c), state[key]))
        if explicit:
            spec["explicit"] = explicit
        if with_start:
            spec["initial"] = {}
            for name, array in state.items():
                start = case["init"][name] if name in flow.state else array * 0
                values = self.world.components(self.world.lift(start, array))
                for letter, value in zip(parts[name], values, strict=True):
                    spec["initial"][self.definition("state", letter)] = self.start(letter, value)
        return spec

    def right_side(self, explicit: dict[str, str], letters: Sequence[Component], value: Array) -> None:
        for letter, part in zip(letters, self.world.components(value), strict=True):
            explicit[self.definition("state", letter)] = self.definition(
                "velocity", Component(part.entry, letter.axes, part.index)
            )

    def clock(self, specs: Sequence[dict[str, Json]]) -> None:
        """The time as a state letter of every flow, with derivative 1 and initial value 0, if the statement has it."""
        if plain(TIME) in self.letters:
            for spec in specs:
                spec.setdefault("explicit", {})[plain(TIME)] = self.definition("velocity", Component(po.ONE, ()))
                if "initial" in spec:
                    spec["initial"][plain(TIME)] = self.definition("start", Component(po.ZERO, ()))

    def start(self, letter: Component, value: Component) -> str:
        return self.definition("start", Component(value.entry, letter.axes, value.index))

    # -- hypotheses ----------------------------------------------------------------------------------------

    def hypotheses(self, rules: Sequence[po.Rule]) -> None:
        """The relations that were not enforced, with the rules that use them."""
        for assumption, residual in self.world.relations:
            for n, component in enumerate(self.world.components(self.world.array(residual))):
                if not component.entry:
                    continue
                name = plain(assumption.name) if component.index is None else f"{plain(assumption.name)}.{n}"
                stated = {name: component.entry}
                letter = orthogonal_letter(component.entry)
                if letter is not None:  # M is square: M M' = I and M' M = I say the same
                    stated[f"{name}, transposed"] = gram(letter, transposed=True)
                for known, entry in stated.items():
                    self.relations.append({"name": known, "axes": self.axes(component), "expr": self.expression(entry)})
                    for rule in rules:
                        if rule.name == assumption.name and rule.lead in entry.terms:
                            self.rewrites.append({"relation": known, "lead": self.term(rule.lead, 1)})

    def enforced(self) -> list[dict[str, Json]]:
        """Goals that no case is lost where hypotheses are enforced: what satisfies one of them is left as it is.

        The hypothesis becomes a relation of the statement. It is left out where it has no form in this reading.
        """
        goals: list[dict[str, Json]] = []
        raw, left = self.world.unenforced, [a for a, _ in self.world.relations]
        for assumption in self.world.setting.assumptions:
            if assumption.enforce is None or assumption.holds is None or assumption.positive or assumption in left:
                continue
            try:
                residual = self.world.components(self.world.array(assumption.holds(raw)))
                changed = {name: self._value(raw, name) - value for name, value in assumption.enforce(raw).items()}
                gaps = [c for gap in changed.values() for c in self.world.components(self.world.array(gap)) if c.entry]
            except UnsupportedReading:
                continue
            names = [f"enforced.{len(goals) + n}" for n in range(len(gaps))]
            for n, component in enumerate(residual):
                terms = Polynomial({m: c for m, c in component.entry.terms.items() if m})
                if terms.terms:
                    name = plain(assumption.name) + (f".{n}" if component.index is not None else "")
                    stated = {"name": name, "axes": self.axes(component), "expr": self.expression(component.entry)}
                    self.relations.append(stated)
                    lead = self.term(lead_of(terms, set()), 1)
                    self.rewrites += [{"relation": name, "lead": lead, "for": goal} for goal in names]
            for name, gap in zip(names, gaps, strict=True):
                spec = {"name": name, "kind": "zero", "axes": self.axes(gap)}
                goals.append({**spec, "expr": self.expression(gap.entry)})
        return goals

    @staticmethod
    def _value(case: Case, name: str) -> Array:
        head, _, tail = name.partition(".")
        return case[head][tail] if tail else case[head]

    def conserved(self, name: str, rules: Sequence[po.Rule]) -> None:
        """The rule that was solved from the conserved goal of this name."""
        for rule in rules:
            if rule.name == name:
                parts = [[self.expression(p), part] for part, p in rule.parts.items() if p]
                self.rewrites.append({"combination": parts, "lead": self.term(rule.lead, 1)})


def _descent(flow: Flow, p: Namespace, c: Case) -> tuple[dict[str, Any], Any] | None:
    """The rates and the weight decay of a gradient flow.

    None for other flows, and where there is a metric, or a rate or the decay is no scalar: then the right-hand side is
    stated.
    """
    if not isinstance(flow, FirstOrder) or flow.metric is not None:
        return None
    rates = {name: flow.rate(name, p, c) for name in flow.state}
    decay = flow.decay(p, c)
    scalars = all(getattr(value, "shape", ()) == () for value in (*rates.values(), decay))
    return (rates, decay) if scalars else None
