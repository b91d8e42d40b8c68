"""Known caps as programs: each rates the vectors of the cap 1 and the others 0.

n = 6: Edel's 112-cap in the form of a design: the 80 vectors whose nonzero coordinates are one of
ten blocks of three (every two coordinates meet in two blocks), and the 32 without a zero that have
an even number of 2s. n = 8: the 512-cap of Romera-Paredes et al., Nature 2024, by the description
of its vectors of weight 8, 4 and 5 given there; a reflection is a pair of equal coordinates i and
8 - i, i = 1, 2, 3.
"""

from __future__ import annotations

EDEL_112 = '''def priority(v):
    """The 112-cap of Edel in dimension 6."""
    used = ["".join(map(str, np.flatnonzero(vector))) for vector in v.T]
    blocks = "012 013 024 035 045 125 134 145 234 235".split()
    even = (v == 2).sum(axis=0) % 2 == 0
    return np.isin(used, blocks) | ((v > 0).all(axis=0) & even)
'''

FUNSEARCH_512 = '''def priority(v):
    """The 512-cap of Romera-Paredes et al. 2024 in dimension 8."""
    used = ["".join(map(str, np.flatnonzero(vector))) for vector in v.T]
    empty = ["".join(map(str, np.flatnonzero(vector == 0))) for vector in v.T]
    mirrored = sum((v[i] == v[8 - i]).astype(int) for i in (1, 2, 3))
    any_signs = "0123 0125 0367 0567 1346 1456 2347 2457".split()
    one_mirror = (
        "0127 0126 0137 0167 0157 0236 0267 0256 1247 1246 1347 1467 1457 2346 2467 2456"
    ).split()
    gaps = "047 024 014 046 126 267 127 167".split()
    apart = ((v[1] * v[7]) % 3 != 1) & ((v[2] * v[6]) % 3 != 1)
    full = (v > 0).all(axis=0) & (mirrored >= 2)
    four = np.isin(used, any_signs) | (np.isin(used, one_mirror) & (mirrored == 1))
    five = np.isin(empty, gaps) & (mirrored <= 1) & apart
    return full | four | five
'''


BASELINES: dict[int, dict[str, str]] = {
    6: {"edel-112": EDEL_112},
    8: {"funsearch-512": FUNSEARCH_512},
}
"""Dimension -> name -> source of the function."""
