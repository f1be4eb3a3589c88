"""Does Keras read the .h5 weights that Thimble writes, and predict the same? Run by hand:

    python check_h5_weights.py build/release/libthimble.so

For a stack and for a net with branches, Keras makes the net and random weights; a .thimble file is written
from them here, by the rules of docs/formats.md; Thimble opens it, predicts, and saves .h5 and .npz; a fresh
Keras net loads the .h5. Scores must agree to 1e-5, the .npz must hold the same weights."""
import ctypes
import hashlib
import json
import os
import sys
import tempfile

import numpy as np

from golden_io import quiet_keras

keras = quiet_keras("float32")
L = keras.layers
OPTIONS = ("filters", "units", "kernel_size", "pool_size", "strides", "padding", "dilation_rate", "groups",
           "depth_multiplier", "use_bias", "rate", "momentum", "epsilon", "scale", "center", "target_shape",
           "offset")


def stack():
    return keras.Sequential([
        keras.Input((16, 12, 3)),
        L.Rescaling(1 / 127.5, -1.0),
        L.Conv2D(8, 3, activation="relu", padding="same"),
        L.BatchNormalization(),
        L.MaxPooling2D(),
        L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"),
        L.SeparableConv2D(6, 2, strides=2),
        L.Flatten(),
        L.Dropout(0.5),
        L.Dense(5, activation="softmax"),
    ])


def branches():
    x = first = keras.Input((10, 10, 1))
    x = a = L.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = L.BatchNormalization(center=False)(x)
    x = L.Activation("relu")(x)
    x = L.Add()([a, x])
    x = L.Concatenate()([x, L.ZeroPadding2D(((1, 0), (0, 1)))(L.Conv2D(3, 2)(x))])
    x = L.GlobalAveragePooling2D()(x)
    return keras.Model(first, L.Dense(1, activation="sigmoid")(x))


def layer_json(layer):
    """A Keras layer as docs/formats.md has it."""
    kind, config = type(layer).__name__, layer.get_config()
    out = {"name": layer.name}
    if kind == "InputLayer":
        out["batch_shape"] = [None, *layer.batch_shape[1:]]
        return {"class_name": kind, "config": out, "inbound": []}
    known = {
        "Rescaling": ("scale", "offset"),
        "Dropout": ("rate",),
        "BatchNormalization": ("momentum", "epsilon", "scale", "center"),
    }.get(kind, OPTIONS)
    for key in known:
        if key in config and (kind, key) not in (("DepthwiseConv2D", "filters"), ("DepthwiseConv2D", "groups"),
                                                 ("SeparableConv2D", "groups")):
            out[key] = config[key]
    if "activation" in config:
        out["activation"] = config["activation"]
    parents = layer._inbound_nodes[0].parent_nodes
    return {"class_name": kind, "config": out, "inbound": [node.operation.name for node in parents]}


def write_thimble(path, model):
    layers = list(model.layers)
    if not isinstance(layers[0], L.InputLayer):
        layers.insert(0, model._functional.layers[0])
    tensors, data = [], b""
    for layer in layers:
        for weight in layer.weights:
            value = np.ascontiguousarray(weight.numpy(), "<f4")
            data += b"\0" * (-len(data) % 64)
            tensors.append({"name": "weight/%s/%s" % (layer.name, weight.name), "dtype": "float32",
                            "shape": list(value.shape), "offset": len(data), "bytes": value.nbytes})
            data += value.tobytes()
    data += b"\0" * (-len(data) % 64)
    graph = {"class_name": "Functional", "config": {"layers": [layer_json(layer) for layer in layers]}}
    text = json.dumps({"meta": {"graph": graph}, "tensors": tensors}).encode()
    head = b"\x89TMB\r\n\x1a\n" + (1).to_bytes(4, "little") + len(text).to_bytes(4, "little") + text
    head += b"\0" * (-len(head) % 64)
    body = head + data + (len(head) + len(data) + 40).to_bytes(8, "little")
    with open(path, "wb") as file:
        file.write(body + hashlib.sha256(body).digest())


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

    def predict(self, model, x):
        scores = np.empty((len(x), self.lib.tmb_model_outputs(model)), "f4")
        self.call("tmb_model_predict", model, x.ctypes.data_as(ctypes.c_void_p), len(x),
                  scores.ctypes.data_as(ctypes.c_void_p))
        return scores


def check(thimble, make, folder):
    rng = np.random.default_rng(1)
    model = make()
    for weight in model.weights:
        weight.assign(rng.uniform(0.05, 0.5, weight.shape) * rng.choice([1, 1, -1], weight.shape)
                      if "variance" not in weight.name else rng.uniform(0.5, 2, weight.shape))
    x = rng.uniform(0, 2, (3, *model.input_shape[1:])).astype("f4")
    expected = model.predict(x, verbose=0)
    path = os.path.join(folder, make.__name__)
    write_thimble(path + ".thimble", model)
    handle = thimble.open(path + ".thimble")
    found = thimble.predict(handle, x)
    thimble.call("tmb_model_save_weights", handle, (path + ".h5").encode())
    thimble.call("tmb_model_save_weights", handle, (path + ".npz").encode())
    keras.utils.clear_session()
    fresh = make()
    fresh.load_weights(path + ".h5")
    again = fresh.predict(x, verbose=0)
    worst = max(np.abs(found - expected).max(), np.abs(again - expected).max())
    print("%s: %d weights, Keras against Thimble %.2g, Keras with the .h5 %.2g" % (
        make.__name__, len(model.weights), np.abs(found - expected).max(), np.abs(again - expected).max()))
    assert worst < 1e-5
    with np.load(path + ".npz") as file:
        assert len(file.files) == len(model.weights)
        for layer in model.layers:
            for weight in layer.weights:
                assert np.array_equal(file["%s/%s" % (layer.name, weight.name)], weight.numpy())


with tempfile.TemporaryDirectory() as folder:
    for make in (stack, branches):
        check(Thimble(os.path.abspath(sys.argv[1])), make, folder)
