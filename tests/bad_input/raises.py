"""An exception of the user's own."""

import theorylab as tl

ratio = 1 / (tl.Fraction(1, 2) - tl.Fraction(2, 4))
