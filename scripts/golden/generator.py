"""generator.npz: ImageDataGenerator's own methods on arrays, by the package of each era.

Made with keras-preprocessing 1.1.2 (keras2), keras 3.15.1 legacy ImageDataGenerator on tensorflow-cpu 2.21.0 (keras3),
scipy 1.17.1, pillow 13.0.0, numpy 2.4.6, python 3.11. Channels last, float32, fill "nearest" unless named.
params (n,10) float64: the dictionary in its order, nan = none. picture_<c> (8,8,c) float32 reaches from -40 to 310.
<era>/warp_<mode>_o<order> (n,8,8,3): apply_transform of the geometric part; <era>/colour_<c> (n,8,8,c): of all, order 1.
draw_<case> (5,10): get_random_transform in the state after seed(case), five in a row, shape (20,30,3).
samples (20,4,4,3) in 0..255; <era>/fit_<case>_{mean,std,zca,y}: fit and standardize of it, y for samples 0 and 1.
"""
import warnings

import numpy as np

from golden_io import quiet_keras, save

quiet_keras("float32")
from keras.src.legacy.preprocessing import image as keras3
from keras_preprocessing import image as keras2

warnings.simplefilter("ignore")

ERAS = {"keras2": keras2, "keras3": keras3}
NAMES = "theta tx ty shear zx zy flip_horizontal flip_vertical channel_shift_intensity brightness".split()
NONE = np.nan
PARAMS = np.array([
    # theta   tx     ty    shear   zx    zy  fh fv  shift  bright
    [0.0,    0.0,   0.0,   0.0,  1.0,  1.0,  1, 0, NONE, 1.3],
    [31.3,   0.0,   0.0,   0.0,  1.0,  1.0,  0, 0, NONE, NONE],
    [0.0,   -1.3,   2.6,   0.0,  1.0,  1.0,  0, 1, 40.0, NONE],
    [12.5,   0.7,  -1.1,   8.0,  0.9,  1.1,  1, 0, -25.0, 0.6],
    [-135.2, 3.3,   2.2, -25.0,  1.6,  0.6,  0, 1, NONE, 0.0],
    [3.0,   25.4, -31.7,   0.0,  1.0,  1.0,  0, 0, NONE, 1.0],
])
DRAWS = {
    "int": dict(width_shift_range=4, height_shift_range=7, horizontal_flip=True),
    "one": dict(width_shift_range=1, height_shift_range=1.0, rotation_range=20, zoom_range=0.3),
    "list": dict(width_shift_range=[0.1, 0.3, 0.25], height_shift_range=[-2.0, 5.0, 3.5, 0.5, 1.0], shear_range=5.0),
    "colour": dict(width_shift_range=2.5, channel_shift_range=20.0, brightness_range=(0.5, 1.5), vertical_flip=True),
}
FITS = {
    "mean": dict(featurewise_center=True),
    "std": dict(featurewise_center=True, featurewise_std_normalization=True, rescale=1 / 255),
    "sample": dict(samplewise_center=True, samplewise_std_normalization=True, rescale=0.5),
    "zca": dict(featurewise_center=True, zca_whitening=True, zca_epsilon=1e-3, rescale=1 / 255),
    "augmented": dict(featurewise_center=True, featurewise_std_normalization=True, rotation_range=30,
                      width_shift_range=0.25, zoom_range=0.2, horizontal_flip=True, rescale=1 / 255),
}


def dictionary(p):
    return dict(zip(NAMES, [None if np.isnan(v) else float(v) for v in p]))


def transform(module, x, p, mode="nearest", order=1):
    generator = module.ImageDataGenerator(fill_mode=mode, cval=17.0, interpolation_order=order,
                                          data_format="channels_last", dtype="float32")
    return generator.apply_transform(x.copy(), dictionary(p))


def fit(module, samples, options, augment):
    generator = module.ImageDataGenerator(data_format="channels_last", dtype="float32", **options)
    generator.fit(samples, augment=augment, rounds=2, seed=11)
    y = np.stack([generator.standardize(samples[i].copy()) for i in range(2)])
    white = getattr(generator, "principal_components", None)
    white = getattr(generator, "zca_whitening_matrix", None) if white is None else white
    return {"mean": generator.mean, "std": generator.std, "zca": white, "y": y}


def main():
    rng = np.random.default_rng(3)
    arrays = {"params": PARAMS, "samples": rng.integers(0, 256, (20, 4, 4, 3)).astype(np.float32)}
    for c in (1, 2, 3, 4):
        arrays["picture_%d" % c] = rng.uniform(-40, 310, (8, 8, c)).astype(np.float32)
    geometry = PARAMS.copy()
    geometry[:, 8:] = NONE
    for era, module in ERAS.items():
        for mode in ("nearest", "constant", "reflect", "wrap"):
            for order in range(4):
                y = [transform(module, arrays["picture_3"], p, mode, order) for p in geometry]
                arrays["%s/warp_%s_o%d" % (era, mode, order)] = np.stack(y).astype(np.float32)
        for c in (1, 2, 3, 4):
            params = PARAMS.copy()
            params[:, 9] = NONE if c == 2 else params[:, 9]  # Pillow has no pictures of two channels here
            y = [transform(module, arrays["picture_%d" % c], p) for p in params]
            arrays["%s/colour_%d" % (era, c)] = np.stack(y).astype(np.float32)
        for case, options in FITS.items():
            found = fit(module, arrays["samples"], options, case == "augmented")
            for key, value in found.items():
                if value is not None:
                    arrays["%s/fit_%s_%s" % (era, case, key)] = np.asarray(value, np.float32)
    for seed, (case, options) in enumerate(DRAWS.items()):
        generator = keras3.ImageDataGenerator(data_format="channels_last", **options)
        np.random.seed(seed)
        rows = [generator.get_random_transform((20, 30, 3)) for _ in range(5)]
        arrays["draw_" + case] = np.array([[NONE if r[n] is None else float(r[n]) for n in NAMES] for r in rows])
        older = keras2.ImageDataGenerator(data_format="channels_last", **options)
        np.random.seed(seed)
        assert [older.get_random_transform((20, 30, 3)) for _ in range(5)] == rows
    save("generator.npz", arrays)


main()
