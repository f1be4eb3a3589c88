"""Does Keras load what Thimble exports, and predict the same? Run by hand:

    python check_export.py build/release/libthimble.so

Each whole model of tests/golden/keras_models is opened by Thimble and written as .keras, as whole .h5, and as
weights (.weights.h5, .weights.json in parts, .h5); Keras loads the whole ones, and the weights into what it
loaded, with other weights in it. Scores must agree to 1e-5 with those of the golden.

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
        for name in ("stack.keras", "branch.keras", "nested.keras", "first.keras", "raw.h5", "keras1.h5"):
            which = name.split(".")[0]
            check(thimble, name, golden[which + "/x"], golden[which + "/y"], folder)
        golden = np.load(os.path.join(GOLDEN, "optimizer_state.npz"))
        for name in ("sgd", "rmsprop", "adam", "frozen"):
            check_optimizer(thimble, name, golden, folder)


main()
