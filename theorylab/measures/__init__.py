"""Measures of a user's own network, a torch.nn.Module: path norms, gradient gaps, margins, bounds, sharpness.

Everything is computed on a float64 copy in evaluation mode, on the CPU: networks of any precision and device are fine,
and none is changed. Samples and labels are tensors, arrays or lists. Modules that a measure does not understand (batch
normalisation, pooling, attention, a convolution where a chain of Linear layers is meant) are refused, never skipped.
"""

from __future__ import annotations

from theorylab.measures.data_dependent import data_dependent_path_norm, node_complexities
from theorylab.measures.margins import NormMeasures, margin_loss, margins, norm_measures
from theorylab.measures.pac_bayes import (
    gaussian_kl,
    margin_bound,
    perturbation_bound,
    sharpness_bound,
    spectral_bound,
    spectral_capacity,
)
from theorylab.measures.path_norm import PathSGD, path_norm, path_weights
from theorylab.measures.rescaling import rescaled
from theorylab.measures.segments import Segment, along_segment
from theorylab.measures.sharpness import Estimate, expected_sharpness, sharpness

__all__ = [
    "Estimate",
    "NormMeasures",
    "PathSGD",
    "Segment",
    "along_segment",
    "data_dependent_path_norm",
    "expected_sharpness",
    "gaussian_kl",
    "margin_bound",
    "margin_loss",
    "margins",
    "node_complexities",
    "norm_measures",
    "path_norm",
    "path_weights",
    "perturbation_bound",
    "rescaled",
    "sharpness",
    "sharpness_bound",
    "spectral_bound",
    "spectral_capacity",
]
