"""Verdicts as a run of theorylab makes them: proofs, controls, a limit, a failure to decide."""

from __future__ import annotations

import pytest

from theorylab.store import Run
from theorylab.verdict import Counterexample, Evidence, Figure, Series, Step, Verdict

LINEAR_RATE = (
    r"-W_1 X R^\top W_2 - W_2^\top R X^\top W_1^\top "
    r"+ W_2^\top R X^\top W_1^\top + W_1 X R^\top W_2"
)
TOLERANCES = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)


def drift_figure(drift: tuple[float, ...]) -> Figure:
    return Figure(
        title="Drift against tolerance",
        xlabel="relative tolerance of the integrator",
        ylabel="largest drift of the law",
        series=(Series("drift", TOLERANCES, drift), Series("slope one", TOLERANCES, TOLERANCES, "line")),
        xscale="log",
        yscale="log",
        caption="An exact law drifts as the integrator errs; a false one keeps its distance.",
    )


def readings() -> Evidence:
    return Evidence(
        kind="readings",
        summary="The exact and the numeric reading agree at random points, values and gradients.",
        outcome="for",
        numbers={"points": 32, "largest_difference": 4.4408920985e-16},
    )


def linear() -> Verdict:
    return Verdict(
        id="du-2018/balancedness-linear",
        status="proved",
        tier="kernel",
        scope="all sizes",
        kind="Invariant",
        title="Adjacent linear layers stay balanced",
        statement="For every loss, all data, any width and any depth, the difference of Gram matrices is constant.",
        statement_tex=r"\frac{d}{dt}\left(W_2^\top W_2 - W_1 W_1^\top\right) = 0",
        source="Du, Hu, Lee 2018, Theorem 2.2",
        premises=("the loss is differentiable", "the layers share no parameters with other layers"),
        expected="proved",
        certificate="certificates/du-2018/balancedness-linear.json",
        certificate_hash="9f2c1a7be3d05f44c0a1b8e6d7729c3e51f08a6bb4d2e9c7713f5a0d8e6b4c21",
        reproduce="theorylab verify du-2018/balancedness-linear --seed 0",
        settings={"dims": {"d": 3, "k": 4, "m": 2, "n": 5}, "trials": 256, "dtype": "float64"},
        evidence=(
            Evidence(
                kind="derivation",
                summary="Matrix words with symbolic sizes: no size is fixed anywhere.",
                outcome="for",
                steps=(
                    Step(
                        "product rule",
                        r"\frac{d}{dt}\left(W_2^\top W_2 - W_1 W_1^\top\right)",
                        r"\dot W_2^\top W_2 + W_2^\top \dot W_2 - \dot W_1 W_1^\top - W_1 \dot W_1^\top",
                    ),
                    Step(
                        "gradient flow, with R the derivative of the loss by the output",
                        r"\dot W_2^\top W_2 + W_2^\top \dot W_2 - \dot W_1 W_1^\top - W_1 \dot W_1^\top",
                        LINEAR_RATE,
                    ),
                    Step(
                        "terms cancel in pairs",
                        LINEAR_RATE,
                        "0",
                    ),
                ),
            ),
            Evidence(
                kind="kernel",
                summary="proofs_check accepted the certificate in a process of its own.",
                outcome="for",
                numbers={"goals": 1, "terms": 4, "seconds_limit": 10},
                reproduce="python -S -m proofs_check certificates/du-2018/balancedness-linear.json",
            ),
            readings(),
            Evidence(
                kind="simulation",
                summary="The drift falls tenfold with the tolerance until it meets rounding.",
                outcome="for",
                numbers={"trajectories": 1024, "slope": 1.0213, "smallest_drift": 3.1e-14},
                figures=(drift_figure((2.9e-6, 2.4e-7, 2.2e-8, 2.0e-9, 1.8e-10, 1.7e-11)),),
            ),
            Evidence(
                kind="search",
                summary="No violation beyond the integrator's own error was found.",
                outcome="for",
                numbers={"cases_screened": 65536, "hypothesis_examples": 400, "largest_ratio_to_own_error": 0.82},
                figures=(
                    Figure(
                        "How it was attacked",
                        "cases screened",
                        "largest violation / own error",
                        (Series("best so far", (16, 256, 4096, 65536), (0.31, 0.55, 0.82, 0.82), "both"),),
                        xscale="log",
                        caption="One would need to be crossed by far to count as a violation.",
                    ),
                ),
            ),
        ),
    )


def relu() -> Verdict:
    return Verdict(
        id="du-2018/balancedness-relu",
        status="proved",
        tier="kernel",
        scope="all sizes",
        kind="Invariant",
        title="Each ReLU unit keeps its balance",
        statement="For every hidden unit, incoming squared norm minus outgoing squared norm is constant.",
        statement_tex=(
            r"\frac{d}{dt}\left(\sum_{d} W_{1,kd}^2 - \sum_{m} W_{2,mk}^2\right) = 0 "
            r"\qquad\text{for every unit } k"
        ),
        source="Du, Hu, Lee 2018, Theorem 2.1",
        premises=("the derivative of relu at 0 is any fixed number", "the loss is differentiable"),
        expected="proved",
        certificate="certificates/du-2018/balancedness-relu.json",
        certificate_hash="1b7d4e0c9a3f5b6628c1d9e4f70a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c",
        reproduce="theorylab verify du-2018/balancedness-relu --dims d=3,k=4,m=2,n=5 --trials 256 --seed 0",
        evidence=(
            Evidence(
                kind="derivation",
                summary="",
                outcome="for",
                steps=(
                    Step(
                        "Lie derivative along the flow",
                        r"\mathcal{L}\left(\sum_{d} W_{1,kd}^2 - \sum_{m} W_{2,mk}^2\right)",
                        r"-2\sum_{d,m,n} W_{1,kd}\, r_{mn}\, W_{2,mk}\, h_{kn}\, x_{dn} "
                        r"+ 2\sum_{m,n,d} W_{2,mk}\, r_{mn}\, h_{kn}\left(\sum_{d} W_{1,kd}\, x_{dn}\right) "
                        r"- \sum_{k',d,n} \left(h_{k'n}^2 - h_{k'n}\right) W_{1,k'd}\, x_{dn}\, r_{mn} W_{2,mk'} "
                        r"+ \sum_{k',d,n} \left(h_{k'n}^2 - h_{k'n}\right) W_{1,k'd}\, x_{dn}\, r_{mn} W_{2,mk'}",
                    ),
                    Step("gates are idempotent: h² = h, and relu(a) = h a", "", "0"),
                ),
            ),
            readings(),
        ),
    )


def relu_control() -> Verdict:
    return Verdict(
        id="du-2018/balancedness-relu.matrix-law",
        status="refuted",
        tier="exact",
        scope="d=1, k=2, m=1, n=1",
        kind="Invariant",
        title="The full matrix law, claimed for ReLU",
        statement_tex=r"\frac{d}{dt}\left(W_2^\top W_2 - W_1 W_1^\top\right) = 0",
        expected="refuted",
        control_of="du-2018/balancedness-relu",
        reason="An off-diagonal entry moves: only one of the two units is active.",
        counterexample=Counterexample(
            case={"W1": [["1"], ["-1/2"]], "W2": [["1", "1"]], "x": [["1"]], "r": [["-1"]], "gates": "0"},
            violation="Entry (1, 2) of the derivative is 1/2, and the claim says it is zero.",
            cause="algebraic",
            recheck="exact rational arithmetic",
            value="1/2",
        ),
        evidence=(
            Evidence(
                kind="search",
                summary="Found in the first batch and shrunk to one datum and two units.",
                outcome="against",
                numbers={"cases_screened": 64, "shrinks": 23},
            ),
            Evidence(
                kind="simulation",
                summary="The drift does not fall with the tolerance.",
                outcome="against",
                figures=(drift_figure((0.413, 0.412, 0.412, 0.412, 0.412, 0.412)),),
            ),
        ),
    )


def hypentropy() -> Verdict:
    return Verdict(
        id="woodworth-2020/hypentropy",
        status="supported",
        tier="numeric",
        scope="d=8, n=3",
        kind="Limit",
        title="Diagonal nets find the hypentropy interpolator",
        statement_tex=(
            r"\lim_{t\to\infty} \beta(t) = \operatorname*{arg\,min}_{X^\top\beta = y} \sum_{i=1}^{d} "
            r"\left(\beta_i \operatorname{arcsinh}\frac{\beta_i}{k_i} - \sqrt{\beta_i^2 + k_i^2}\right)"
        ),
        source="Woodworth et al. 2020, Theorem 1",
        premises=("the limit exists and has zero loss",),
        expected="supported",
        reason="Supported rather than proved: that the limit exists is a premise.",
        evidence=(
            Evidence(
                kind="simulation",
                summary="The residual of the dual certificate falls with the loss.",
                outcome="for",
                numbers={"trajectories": 512, "dual_residual": 2.7e-11},
                figures=(
                    Figure(
                        "Trajectories of the loss",
                        "time",
                        "loss",
                        tuple(
                            Series(
                                f"scale {a:g}",
                                tuple(0.5 * i for i in range(40)),
                                tuple(3 * 10 ** (-a * i / 9) for i in range(40)),
                                "line",
                            )
                            for a in (1.0, 1.5, 2.2)
                        ),
                        yscale="log",
                    ),
                ),
            ),
        ),
    )


def undecided() -> Verdict:
    return Verdict(
        id="chou-2023/effective-initialization",
        status="inconclusive",
        tier=None,
        scope="",
        kind="Limit",
        title="Weight normalization acts as a smaller initialization",
        statement="The limit with weight normalization is the limit of the plain flow from a rescaled start.",
        statement_tex=r"\lim_{t\to\infty} w(t; w_0) = \lim_{t\to\infty} \tilde w(t; w_0/\rho)",
        expected="supported",
        reason="17 of 256 trajectories had not converged at ten times the horizon; a horizon of 1e6 would settle it.",
        evidence=(
            Evidence(kind="argument", summary="The step from the two laws to the limit is by hand.", outcome="open"),
        ),
    )


@pytest.fixture(scope="session")
def verdicts() -> list[Verdict]:
    """The control comes first, to be moved behind its claim."""
    return [relu_control(), linear(), relu(), hypentropy(), undecided()]


@pytest.fixture(scope="session")
def run(verdicts: list[Verdict]) -> Run:
    return Run(
        verdicts=tuple(verdict.replace(certificate=None) for verdict in verdicts),
        seed=20260,
        command="theorylab verify --all --seed 20260",
        settings={"dims": {"d": 3, "k": 4}, "dtype": "float64", "trials": 256},
        versions={"theorylab": "0.1.0", "torch": "2.13.0"},
        times={"verify": 81.25},
        hardware={"processor": "a machine that no report names"},
    )
