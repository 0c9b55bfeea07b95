"""Sums of products told by index letters, in every reading."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from theorylab.errors import InputError, ShapeError
from theorylab.readings.array import Array, Size


def parsed(subscripts: str, arrays: Sequence[Array]) -> tuple[list[str], str]:
    """The letters of each array and of the result; without "->" the result has those that occur once, in order.

    Raises InputError for what is no such text, ShapeError where it does not fit the arrays.
    """
    text = "".join(subscripts.split()) if isinstance(subscripts, str) else "?"
    left, arrow, kept = text.partition("->")
    terms = left.split(",")
    letters = "".join(terms)
    if not arrow:
        kept = "".join(sorted({a for a in letters if letters.count(a) == 1}))
    if not all(a.isalpha() for a in letters + kept) or len(set(kept)) < len(kept) or not set(kept) <= set(letters):
        raise InputError(f"einsum got {subscripts!r}; expected letters such as 'ij,jk->ik', those of the result once")
    if len(terms) != len(arrays):
        raise InputError(f"einsum {subscripts!r} got {len(arrays)} arrays; expected {len(terms)}")
    sizes: dict[str, Size] = {}
    for term, array in zip(terms, arrays, strict=True):
        if len(term) != array.ndim:
            raise ShapeError(f"einsum {subscripts!r} got an array of shape {array.shape} for {term!r}")
        for letter, size in zip(term, array.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise ShapeError(f"einsum {subscripts!r} got the sizes {sizes[letter]} and {size} for {letter!r}")
    return terms, kept


def contracted(terms: Sequence[str], kept: str, arrays: Sequence[Array], identity: Any) -> Array:
    """The sum, one array after the other; a letter is summed over as soon as nothing later has it.

    identity(size): the identity matrix, for letters that one array has twice.
    """
    total, have = _diagonals(arrays[0], terms[0], identity)
    for number in range(1, len(arrays) + 1):
        later = {*kept, *"".join(terms[number:])}
        gone = tuple(n for n, letter in enumerate(have) if letter not in later)
        if gone:
            total, have = total.sum(gone), "".join(letter for letter in have if letter in later)
        if number < len(arrays):
            array, new = _diagonals(arrays[number], terms[number], identity)
            order = have + "".join(letter for letter in new if letter not in have)
            total, have = _spread(total, have, order) * _spread(array, new, order), order
    return _ordered(total, have, kept)


def _diagonals(array: Array, letters: str, identity: Any) -> tuple[Array, str]:
    """An array whose letters differ: of those that it has twice, the diagonal."""
    for letter in letters:
        while letters.count(letter) > 1:
            first = letters.index(letter)
            second = letters.index(letter, first + 1)
            last = len(letters) - 1
            array = array._swap(second, last)
            moved = list(letters)
            moved[second], moved[last] = moved[last], moved[second]
            array = array._swap(first, last - 1)
            moved[first], moved[last - 1] = moved[last - 1], moved[first]
            array, letters = (array * identity(array.shape[-1])).sum(-1), "".join(moved[:-1])
    return array, letters


def _ordered(array: Array, have: str, want: str) -> Array:
    """The same axes in another order."""
    letters = list(have)
    for n, letter in enumerate(want):
        at = letters.index(letter)
        if at != n:
            array = array._swap(n, at)
            letters[n], letters[at] = letters[at], letters[n]
    return array


def _spread(array: Array, have: str, order: str) -> Array:
    """The axes in the order given, with an axis of size 1 for each letter that is missing."""
    array = _ordered(array, have, "".join(letter for letter in order if letter in have))
    key = tuple(slice(None) if letter in have else None for letter in order)
    return array[key] if None in key else array
