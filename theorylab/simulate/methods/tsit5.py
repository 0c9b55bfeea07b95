"""Tsit5: the explicit pair 5(4) of Tsitouras with its free interpolant of order 4."""

from __future__ import annotations

from theorylab.simulate.methods.tableau import ExplicitRungeKutta, Row, from_powers

_B: Row = {
    0: 0.09646076681806522951816731316512876,
    1: 0.01,
    2: 0.4798896504144995747752495322905965,
    3: 1.379008574103741893192274821856873,
    4: -3.290069515436080679901047585711364,
    5: 2.324710524099773982415355918398766,
}

_ERROR: Row = {
    0: -0.001780011052225771443378550607539534775944678804333659557637450799792588061629796,
    1: -0.000816434459656746952186,
    2: 0.007880878010261996010,
    3: -0.144711007173262907537,
    4: 0.582357165452555225183,
    5: -0.458082105929186946880,
    6: 1 / 66,
}


def _quartic(lead: float, root: float, p: float, q: float) -> tuple[float, float, float, float]:
    """Powers of lead theta (theta - root) (theta^2 - p theta + q)."""
    return -lead * root * q, lead * (q + root * p), -lead * (p + root), lead


def _double(lead: float, r: float, s: float) -> tuple[float, float, float, float]:
    """Powers of lead theta^2 (theta^2 - r theta + s)."""
    return 0.0, lead * s, -lead * r, lead


def _roots(lead: float, r: float, s: float) -> tuple[float, float, float, float]:
    """Powers of lead theta^2 (theta - r) (theta - s)."""
    return _double(lead, r + s, r * s)


# b_i(theta) as printed in section 4 of the paper.
_INTERPOLANT = (
    _quartic(-1.0530884977290216, 1.3299890189751412, 1.4364028541716351, 0.7139816917074209),
    _double(0.1017, 2.1966568338249754, 1.2949852507374631),
    _double(2.490627285651252793, 2.38535645472061657, 1.57803468208092486),
    _roots(-16.54810288924490272, 1.21712927295533244, 0.61620406037800089),
    _roots(47.37952196281928122, 1.203071208372362603, 0.658047292653547382),
    _roots(-34.87065786149660974, 1.2, 2 / 3),
    _roots(2.5, 1.0, 0.6),
)

_COLUMNS = [from_powers(*powers) for powers in _INTERPOLANT]

TSIT5 = ExplicitRungeKutta(
    name="tsit5",
    order=5,
    embedded_order=4,
    nodes=(0.0, 0.161, 0.327, 0.9, 0.9800255409045096857298102862870246, 1.0, 1.0),
    rows={
        1: {0: 0.161},
        2: {0: -0.008480655492356988544426874250230675, 1: 0.3354806554923569885444268742502307},
        3: {0: 2.897153057105493432130432594192939, 1: -6.359448489975074843148159912383826, 2: 4.362295432869581411},
        4: {
            0: 5.325864828439256604428877920840512,
            1: -11.74888356406282787774717033978578,
            2: 7.495539342889836208304604784564358,
            3: -0.09249506636175524925650207933207192,
        },
        5: {
            0: 5.861455442946420028659251486982648,
            1: -12.92096931784710929170611868178336,
            2: 8.159367898576158643180400794539254,
            3: -0.0715849732814009972245305425258298,
            4: -0.02826905039406838290900305721271225,
        },
        6: _B,
    },
    last=6,
    errors=(_ERROR,),
    dense=(_B, *({i: column[n] for i, column in enumerate(_COLUMNS)} for n in (1, 2, 3))),
    dense_order=4,
    citation="Ch. Tsitouras, Runge-Kutta pairs of order 5(4) satisfying only the first column simplifying assumption, "
    "Computers & Mathematics with Applications 62 (2011) 770-775",
)
