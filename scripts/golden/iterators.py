"""iterators.npz: batches of flow, flow_from_directory and flow_from_dataframe, draw for draw.

Made with keras-preprocessing 1.1.2 (preset 2), keras 3.15.1's legacy ImageDataGenerator (preset 3), pandas 3.1.1,
pillow 13.0.0, numpy 2.4.6, python 3.11.
Case <i> of `count`: <i>/opts int32 = way (0 folder, 1 memory, 2 table), preset, seed, shuffle, batch, part (0 all,
1 training, 2 validation of .4), class mode (0 sparse, 1 binary, 2 categorical, 3 input, 4 raw, 5 none), channels,
filter (1 nearest, 2 bilinear, 3 bicubic, 4 lanczos, 5 box, 6 hamming), items (1: __getitem__ of 2, 0, 1 and
on_epoch_end, 0: next), weights, whole shifts. index (all samples of 7 batches), sums float64 (7), head (7, 12: the
first values of each batch's first picture), y and weight if there are any.
Augmentation: rotation 40, shifts .25 (or of 4 whole pixels), shear .25, zoom .75 to 1.25, channel shift 20, flips;
all of these are the same as float32. Picture n is that of keras.md 2.7; in memory, (7, 9, 8, 3) floats
((37 n + 7 r + 13 c + 29 k) mod 256) * .75 + .5 with labels 0 1 0 1 0 0 1, y (n, -n / 2), weights 1 + n / 4.
The table names cat/0..3 and dog/4..6, label cat|pet for even, dog|pet|loud for odd ones.
"""
import itertools
import os
import tempfile

import numpy as np

from golden_io import quiet_keras, save

quiet_keras("float32")
import pandas
from keras.src.legacy.preprocessing import image as keras3
from keras_preprocessing import image as keras2
from PIL import Image

FILTERS = [None, "nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
MODES = ["sparse", "binary", "categorical", "input", "raw", None]
COLOURS = {1: "grayscale", 3: "rgb", 4: "rgba"}
BATCHES = 7
PARTS = [None, "training", "validation"]


def picture(n):
    r, c, k = np.meshgrid(np.arange(20 + n), np.arange(30 - n), np.arange(3), indexing="ij")
    return ((41 * n + 3 * r + 5 * c + 67 * k + r * c % 17) % 256).astype(np.uint8)


def make_tree(root):
    for n in range(7):
        folder = os.path.join(root, "cat" if n < 4 else "dog")
        os.makedirs(folder, exist_ok=True)
        Image.fromarray(picture(n)).save(os.path.join(folder, "%d.png" % n))


def memory():
    n, r, c, k = np.meshgrid(np.arange(7), np.arange(9), np.arange(8), np.arange(3), indexing="ij")
    x = ((37 * n + 7 * r + 13 * c + 29 * k) % 256).astype(np.float32)
    return x * np.float32(.75) + np.float32(.5), np.array([0, 1, 0, 1, 0, 0, 1])


def table(mode):
    names = ["%s/%d.png" % ("cat" if n < 4 else "dog", n) for n in range(7)]
    single = ["cat" if n < 4 else "dog" for n in range(7)]
    several = [["dog", "pet", "loud"] if n % 2 else ["cat", "pet"] for n in range(7)]
    return pandas.DataFrame({"file": names, "kind": several if mode == 2 else single, "weight": 1 + np.arange(7) / 4,
                             "a": np.arange(7.), "b": -np.arange(7.) / 2})


def iterator(root, way, preset, seed, shuffle, batch, part, mode, channels, filt, items, weights, whole):
    kp = keras2 if preset == 2 else keras3
    shifts = dict(width_shift_range=4, height_shift_range=4) if whole else \
        dict(width_shift_range=.25, height_shift_range=.25)
    gen = kp.ImageDataGenerator(rotation_range=40, shear_range=.25, zoom_range=[.75, 1.25], channel_shift_range=20.,
                                horizontal_flip=True, vertical_flip=True, rescale=1 / 255., validation_split=.4,
                                **shifts)
    common = dict(batch_size=batch, shuffle=bool(shuffle), seed=seed, subset=PARTS[part])
    if way == 1:
        x, y = memory()
        y = y if mode == 0 else np.stack([np.arange(7.), -np.arange(7.) / 2], 1) if mode == 4 else None
        ignore = {} if preset == 2 else {"ignore_class_split": True}
        return gen.flow(x, y, sample_weight=1 + np.arange(7) / 4 if weights else None, **ignore, **common)
    common.update(target_size=(12, 15), class_mode=MODES[mode], color_mode=COLOURS[channels],
                  interpolation=FILTERS[filt])
    if way == 0:
        return gen.flow_from_directory(root, **common)
    frame = table(mode)
    return gen.flow_from_dataframe(frame, root, x_col="file", y_col=["a", "b"] if mode == 4 else "kind",
                                   weight_col="weight" if weights else None, **common)


def run(it, items):
    asked = []
    inner = it._get_batches_of_transformed_samples

    def record(index_array):
        asked.append(np.array(index_array))
        return inner(index_array)

    it._get_batches_of_transformed_samples = record
    batches = []
    for i in range(BATCHES):
        if items and i and i % len(it) == 0:
            it.on_epoch_end()
        batches.append(it[(i + len(it) - 1) % len(it)] if items else next(it))
    return np.concatenate(asked), batches


def parts_of(batch, mode):
    if mode == 5:
        return batch, None, None
    batch = tuple(batch)
    return batch + (None,) * (3 - len(batch))


#        way preset seed shuffle batch part mode channels filter items weights whole
cases = [c for preset, seed in itertools.product((2, 3), (0, 7, 1337)) for c in (
    (0, preset, seed, 1, 3, 0, 1, 3, 1, 0, 0, 0),
    (0, preset, seed, 1, 2, 1, 2, 1, 2, 0, 0, 1),
    (0, preset, seed, 0, 4, 2, 5, 3, 3, 0, 0, 0),
    (0, preset, seed, 1, 7, 0, 3, 4, 4, 0, 0, 0),
    (0, preset, seed, 1, 3, 0, 0, 3, 5, 1, 0, 1),
    (1, preset, seed, 1, 3, 0, 0, 3, 1, 0, 1, 0),
    (1, preset, seed, 1, 2, 0, 4, 3, 1, 1, 0, 0),
    (1, preset, seed, 0, 2, 2, 0, 3, 1, 0, 0, 1),
    (1, preset, seed, 1, 3, 1, 0, 3, 1, 0, 0, 0),
    (2, preset, seed, 1, 3, 0, 2, 3, 6, 0, 1, 0),
    (2, preset, seed, 1, 2, 1, 0, 3, 1, 0, 0, 0),
    (2, preset, seed, 0, 3, 2, 4, 1, 2, 0, 1, 0),
    (2, preset, seed, 1, 3, 0, 1, 3, 1, 1, 0, 1))]

arrays = {}
with tempfile.TemporaryDirectory() as root:
    make_tree(root)
    for i, case in enumerate(cases):
        index, batches = run(iterator(root, *case), case[9])
        split = [parts_of(b, case[6]) for b in batches]
        arrays["%d/opts" % i] = np.int32(case)
        arrays["%d/index" % i] = np.int32(index)
        arrays["%d/sums" % i] = np.float64([x.sum(dtype=np.float64) for x, _, _ in split])
        arrays["%d/head" % i] = np.float32([x[0].ravel()[:12] for x, _, _ in split])
        if case[6] not in (3, 5):
            arrays["%d/y" % i] = np.float32(np.concatenate([np.asarray(y, np.float32).ravel() for _, y, _ in split]))
        if case[10]:
            arrays["%d/weight" % i] = np.float32(np.concatenate([w for _, _, w in split]))
arrays["count"] = np.int32([len(cases)])
save("iterators.npz", arrays)
