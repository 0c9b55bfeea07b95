"""What the claims of the thesis share: their sources and the range of rescaling factors."""

from __future__ import annotations

import theorylab as tl

PAPER = tl.paper("neyshabur-2017", "Implicit regularization in deep learning", arxiv="1709.01953")
PATH = PAPER.claim("path norm", note="formula as known in the field")
PATH_SGD = PAPER.claim("Path-SGD", note="formula as known in the field")
RECURRENT = PAPER.claim("Path-SGD for recurrent networks", note="formula as known in the field; 1605.07154")
MEASURES = PAPER.claim("norm-based measures", note="formula as known in the field; 1706.08947")
PERTURBATION = PAPER.claim("perturbation lemma", note="formula as known in the field; Lemma 2 of 1707.09564")
PAC_BAYES = PAPER.claim("PAC-Bayes bounds", note="formula as known in the field; 1707.09564")
EXPERIMENT = PAPER.claim("experiments", note="at laptop size; protocol of theorylab")
DERIVED = PAPER.claim("", note="derived here")

FACTOR = tl.draw.loguniform(1 / 8, 8)
