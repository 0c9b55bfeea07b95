"""A distribution over an empty range."""

import theorylab as tl

setting = tl.Setting(a=tl.var("", tl.draw.uniform(2, 1)))
law = tl.Identity(setting, lambda c: c.a, lambda c: c.a)
