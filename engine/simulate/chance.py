"""How far a rate may be from what was counted, and whether two rates differ by more than chance. Pure.

Before: `engine.simulate.variants` has counted. After: `handraiser report` says what each difference is worth. E. B. Wilson's
score interval (Journal of the American Statistical Association 22, 1927), and for differences the one that R. G. Newcombe makes
of two of them (Statistics in Medicine 17, 1998, pages 873 to 890, method 10): both hold for few people and for rates near
nothing, where the usual ones do not.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

SURE = 0.95


@dataclass(frozen=True, slots=True)
class Range:
    low: float
    high: float

    @property
    def is_more_than_chance(self) -> bool:
        """Of a difference: whether it leaves out that there is none."""
        return self.low > 0 or self.high < 0


def likely(number: int, of: int, *, looks: int = 1) -> Range:
    """Where the true rate lies, of which `number` in `of` were seen.

    `looks`: how many comparisons are made at once; each is the more careful (Bonferroni).
    """
    if not of:
        return Range(0.0, 1.0)
    z, rate = sureness(looks), number / of
    middle = (rate + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * sqrt(rate * (1 - rate) / of + z * z / (4 * of * of))
    return Range(max(0.0, middle - half), min(1.0, middle + half))


def difference(one: tuple[int, int], other: tuple[int, int], *, looks: int = 1) -> Range:
    """By how much the true rate of `one` is above that of `other`, each as (number, of)."""
    if not (one[1] and other[1]):
        return Range(-1.0, 1.0)
    first, second, a, b = one[0] / one[1], other[0] / other[1], likely(*one, looks=looks), likely(*other, looks=looks)
    low = first - second - sqrt((first - a.low) ** 2 + (b.high - second) ** 2)
    high = first - second + sqrt((a.high - first) ** 2 + (second - b.low) ** 2)
    return Range(low, high)


def sureness(looks: int) -> float:
    return NormalDist().inv_cdf(1 - (1 - SURE) / (2 * looks))
