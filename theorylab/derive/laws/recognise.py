"""Laws written the way a paper writes them: entries of W W' - V'V, squared norms, sums.

A quadratic law is a sum of *contractions*: the sum over some axes of A[..., j, ...] B[..., l, ...]. Contractions of one
array with itself along a kept axis are entries of its Gram matrix. Entries of one matrix law form a *family*.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations, product
from math import prod
from typing import Any

from theorylab.derive.laws.sparse import Coefficient, Poly, accumulate, scale

Index = tuple[int, ...]
Letter = tuple[str, Index]


@dataclass(frozen=True)
class Kind:
    """The sum over the axes `summed` of a product of arrays with `axes` axes; `extra` are scalars such as the clock."""

    arrays: tuple[str, ...]
    summed: tuple[int, ...]
    extra: tuple[str, ...] = ()
    axes: int = 0

    def slots(self, letter: str) -> str:
        """The index with a colon for each summed axis; nothing where all are summed."""
        if len(self.summed) == self.axes:
            return ""
        kept = [a for a in range(self.axes) if a not in self.summed]
        names = dict(zip(kept, [*"ghi"[3 - len(kept) + 1 :], letter] if len(kept) > 1 else [letter], strict=False))
        return "[" + ",".join(names.get(a, ":") for a in range(self.axes)) + "]"


@dataclass(frozen=True)
class Contraction:
    """A coefficient times a kind; `kept` gives the index of each array along the axes that are not summed."""

    coefficient: Coefficient
    kind: Kind
    kept: tuple[Index, ...]


@dataclass(frozen=True)
class Family:
    """Laws with the same kinds and coefficients that differ in the kept indices.

    parts: coefficient and kind of each contraction. entries: the kept indices (j, l) of each law; all contractions of
    a law have the same. size: the number of values that a kept index can have. counted: how many of the entries are
    independent of the laws before.
    """

    parts: tuple[tuple[Coefficient, Kind], ...]
    entries: tuple[tuple[Index, ...], ...]
    size: int
    antisymmetric: bool = False
    counted: int = 0

    @property
    def body(self) -> str:
        """The law for all entries."""
        common = self.parts[0][1].extra if len({k.extra for _, k in self.parts}) == 1 else ()
        body = _joined([(c, _kind_text(replace(k, extra=k.extra[len(common) :]), self.matrix)) for c, k in self.parts])
        if self.antisymmetric:
            body = f"{body} - transpose" if len(self.parts) == 1 else f"({body}) - transpose"
        if common:
            body = f"{' '.join(_powers(common))} ({body})"
        return body

    @property
    def text(self) -> str:
        """The law and its entries."""
        body = self.body
        counted = "" if self.counted == len(self.entries) else f"; {self.counted} independent"
        if self.whole in ("symmetric", "antisymmetric"):
            return f"{body} ({self.size} x {self.size}, {self.whole}{counted})"
        if self.whole == "diagonal":
            return f"{body}, j = 1..{self.size}{counted}"
        if not any(index for entry in self.entries for index in entry):
            return body
        return f"{body} at {', '.join(_entry(e) for e in self.entries)}"

    @property
    def matrix(self) -> bool:
        """Whether two different kept indices occur in a law."""
        return any(len(set(entry)) > 1 for entry in self.entries)

    @property
    def whole(self) -> str | None:
        """ "symmetric", "antisymmetric" or "diagonal" where the laws are all entries of such a matrix."""
        found = set(self.entries)
        if any(len(i) != 1 for entry in found for i in entry):
            return None
        pairs = {tuple(i[0] for i in entry) for entry in found}
        if self.antisymmetric:
            above = {(j, l) for j in range(self.size) for l in range(j + 1, self.size)}
            return "antisymmetric" if pairs == above else None
        if pairs == {(j, l) for j in range(self.size) for l in range(j, self.size)} and self.size > 1:
            return "symmetric"
        if len({len(p) for p in pairs}) == 1 and pairs == {(j,) * len(next(iter(pairs))) for j in range(self.size)}:
            return "diagonal"
        return None


class Reader:
    """Reads polynomials in numbered coordinates; shapes: of the arrays, in the order of their entries."""

    def __init__(self, names: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.names = names
        self.shapes = shapes
        self.letters: list[Letter] = []
        for name in names:
            head, _, tail = name.partition("[")
            indexed = head in shapes and tail
            self.letters.append((head, tuple(map(int, tail[:-1].split(",")))) if indexed else (name, ()))

    def contractions(self, law: Poly) -> list[Contraction] | None:
        """The law as contractions, or None where it is no sum of such."""
        groups: dict[tuple[Coefficient, tuple[str, ...], tuple[str, ...]], list[tuple[Index, ...]]] = {}
        for m, c in law.items():
            letters = [self.letters[n] for n in m]
            arrays = [x for x in letters if x[0] in self.shapes and self.shapes[x[0]]]
            if len(arrays) > 2:
                return None
            extra = tuple(x[0] for x in letters if x not in arrays)
            key = (c, tuple(x[0] for x in arrays), extra)
            groups.setdefault(key, []).append(tuple(x[1] for x in arrays))
        found: list[Contraction] = []
        for (c, arrays, extra), indices in groups.items():
            parts = self._grouped(arrays, indices)
            if parts is None:
                return None
            axes = len(self.shapes[arrays[0]]) if arrays else 0
            found += [Contraction(c, Kind(arrays, summed, extra, axes), kept) for summed, kept in parts]
        return found

    def _grouped(
        self, arrays: tuple[str, ...], indices: list[tuple[Index, ...]]
    ) -> list[tuple[tuple[int, ...], tuple[Index, ...]]] | None:
        """Split monomials into full sums over as many axes as possible."""
        if not arrays:
            return [((), ())] if len(indices) == 1 else None
        shapes = [self.shapes[a] for a in arrays]
        if len({len(s) for s in shapes}) > 1:
            return None
        axes = range(len(shapes[0]))
        for count in range(len(shapes[0]), -1, -1):
            for summed in combinations(axes, count):
                if any(len({s[a] for s in shapes}) > 1 for a in summed):
                    continue
                full = prod(shapes[0][a] for a in summed)
                parts: dict[tuple[Index, ...], set[Index]] = {}
                for several in indices:
                    inner = {tuple(i[a] for a in summed) for i in several}
                    if len(inner) > 1:
                        break
                    kept = tuple(tuple(i[a] for a in axes if a not in summed) for i in several)
                    parts.setdefault(kept, set()).add(inner.pop())
                else:
                    if all(len(values) == full for values in parts.values()):
                        return [(summed, kept) for kept in sorted(parts)]
        return None

    def families(self, laws: Sequence[Poly], is_law: Callable[[Poly], bool]) -> tuple[list[Family], list[Poly]]:
        """The families among some independent laws, and the laws that belong to none.

        is_law: whether a polynomial is a law; dependent entries complete a family.
        """
        found: dict[tuple[tuple[tuple[Coefficient, Kind], ...], int, bool], list[tuple[Index, ...]]] = {}
        rest = []
        for law in laws:
            parts = self.contractions(law)
            half = None if parts is None else _half(parts)
            if half is not None:
                parts = half
            entry = None if parts is None else _common({part.kept for part in parts})
            if parts is None or entry is None or len({p.kind for p in parts}) < len(parts):
                rest.append(law)
                continue
            ordered = sorted(parts, key=lambda p: (min(map(self._position, p.kind.arrays), default=0), repr(p.kind)))
            sizes = {self._kept_size(p.kind) for p in parts} - {0}
            key = (tuple((p.coefficient, p.kind) for p in ordered), max(sizes, default=0), half is not None)
            found.setdefault(key, []).append(entry)
        families = [Family(parts, tuple(sorted(e)), size, odd, len(e)) for (parts, size, odd), e in found.items()]
        return [self._completed(self._with_diagonal(family, rest), is_law) for family in families], rest

    def _completed(self, family: Family, is_law: Callable[[Poly], bool]) -> Family:
        """The family with all entries of its matrix or vector, where the others are laws too."""
        if family.whole or not family.size or any(len(i) != 1 for e in family.entries for i in e):
            return family
        length, sizes = len(family.entries[0]), range(family.size)
        if family.matrix:
            whole = [((j,), (l,)) for j in sizes for l in range(j + family.antisymmetric, family.size)]
        else:
            whole = [((j,),) * length for j in sizes]
        missing = [entry for entry in whole if entry not in family.entries]
        if all(is_law(self._entry(family, entry)) for entry in missing):
            return replace(family, entries=tuple(sorted(whole)))
        return family

    def _with_diagonal(self, family: Family, rest: list[Poly]) -> Family:
        """The family with those diagonal entries among the other laws in which squares have cancelled."""
        if not family.matrix or family.antisymmetric or any(len(i) != 1 for e in family.entries for i in e):
            return family
        entries = list(family.entries)
        for j in range(family.size):
            diagonal = ((j,), (j,))
            law = self._entry(family, diagonal)
            same = [p for p in rest if law and diagonal not in entries and p in (law, scale(law, -1))]
            if same:
                rest.remove(same[0])
                entries.append(diagonal)
        return replace(family, entries=tuple(sorted(entries)), counted=len(entries))

    def _entry(self, family: Family, entry: tuple[Index, ...]) -> Poly:
        """One entry of a matrix family of arrays as a polynomial."""
        numbers = {letter: n for n, letter in enumerate(self.letters)}
        total: Poly = {}
        for c, kind in family.parts:
            shape = self.shapes[kind.arrays[0]] if kind.arrays else ()
            for inner in product(*(range(shape[a]) for a in kind.summed)):
                places = dict(zip(kind.summed, inner, strict=True))
                factors = [
                    (array, tuple(places.get(a, kept[0]) for a in range(kind.axes)))
                    for array, kept in zip(kind.arrays, entry, strict=False)
                ]
                letters = [numbers[f] for f in factors] + [numbers[e, ()] for e in kind.extra]
                accumulate(total, {tuple(sorted(letters)): c})
                if family.antisymmetric:
                    turned = [
                        numbers[kind.arrays[i], tuple(places.get(a, entry[1 - i][0]) for a in range(kind.axes))]
                        for i in (0, 1)
                    ]
                    accumulate(total, {tuple(sorted([*turned, *letters[2:]])): -c})
        return total

    def _position(self, array: str) -> int:
        return list(self.shapes).index(array)

    def _kept_size(self, kind: Kind) -> int:
        """The length of the single kept axis, 0 where there is none or there are several."""
        for array in kind.arrays:
            kept = [n for a, n in enumerate(self.shapes[array]) if a not in kind.summed]
            if len(kept) == 1:
                return kept[0]
        return 0

    def text(self, law: Poly) -> str:
        """The law with the names of the coordinates."""
        return _joined([(c, _monomial([self.names[n] for n in m])) for m, c in sorted(law.items())])


def _half(parts: Sequence[Contraction]) -> list[Contraction] | None:
    """The contractions at (j, l) of a law that changes its sign with the order of j and l, or None."""
    if len({p.kept for p in parts}) != 2 or any(len(p.kept) != 2 or p.kept[0] == p.kept[1] for p in parts):
        return None
    by_place = {(p.kind, p.kept): p.coefficient for p in parts}
    if any(by_place.get((kind, kept[::-1])) != -c for (kind, kept), c in by_place.items()):
        return None
    return [p for p in parts if p.kept[0] < p.kept[1]]


def _common(kept: set[tuple[Index, ...]]) -> tuple[Index, ...] | None:
    """The kept indices that all contractions share, or None: (j, l), where a linear contraction keeps (j,)."""
    longest = max(kept, key=len, default=())
    flat = set(longest)
    for other in kept:
        if other != longest and not (len(other) < len(longest) and len(flat) == 1 and set(other) <= flat):
            return None
    return longest


def _entry(kept: tuple[Index, ...]) -> str:
    distinct = list(dict.fromkeys(kept))
    return "(" + ", ".join(".".join(str(i + 1) for i in index) for index in distinct) + ")"


def _kind_text(kind: Kind, matrix: bool) -> str:
    """W W' for a Gram matrix, |W[j,:]|^2 for its diagonal, sum W[:,j] for a sum."""
    extra = " ".join(_powers(kind.extra))
    if not kind.arrays:
        return extra
    first, last = kind.arrays[0], kind.arrays[-1]
    if len(kind.arrays) == 1:
        text = f"sum {first}{kind.slots('j')}" if kind.summed else f"{first}{kind.slots('j')}"
    elif matrix and kind.axes == 2 and len(kind.summed) == 1:
        text = f"{first}' {last}" if kind.summed == (0,) else f"{first} {last}'"
    elif matrix and kind.axes == 1:
        text = f"{first} {last}'"
    elif matrix:
        text = f"<{first}{kind.slots('j')}, {last}{kind.slots('l')}>"
    elif first != last:
        text = f"<{first}{kind.slots('j')}, {last}{kind.slots('j')}>"
    elif kind.summed:
        text = f"|{first}{kind.slots('j')}|^2"
    else:
        text = f"{first}{kind.slots('j')}^2"
    return f"{extra} {text}".strip()


def _powers(names: Sequence[str]) -> list[str]:
    found = []
    for name in dict.fromkeys(names):
        count = list(names).count(name)
        if name.startswith("exp("):
            rate = Fraction(name[4:-2].strip() or 1) * count
            found.append("exp(t)" if rate == 1 else f"exp({rate} t)")
        else:
            found.append(name if count == 1 else f"{name}^{count}")
    return found


def _monomial(names: Sequence[str]) -> str:
    return " ".join(_powers(list(names)))


def _joined(terms: Sequence[tuple[Coefficient, str]]) -> str:
    text = ""
    for c, body in terms:
        size = abs(Fraction(c))
        sign = "-" if c < 0 else "+"
        shown = body if size == 1 else f"{size} {body}"
        text += f" {sign} {shown}" if text else (f"-{shown}" if c < 0 else shown)
    return text or "0"


Factor = Callable[[str, Any], Any]
"""The value of a scalar factor of a law, such as the clock, in a case."""


def quantity(family: Family, shapes: Mapping[str, tuple[Any, ...]], factor: Factor) -> Callable[..., Any] | None:
    """The family as a function of (p, c) in the public language, for any sizes; None where it is not whole.

    shapes: of the arrays of the state, in sizes by name.
    """
    single = not any(index for entry in family.entries for index in entry)
    if family.whole is None and not single:
        return None
    matrix = family.whole in ("symmetric", "antisymmetric")

    def value(p: Any, c: Any) -> Any:
        total: Any = 0
        for coefficient, kind in family.parts:
            term = _value(p, kind, shapes, matrix) * coefficient
            for extra in kind.extra:
                term = factor(extra, c) * term if extra not in shapes else p[extra] * term
            total = term + total
        return total - total.mT if family.antisymmetric else total

    return value


def _value(p: Any, kind: Kind, shapes: Mapping[str, tuple[Any, ...]], matrix: bool) -> Any:
    if not kind.arrays:
        return 1
    arrays = [p[a] for a in kind.arrays]
    axes = range(len(shapes[kind.arrays[0]]))
    if not matrix:
        product = arrays[0] if len(arrays) == 1 else arrays[0] * arrays[1]
        return product.sum(kind.summed) if kind.summed else product
    (kept,) = [a for a in axes if a not in kind.summed]
    whole = slice(None)
    left = arrays[0][(*(whole for _ in range(kept + 1)), None)]
    right = arrays[-1][(*(whole for _ in range(kept)), None)]
    summed = tuple(a if a < kept else a + 1 for a in kind.summed)
    product = left * right
    return product.sum(summed) if summed else product
