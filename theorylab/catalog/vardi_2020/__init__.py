"""Vardi, Shamir: what one ReLU neuron is biased to cannot be written as a function of its weights.

The model is x -> relu(<w, x>) with the square loss, one half of the sum over the samples, one sample a column. Where
the flow starts at 0, which it would never leave otherwise, relu'(0) = 1. If the limit of the flow minimises R over the
zero-loss points for every data set, then R is constant on R^d minus 0, d >= 3: the proof follows one family of data.

`family` has that family and its limits, `chain` the steps from it to the theorem, `distance` what does hold (strictly
monotonic activations, the factor two, two dimensions), `hidden_neuron` the network with one hidden neuron.
"""

from __future__ import annotations

# ruff: noqa: F403, I001
from theorylab.catalog.vardi_2020.neuron import *
from theorylab.catalog.vardi_2020.family import *
from theorylab.catalog.vardi_2020.chain import *
from theorylab.catalog.vardi_2020.distance import *
from theorylab.catalog.vardi_2020.hidden_neuron import *
