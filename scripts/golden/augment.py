"""augment_keras2.npz augment_keras3.npz augment_keras2016.npz augment_correct.npz: one augmentation step, per era.

Made with keras-preprocessing 1.1.2 (keras2), keras 3.15.1 legacy ImageDataGenerator on tensorflow-cpu 2.21.0 (keras3),
scipy 1.17.1 and the rules below (keras2016, correct), pillow 13.0.0, numpy 2.4.6, python 3.11.
params (14,10) float64: theta_deg tx_px ty_px shear zx zy flip_h flip_v channel_shift brightness; nan = none; shear in
degrees, in keras2016 in radians. <h>x<w>/image is uint8; <h>x<w>_<mode>_o<order>/y (14,h,w,3) float32, cval 17.
keras2016 knew order 0 only and no brightness; its channel shift, drawn per channel, is here one for all.
Colour steps run after the warp: channel shift, flip_h, flip_v, brightness.
"""
import warnings

import numpy as np

from golden_io import quiet_keras, save

quiet_keras("float32")
from keras.src.legacy.preprocessing import image as keras3
from keras_preprocessing import image as keras2
from scipy import ndimage

warnings.simplefilter("ignore", DeprecationWarning)

CVAL = 17.0
MODES = ("nearest", "constant", "reflect", "wrap")
NAMES = "theta tx ty shear zx zy flip_horizontal flip_vertical channel_shift_intensity brightness".split()
NONE = np.nan
PARAMS = np.array([
    # theta   tx     ty    shear   zx    zy  fh fv  shift  bright
    [0.0,    0.0,   0.0,   0.0,  1.0,  1.0,  0, 0, NONE, NONE],
    [31.3,   0.0,   0.0,   0.0,  1.0,  1.0,  0, 0, NONE, NONE],
    [-77.3,  0.0,   0.0,   0.0,  1.0,  1.0,  0, 0, NONE, NONE],
    [0.0,   -1.3,   2.6,   0.0,  1.0,  1.0,  0, 0, NONE, NONE],
    [0.0,    2.0,  -1.0,   0.0,  1.0,  1.0,  0, 0, NONE, NONE],
    [0.0,    0.37,  0.21, 20.0,  1.0,  1.0,  0, 0, NONE, NONE],
    [0.0,    0.0,   0.0,   0.0,  0.83, 1.27, 0, 0, NONE, NONE],
    [12.5,   0.7,  -1.1,   8.0,  0.9,  1.1,  1, 0, NONE, NONE],
    [-135.2, 3.3,   2.2, -25.0,  1.6,  0.6,  0, 1, NONE, NONE],
    [3.0,   25.4, -31.7,   0.0,  1.0,  1.0,  0, 0, NONE, NONE],
    [0.0,    0.0,   0.0,   0.0,  1.0,  1.0,  1, 1, 40.0, NONE],
    [0.0,    0.0,   0.0,   0.0,  1.0,  1.0,  0, 0, NONE, 1.3],
    [-8.0,   0.4,   0.9,   3.0,  1.1,  1.1,  1, 0, -25.0, 0.6],
    [0.0,    0.0,   0.0,   0.06, 0.98, 1.16, 1, 0, NONE, NONE],
])


def source_map(era, p, h, w):
    """Matrix and offset taking an output (row, col) to the input position, or None for the identity."""
    theta, tx, ty, shear, zx, zy = p[:6]
    if theta == 0 and tx == 0 and ty == 0 and shear == 0 and zx == 1 and zy == 1:
        return None
    theta = np.deg2rad(theta)
    shear = shear if era == "keras2016" else np.deg2rad(shear)
    rotate = np.array([[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]])
    shift = np.array([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    skew = np.array([[1, -np.sin(shear), 0], [0, np.cos(shear), 0], [0, 0, 1]])
    m = rotate @ shift @ skew @ np.diag([zx, zy, 1])
    if era == "correct":
        o1, o2 = (w - 1) / 2, (h - 1) / 2
    else:
        delta = -0.5 if era == "keras3" else 0.5
        o1, o2 = h / 2 + delta, w / 2 + delta
    to = np.array([[1, 0, o1], [0, 1, o2], [0, 0, 1]])
    back = np.array([[1, 0, -o1], [0, 1, -o2], [0, 0, 1]])
    m = to @ m @ back
    if era in ("keras3", "correct"):  # first coordinate is the column
        m = m[[1, 0, 2]][:, [1, 0, 2]]
    return m[:2, :2], m[:2, 2]


def assert_robust(era, p, h, w):
    """No position may lie within rounding of a place where the result jumps; whole-pixel shifts are exact."""
    found = source_map(era, p, h, w)
    if found is None or (p[0] == 0 and p[3] == 0 and p[4] == 1 and p[5] == 1):
        return
    matrix, offset = found
    v = np.einsum("ij,jrc->irc", matrix, np.indices((h, w))) + offset[:, None, None]
    gaps = [np.abs(v - np.floor(v) - 0.5)]
    for axis, n in enumerate((h, w)):
        turns = v[axis] / (n - 1)
        gaps += [np.abs(turns - np.round(turns))]
    assert min(g.min() for g in gaps) > 1e-6, (era, p)


def warp(era, x, p, mode, order, cval=CVAL):
    found = source_map(era, p, *x.shape[:2])
    if found is None:
        return x
    matrix, offset = found
    planes = [
        ndimage.affine_transform(x[..., k], matrix, offset, order=order, mode=mode, cval=cval)
        for k in range(x.shape[2])
    ]
    return np.stack(planes, axis=2)


def by_rule(era, x, p, mode, order):
    y = warp(era, x, p, mode, order)
    if not np.isnan(p[8]):
        y = np.clip(y + np.float32(p[8]), y.min(), y.max())
    y = y[:, ::-1] if p[6] else y
    y = y[::-1] if p[7] else y
    if not np.isnan(p[9]):
        y = np.clip(y * np.float32(p[9]), 0, 255)
    return y


def by_package(module, x, p, mode, order):
    generator = module.ImageDataGenerator(
        fill_mode=mode, cval=CVAL, interpolation_order=order, data_format="channels_last", dtype="float32"
    )
    values = [None if np.isnan(v) else float(v) for v in p]
    return generator.apply_transform(x.copy(), dict(zip(NAMES, values)))


PACKAGES = {"keras2": keras2, "keras3": keras3}


def transform(era, x, p, mode, order):
    if era not in PACKAGES:
        return by_rule(era, x, p, mode, order)
    y = by_package(PACKAGES[era], x, p, mode, order)
    if np.isnan(p[9]):  # up to brightness the rules give the very same pixels
        np.testing.assert_allclose(by_rule(era, x, p, mode, order), y, atol=1e-4)
    return y


def era_params(era):
    p = PARAMS.copy()
    if era == "keras2016":
        p[:, 3] = np.round(np.deg2rad(p[:, 3]), 4)
        p[:, 9] = NONE
    return p


def make(era):
    params = era_params(era)
    arrays = {"params": params}
    rng = np.random.default_rng(700)
    for h, w in ((7, 9), (8, 8)):
        image = rng.integers(0, 256, (h, w, 3)).astype(np.uint8)
        arrays["%dx%d/image" % (h, w)] = image
        x = image.astype(np.float32)
        for p in params:
            assert_robust(era, p, h, w)
        for mode in MODES:
            for order in (0, 1):
                y = np.stack([transform(era, x, p, mode, order) for p in params])
                arrays["%dx%d_%s_o%d/y" % (h, w, mode, order)] = y.astype(np.float32)
    save("augment_%s.npz" % era, arrays)


def check_tables():
    """Rows of the hand-kept tables in keras.md 1.5."""
    def row(era, shape, order, number, mode="nearest", **given):
        p = np.array([given.get(n, 1.0 if n in ("zx", "zy") else 0.0) for n in NAMES])
        x = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape + (1,))
        return warp(era, x, p, mode, order, -1.0)[number, :, 0]

    def same(got, text):
        np.testing.assert_allclose(got, np.array(text.split(), float), atol=6e-5)

    combo = dict(theta=30, tx=0.5, ty=-0.25, shear=10, zx=0.9, zy=1.1)
    same(row("keras3", (5, 5), 1, 0, theta=30), "1.2679 2.134 4.3397 7.7058 10.3397")
    same(row("keras3", (5, 5), 1, 0, shear=20), "1.2871 2.2871 3.2871 4.2871 4.6031")
    same(row("keras3", (5, 5), 1, 0, **combo), "2.4133 3.1927 5.7131 7.991 10.241")
    same(row("keras3", (5, 5), 1, 0, mode="wrap", theta=30), "17.6077 20.9737 4.3397 7.7058 7.0718")
    same(row("keras2", (5, 5), 1, 0, theta=30), "9.5096 7.0096 5.1436 3.5096 2.366")
    same(row("keras2", (5, 5), 1, 0, **combo), "16.7047 13.1694 10.4749 7.7822 5.0895")
    same(row("keras2016", (5, 5), 0, 0, theta=30), "10 5 6 2 2")
    same(row("keras2016", (5, 5), 0, 0, zx=0.5, zy=0.5), "12 12 13 13 14")
    same(row("correct", (4, 6), 1, 0, theta=180), "23 22 21 20 19 18")
    same(row("correct", (4, 6), 1, 0, theta=30), "1.0849 1.951 2.817 6.3888 10.2548 13.7058")
    same(row("correct", (4, 6), 1, 0, zx=0.5, zy=0.5), "5.75 6.25 6.75 7.25 7.75 8.25")
    same(row("correct", (4, 6), 1, 0, tx=1), "1 2 3 4 5 5")


check_tables()
for era in ("keras2", "keras3", "keras2016", "correct"):
    make(era)
