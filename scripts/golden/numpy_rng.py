"""numpy_rng.npz: NumPy's legacy MT19937 generator.

Made with numpy 2.4.6, python 3.11.
seeds holds the seeds as uint32 bits in int32. Per seed, case s0 s1 s42 s1337 s4294967295: each array comes from a
fresh RandomState(seed).
u32 (700, uint32 bits in int32: passes the state's 624 words), random (400), uniform (50, low -2.5 high 7),
permutation10, permutation1000, randint (one row (20) per bound of `bounds`, rows share one stream),
choice (30: choice of [3, 5, 9]), sign (30: choice of [-1, 1]), mixed (40: per turn randint(7), random(),
permutation(5)[0], uniform(-1, 1)).
"""
import numpy as np

from golden_io import save

SEEDS = (0, 1, 42, 1337, 2**32 - 1)
BOUNDS = (1, 2, 3, 7, 8, 100, 255, 256, 257, 10**7, 2**31 - 1)


def bits(values):
    return np.asarray(values, np.uint32).view(np.int32)


def mixed(r):
    for _ in range(10):
        yield from (r.randint(7), r.random_sample(), r.permutation(5)[0], r.uniform(-1, 1))


arrays = {"seeds": bits(SEEDS), "bounds": np.int32(BOUNDS)}
for seed in SEEDS:
    def fresh(seed=seed):
        return np.random.RandomState(seed)

    bound = fresh()
    case = {
        "u32": bits(fresh().randint(0, 2**32, 700, dtype=np.uint32)),
        "random": fresh().random_sample(400),
        "uniform": fresh().uniform(-2.5, 7, 50),
        "permutation10": fresh().permutation(10),
        "permutation1000": fresh().permutation(1000),
        "randint": np.stack([[bound.randint(b) for _ in range(20)] for b in BOUNDS]),
        "choice": np.stack([r.choice([3, 5, 9]) for r in [fresh()] for _ in range(30)]),
        "sign": np.stack([r.choice([-1, 1]) for r in [fresh()] for _ in range(30)]),
        "mixed": np.float64(list(mixed(fresh()))),
    }
    arrays.update({"s%d/%s" % (seed, k): v for k, v in case.items()})

assert arrays["s1337/permutation10"].tolist() == [6, 3, 0, 4, 5, 2, 1, 9, 8, 7]
assert arrays["s0/permutation10"].tolist() == [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]
save("numpy_rng.npz", arrays)
