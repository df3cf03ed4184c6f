"""The EMF of a type K thermocouple, NIST ITS-90 reference function: what a simulated chip feels."""

from math import exp

# Coefficients from the constant term up, mV of degC.
BELOW_0 = (
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
FROM_0 = (
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
BELL = (0.118597600000, -0.118343200000e-03, 0.126968600000e03)


def emf_mv(degc: float) -> float:
    """EMF in mV against 0 degC; beyond -270 to 1372 degC as at the end of that range."""
    t = max(-270.0, min(1372.0, degc))
    coefficients = BELOW_0 if t < 0 else FROM_0
    mv = sum(factor * t**power for power, factor in enumerate(coefficients))
    return mv if t < 0 else mv + BELL[0] * exp(BELL[1] * (t - BELL[2]) ** 2)
