"""resize_pillow.npz: Pillow's resize, all six filters, and nearest-neighbour index rows.

Made with pillow 9.4.0, numpy 1.24.4, python 3.11. Newer Pillow (13 does) runs the vertical pass first for some sizes;
the file keeps the old order, horizontal first, and the script stops if its Pillow has the new one.
<mode>_<h>x<w>_<h2>x<w2>/x uint8 (h,w,3) or (h,w); /nearest /box /bilinear /hamming /bicubic /lanczos the results.
nearest_rows: 200 pairs n -> m where floor((2i+1)n / 2m) is not the index taken: n (200), m (200), start (201) and
index; row k of index is index[start[k]:start[k+1]].
keep_aspect/: x, size (h2,w2), crop (y0,x0,h,w) and the six results of resizing that centred box.
"""
import numpy as np
from PIL import Image

from golden_io import save

FILTERS = {n: Image.Resampling[n.upper()] for n in ("nearest", "box", "bilinear", "hamming", "bicubic", "lanczos")}
PAIRS = [
    ((5, 7), (2, 3)), ((5, 7), (6, 9)), ((8, 8), (16, 16)), ((16, 16), (8, 8)), ((31, 22), (12, 12)),
    ((13, 9), (13, 20)), ((13, 9), (5, 9)), ((1, 7), (4, 3)), ((7, 1), (3, 4)), ((1, 1), (3, 5)),
    ((9, 11), (1, 1)), ((9, 11), (1, 4)), ((40, 30), (7, 50)), ((6, 50), (19, 5)),
]


def resize(x, size, method, box=None):
    return np.asarray(Image.fromarray(x).resize((size[1], size[0]), method, box=box))


def all_filters(case, x, size, box=None):
    return {"%s/%s" % (case, name): resize(x, size, method, box) for name, method in FILTERS.items()}


def nearest_row(n, m):
    """Which source index each of m outputs takes, by resizing a row of its own indices."""
    row = Image.fromarray(np.arange(n, dtype=np.int32).reshape(1, n))
    return np.asarray(row.resize((m, 1), Image.Resampling.NEAREST))[0]


def by_sum(n, m):
    """The rule: start at half a step and add steps in double."""
    step, at, out = n / m, n / m * 0.5, []
    for _ in range(m):
        out.append(int(at))
        at += step
    return np.array(out)


def odd_rows(count):
    rng = np.random.default_rng(801)
    pairs = [(n, m) for n in range(2, 301) for m in range(2, 301) if n != m]
    found = []
    for k in rng.permutation(len(pairs)):
        n, m = pairs[k]
        formula = (2 * np.arange(m) + 1) * n // (2 * m)
        if np.array_equal(by_sum(n, m), formula):
            continue
        taken = nearest_row(n, m)
        assert np.array_equal(taken, by_sum(n, m)), (n, m)
        found.append((n, m, taken))
        if len(found) == count:
            return sorted(found, key=lambda f: f[:2])


arrays = {}
rng = np.random.default_rng(800)
for (h, w), (h2, w2) in PAIRS:
    for mode, shape in (("rgb", (h, w, 3)), ("l", (h, w))):
        case = "%s_%dx%d_%dx%d" % (mode, h, w, h2, w2)
        x = rng.integers(0, 256, shape).astype(np.uint8)
        x[rng.random(shape) < 0.2] = 255  # hard edges, where cubic and lanczos overshoot
        arrays[case + "/x"] = x
        arrays.update(all_filters(case, x, (h2, w2)))

x = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)
size = (9, 7)
h, w = min(20, 30 * size[0] // size[1]), min(30, 20 * size[1] // size[0])
y0, x0 = (20 - h) // 2, (30 - w) // 2
arrays.update({"keep_aspect/x": x, "keep_aspect/size": np.int32(size), "keep_aspect/crop": np.int32([y0, x0, h, w])})
arrays.update(all_filters("keep_aspect", x, size, (x0, y0, x0 + w, y0 + h)))

steep = arrays["l_40x30_7x50/x"]
two_steps = resize(resize(steep, (40, 50), FILTERS["bicubic"]), (7, 50), FILTERS["bicubic"])
assert np.array_equal(arrays["l_40x30_7x50/bicubic"], two_steps), "this Pillow runs the vertical pass first"

rows = odd_rows(200)
arrays["nearest_rows/n"] = np.int32([r[0] for r in rows])
arrays["nearest_rows/m"] = np.int32([r[1] for r in rows])
arrays["nearest_rows/start"] = np.int32(np.cumsum([0] + [len(r[2]) for r in rows]))
arrays["nearest_rows/index"] = np.concatenate([r[2] for r in rows]).astype(np.int32)

# keras.md 2.6
r, c = np.indices((5, 7))
table = ((37 * r + 53 * c + 11 * r * c) % 256).astype(np.uint8)
for name, text in {
    "nearest": "101 229 101 197 113 29", "bilinear": "89 141 97 145 119 113", "bicubic": "83 148 94 150 115 115",
    "lanczos": "80 152 90 154 115 116", "box": "69 144 91 176 106 121", "hamming": "77 152 95 156 116 110",
}.items():
    assert resize(table, (2, 3), FILTERS[name]).ravel().tolist() == [int(t) for t in text.split()], name
save("resize_pillow.npz", arrays)
