"""Does Keras load what Thimble exports, and predict the same? Run by hand:

    python check_export.py build/release/libthimble.so

Each whole model of tests/golden/keras_models is opened by Thimble and written as .keras, as whole .h5, and as
weights (.weights.h5, .weights.json in parts, .h5); Keras loads the whole ones, and the weights into what it
loaded, with other weights in it. Scores must agree to 1e-5 with those of the golden. What counts in training alone
(random factors, constraints, rates) must be in the layers that Keras made, and so in a net of every constraint; a net
with a Rescaling put in must answer pixels as the net without one answers scaled pixels.

Each model of tests/golden/optimizer_state goes through Thimble with the state of its optimizer; Keras loads it
compiled, and a few steps on the golden's batch must give the golden's weights, as if it had never been away. A
whole .h5 must give Keras' optimizer its options; its state Keras 3 itself does not restore from such files."""
import ctypes
import os
import sys
import tempfile
import warnings

import numpy as np

from golden_io import quiet_keras

keras = quiet_keras("float32")
GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "golden")
warnings.filterwarnings("error", category=UserWarning, module="keras.src.saving")


class Opts(ctypes.Structure):
    _fields_ = [("whole", ctypes.c_bool), ("rescaling", ctypes.c_bool), ("optimizer", ctypes.c_bool),
                ("shard_bytes", ctypes.c_int64), ("reserved", ctypes.c_uint64 * 4)]


class Thimble:
    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        self.lib.tmb_errmsg.restype = ctypes.c_char_p

    def call(self, name, *args):
        if getattr(self.lib, name)(*args) < 0:
            raise RuntimeError("%s: %s" % (name, self.lib.tmb_errmsg().decode()))

    def open(self, path):
        model = ctypes.c_void_p()
        self.call("tmb_model_open", ctypes.byref(model), path.encode())
        return model

    def export(self, model, path, **opts):
        self.call("tmb_model_export", model, path.encode(), ctypes.byref(Opts(**opts)))


def scramble(model):
    rng = np.random.default_rng(2)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1, weight.shape))


def worst(model, x, y):
    return float(np.abs(model.predict(x, verbose=0) - y).max())


def check(thimble, name, x, y, folder):
    handle = thimble.open(os.path.join(GOLDEN, "keras_models", name))
    base = os.path.join(folder, name.split(".")[0])
    found = {}
    thimble.export(handle, base + ".keras")
    thimble.export(handle, base + ".h5", whole=True)
    thimble.export(handle, base + ".weights.h5")
    thimble.export(handle, base + ".weights.json", shard_bytes=400)
    thimble.export(handle, base + "_w.h5")
    model = keras.models.load_model(base + ".keras")
    found[".keras"] = worst(model, x, y)
    for ending in (".weights.h5", ".weights.json", "_w.h5"):
        scramble(model)
        model.load_weights(base + ending)
        found[ending] = worst(model, x, y)
    found[".h5"] = worst(keras.models.load_model(base + ".h5", compile=False), x, y)
    print("%-14s %s" % (name, "  ".join("%s %.2g" % item for item in found.items())))
    assert max(found.values()) < 1e-5
    if name == "newer.keras":
        same_training(keras.models.load_model(os.path.join(GOLDEN, "keras_models", name)), model)


def trains(layer):
    """What of a layer counts in training alone, in one spelling."""
    keys = ("factor", "height_lower", "height_upper", "width_lower", "width_upper", "width_factor", "mode", "fill_mode",
            "fill_value", "interpolation", "value_range", "height", "width", "rate", "stddev")
    out = {key: getattr(layer, key) for key in keys if hasattr(layer, key)}
    out.update(("width_factor", value is None) for key, value in list(out.items()) if key == "width_factor")
    constraint = getattr(layer, "kernel_constraint", None)
    if constraint is not None:
        out["constraint"] = type(constraint).__name__
        out.update(constraint.get_config())
    regularizer = getattr(layer, "kernel_regularizer", None)
    if regularizer is not None:
        out["l1"], out["l2"] = (getattr(regularizer, key, 0) for key in ("l1", "l2"))
    return {key: list(map(float, value)) if isinstance(value, (tuple, list)) else value for key, value in out.items()}


def same_training(model, back):
    count = 0
    for layer in model.layers:
        a, b = trains(layer), trains(back.get_layer(layer.name))
        assert a.keys() == b.keys(), (layer.name, a, b)
        for key, value in a.items():
            near = isinstance(value, (str, bool, type(None))) or np.allclose(value, b[key], rtol=1e-6)
            assert near and (not isinstance(value, str) or value == b[key]), (layer.name, key, value, b[key])
        count += len(a)
    print("%14s %d options of training as they were" % ("", count))


def check_constraints(thimble, folder):
    layers, constraints = keras.layers, keras.constraints
    model = keras.Sequential([
        keras.Input((9, 9, 3)),
        layers.RandomZoom(0.5, 0), layers.RandomZoom((-0.5, 0.25)), layers.RandomContrast((0.2, 0.4)),
        layers.RandomFlip("vertical"), layers.RandomBrightness((-0.1, 0.3)),
        layers.Conv2D(4, 3, kernel_constraint=constraints.MaxNorm(0.5, axis=[0, 1, 2])),
        layers.Conv2D(4, 2, kernel_constraint=constraints.MinMaxNorm(0.25, 0.75, rate=0.5, axis=[0, 1, 2])),
        layers.Conv2D(4, 2, kernel_constraint=constraints.UnitNorm(axis=3)),
        layers.Flatten(),
        layers.Dense(5, kernel_constraint=constraints.NonNeg()),
        layers.Dense(3, activation="softmax", kernel_constraint=constraints.MaxNorm()),
    ])
    x = np.random.default_rng(5).uniform(0, 1, (3, 9, 9, 3)).astype("f4")
    first, second = os.path.join(folder, "limits.keras"), os.path.join(folder, "limits_back.keras")
    model.save(first)
    handle = thimble.open(first)
    thimble.export(handle, second)
    thimble.export(handle, second + ".h5", whole=True)
    for back in keras.models.load_model(second), keras.models.load_model(second + ".h5", compile=False):
        found = worst(back, x, model.predict(x, verbose=0))
        print("%-14s %.2g" % ("constraints", found))
        assert found < 1e-5
        same_training(model, back)


class Preprocess(ctypes.Structure):
    _fields_ = [("size", ctypes.c_int * 2), ("channels", ctypes.c_int), ("filter", ctypes.c_int), ("fit", ctypes.c_int),
                ("ignore_exif", ctypes.c_bool), ("scale", ctypes.c_float * 4), ("offset", ctypes.c_float * 4),
                ("bgr", ctypes.c_bool), ("flip_views", ctypes.c_bool), ("margin", ctypes.c_float),
                ("samplewise", ctypes.c_bool * 3), ("statistics", ctypes.c_void_p)]


def check_rescaling(thimble, golden, folder):
    for scale, offset in ([1 / 127.5] * 3, [-1.0] * 3), ([0.01, 0.02, 0.03], [-1.0, 0.5, 0.25]):
        handle = thimble.open(os.path.join(GOLDEN, "keras_models", "newer.keras"))
        pre = Preprocess(size=(8, 8), channels=3)
        pre.scale[:3], pre.offset[:3] = scale, offset
        thimble.call("tmb_model_set_preprocess", handle, ctypes.byref(pre))
        base = os.path.join(folder, "rescaling")
        thimble.export(handle, base + ".keras", rescaling=True)
        thimble.export(handle, base + ".h5", rescaling=True, whole=True)
        x = golden["newer/x"].astype("f8")
        pixels = ((x - offset) / scale).astype("f4")
        found = [worst(keras.models.load_model(base + ".keras"), pixels, golden["newer/y"]),
                 worst(keras.models.load_model(base + ".h5", compile=False), pixels, golden["newer/y"])]
        print("%-14s .keras %.2g  .h5 %.2g" % ("rescaling", *found))
        assert max(found) < 1e-5


def check_optimizer(thimble, name, golden, folder):
    handle = thimble.open(os.path.join(GOLDEN, "optimizer_state", name + ".keras"))
    base = os.path.join(folder, name)
    thimble.export(handle, base + ".keras", optimizer=True)
    thimble.export(handle, base + ".h5", whole=True, optimizer=True)
    thimble.export(handle, base + ".weights.h5", optimizer=True)
    model = keras.models.load_model(base + ".keras")
    configs = [model.optimizer.get_config(),
               keras.models.load_model(base + ".h5").optimizer.get_config(),
               keras.models.load_model(os.path.join(GOLDEN, "optimizer_state", name + ".keras")).optimizer.get_config()]
    assert configs[0] == configs[1] == configs[2], configs
    assert int(model.optimizer.iterations) == 3
    found = []
    for again in range(2):
        if again:
            for variable in model.optimizer.variables:
                variable.assign(variable * 0)
            model.load_weights(base + ".weights.h5")
        for _ in range(3):
            loss = model.train_on_batch(golden["x"], golden["y"])
        assert len(loss) == 2  # the loss, and the accuracy
        found.append(max(float(np.abs(weight.numpy() - golden["%s/%d" % (name, k)]).max())
                         for k, weight in enumerate(model.weights)))
    print("%-14s .keras %.2g  .weights.h5 %.2g" % (name, *found))
    assert max(found) < 1e-5


def main():
    thimble = Thimble(os.path.abspath(sys.argv[1]))
    golden = np.load(os.path.join(GOLDEN, "keras_models.npz"))
    with tempfile.TemporaryDirectory() as folder:
        for name in ("stack.keras", "branch.keras", "nested.keras", "newer.keras", "first.keras", "raw.h5",
                     "keras1.h5"):
            which = name.split(".")[0]
            check(thimble, name, golden[which + "/x"], golden[which + "/y"], folder)
        check_constraints(thimble, folder)
        check_rescaling(thimble, golden, folder)
        golden = np.load(os.path.join(GOLDEN, "optimizer_state.npz"))
        for name in ("sgd", "rmsprop", "adam", "frozen"):
            check_optimizer(thimble, name, golden, folder)


main()
