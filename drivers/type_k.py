"""Type K thermocouples by NIST ITS-90 (Monograph 175), for chips that see them as a straight line.

Such a chip gives cold + EMF / (41.276 uV/degC), the slope over 0 to 1000 degC: with itself at 25
it reads 15 degC too much at -100, 3 too little at 300, 7 too much at 800, 29 too little at 1300.
Its EMF is had back from that, the cold junction's true EMF added, and the sum looked up. Portable.
"""

from math import exp

CHIP_MV_PER_DEGC = 0.041276  # MAX31855 datasheet, Table 1
RANGE_MV = (-5.91, 54.9)  # -200 to 1372 degC, and a count of the chip besides

# EMF in mV of t in degC, from the constant term up.
_BELOW_0 = (
    0.0,
    0.394501280250e-01,
    0.236223735980e-04,
    -0.328589067840e-06,
    -0.499048287770e-08,
    -0.675090591730e-10,
    -0.574103274280e-12,
    -0.310888728940e-14,
    -0.104516093650e-16,
    -0.198892668780e-19,
    -0.163226974860e-22,
)
_FROM_0 = (
    -0.176004136860e-01,
    0.389212049750e-01,
    0.185587700320e-04,
    -0.994575928740e-07,
    0.318409457190e-09,
    -0.560728448890e-12,
    0.560750590590e-15,
    -0.320207200030e-18,
    0.971511471520e-22,
    -0.121047212750e-25,
)
_BELL = (0.118597600000, -0.118343200000e-03, 0.126968600000e03)

# t in degC of an EMF in mV below 0, to 500 and to 1372 degC, each within 0.06 degC.
_500_DEGC_MV = 20.644
_INVERSE = (
    (
        0.0,
        2.5173462e01,
        -1.1662878,
        -1.0833638,
        -8.9773540e-01,
        -3.7342377e-01,
        -8.6632643e-02,
        -1.0450598e-02,
        -5.1920577e-04,
    ),
    (
        0.0,
        2.508355e01,
        7.860106e-02,
        -2.503131e-01,
        8.315270e-02,
        -1.228034e-02,
        9.804036e-04,
        -4.413030e-05,
        1.057734e-06,
        -1.052755e-08,
    ),
    (
        -1.318058e02,
        4.830222e01,
        -1.646031,
        5.464731e-02,
        -9.650715e-04,
        8.802193e-06,
        -3.110810e-08,
    ),
)


def emf_mv(degc: float) -> float:
    """EMF in mV against 0 degC, of -270 to 1372 degC."""
    if degc < 0:
        return _polynomial(_BELOW_0, degc)
    height, narrowness, middle = _BELL
    return _polynomial(_FROM_0, degc) + height * exp(narrowness * (degc - middle) ** 2)


def degc_of(mv: float) -> float:
    """Temperature in degC of an EMF within RANGE_MV."""
    place = 0 if mv <= 0 else 1 if mv <= _500_DEGC_MV else 2
    return _polynomial(_INVERSE[place], mv)


def corrected(values: "list[float]") -> "list[float]":
    """(hot, cold) of a linear chip, in degC, with the hot junction as ITS-90 has it.

    What no type K thermocouple gives (an open one, a torn word) is left as it is, and so is a hot
    junction as warm as the cold one: no EMF is no EMF, and a word of zeros stays one.
    """
    hot, cold = values
    if hot == cold:
        return values
    mv = (hot - cold) * CHIP_MV_PER_DEGC + emf_mv(cold)
    if not RANGE_MV[0] <= mv <= RANGE_MV[1]:
        return [hot, cold]
    return [degc_of(mv), cold]


def _polynomial(coefficients: "tuple[float, ...]", x: float) -> float:
    total = 0.0
    for place in range(len(coefficients) - 1, -1, -1):
        total = total * x + coefficients[place]
    return total
