"""Negative results, and theorems as chains of claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from theorylab.claims.base import Claim, Goal, Test
from theorylab.errors import InputError


class Fails(Claim):
    """A claim is false: at the given exact case, or at some case that the search finds."""

    kind: ClassVar[str] = "negative result"

    def __init__(self, claim: Claim, *, at: Mapping[str, Any] | None = None, **meta: Any) -> None:
        if not isinstance(claim, Claim):
            raise InputError(f"Fails got {type(claim).__name__}; expected a claim")
        super().__init__({"claim": claim, "at": at}, meta)
        self.claim, self.at = claim, at

    @property
    def subject(self) -> Any:
        return self.claim.subject

    def goals(self) -> Sequence[Goal]:
        return []

    def tests(self) -> Sequence[Test]:
        return []


class Theorem(Claim):
    """A conclusion from claims by a rule. Without a rule in the kernel the last step is an argument by hand.

    argument: the steps from the claims to the conclusion in words, each with what it rests on: ("by hand", "...").
    """

    kind: ClassVar[str] = "theorem"

    def __init__(
        self,
        *,
        uses: Sequence[Claim],
        conclusion: str,
        rule: str = "by hand",
        argument: Sequence[tuple[str, str]] = (),
        **meta: Any,
    ) -> None:
        if not uses:
            raise InputError("Theorem uses no claims; expected at least one")
        for claim in uses:
            if not isinstance(claim, Claim):
                raise InputError(f"Theorem uses {type(claim).__name__}; expected claims")
        steps = tuple(argument)
        if not all(isinstance(step, tuple) and [type(part) for part in step] == [str, str] for step in steps):
            raise InputError("Theorem got an argument that is no list of pairs; expected (what it rests on, the step)")
        super().__init__({"uses": tuple(uses), "conclusion": conclusion, "rule": rule, "argument": steps}, meta)
        self.uses, self.conclusion, self.rule, self.argument = tuple(uses), conclusion, rule, steps

    @property
    def subject(self) -> Any:
        return self.uses[0].subject

    def goals(self) -> Sequence[Goal]:
        return []

    def tests(self) -> Sequence[Test]:
        return []

    def then(self) -> str:
        return self.conclusion
