"""Files from other programs to Thimble and back: equal bits? Run by hand:

    python round_trip.py build/release/libthimble.so

Containers: arrays of every type, their bits drawn at random, so that there are NaN, infinities and numbers below the
normal ones among them, are written by NumPy, the `safetensors` package and h5py, copied by tmb_tensors_convert into each
container, and read back by the first two; a file of the package that Thimble copies must be the same file.
Nets: Keras saves .keras, .weights.h5, legacy .h5 and shards; Thimble opens or loads each and saves .npz, .safetensors and
.h5; NumPy, the package, h5py and a fresh Keras net must find Keras' weights in them."""
import ctypes
import os
import sys
import tempfile

import h5py
import numpy as np
from numpy.lib import format as npy
from safetensors.numpy import load_file, save_file

from golden_io import quiet_keras

keras = quiet_keras("float32")
L = keras.layers
TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]
SHAPES = [(), (0,), (1,), (7,), (3, 0, 2), (4, 5), (2, 3, 4, 5), (2, 1, 2, 1, 2, 1, 2, 3)]
lib = ctypes.CDLL(os.path.abspath(sys.argv[1]))
lib.tmb_errmsg.restype = ctypes.c_char_p
counts = {}


def call(name, *args):
    if getattr(lib, name)(*args) < 0:
        raise RuntimeError("%s: %s" % (name, lib.tmb_errmsg().decode()))


def convert(source, target):
    call("tmb_tensors_convert", source.encode(), target.encode())
    return target


def same(what, found, expected):
    """Two dicts of arrays: names, types, shapes and bits."""
    assert sorted(found) == sorted(expected), (what, sorted(found)[:3], sorted(expected)[:3])
    for name, array in expected.items():
        other = found[name]
        assert other.dtype == array.dtype.newbyteorder("=") and other.shape == array.shape, (what, name)
        assert other.tobytes() == array.astype(other.dtype).tobytes(), (what, name)
    counts[what] = counts.get(what, 0) + len(expected)


def load_npz(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def drawn(rng, dtype, shape):
    if dtype == "b1":
        return rng.integers(0, 2, shape).astype(bool)
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return np.frombuffer(rng.bytes(size), dtype).reshape(shape)


def containers(folder, rng):
    path = os.path.join(folder, "x.")
    arrays = {"%s/%d" % (dtype, k): drawn(rng, dtype, shape) for dtype in TYPES for k, shape in enumerate(SHAPES)}
    save_file(arrays, path + "safetensors")
    with open(convert(path + "safetensors", path + "copy.safetensors"), "rb") as copy:
        with open(path + "safetensors", "rb") as first:
            assert copy.read() == first.read()
    same("safetensors -> .npz -> NumPy", load_npz(convert(path + "safetensors", path + "npz")), arrays)
    for save in np.savez, np.savez_compressed:
        save(path + "np.npz", **arrays)
        same("NumPy -> .safetensors -> safetensors", load_file(convert(path + "np.npz", path + "b.safetensors")), arrays)
        same("NumPy -> .npz -> NumPy", load_npz(convert(path + "np.npz", path + "b.npz")), arrays)
    turned = {name: np.asarray(array, order="F") for name, array in arrays.items()}
    np.savez(path + "np.npz", **turned)
    same("NumPy, Fortran order -> .npz -> NumPy", load_npz(convert(path + "np.npz", path + "b.npz")), arrays)
    swapped = {name: array.byteswap().view(array.dtype.newbyteorder(">")) for name, array in arrays.items()}
    np.savez(path + "np.npz", **swapped)
    found = load_npz(convert(path + "np.npz", path + "b.npz"))
    for name, array in arrays.items():  # the bits, not the values: NaN has many
        assert found[name].tobytes() == array.tobytes(), name
    for name, array in arrays.items():
        for version in (1, 0), (2, 0), (3, 0):
            with open(path + "npy", "wb") as file:
                npy.write_array(file, array, version=version)
            same(".npy -> .safetensors -> safetensors", load_file(convert(path + "npy", path + "c.safetensors")),
                 {"array": array})
    kept = {name: array for name, array in arrays.items() if name[:2] in ("f2", "f4", "f8", "i8") and array.size}
    with h5py.File(path + "h5", "w") as file:
        for name, array in kept.items():
            file.create_dataset(name, data=array)
    same("h5py -> .npz -> NumPy", load_npz(convert(path + "h5", path + "d.npz")), kept)


def net():
    x = first = keras.Input((10, 9, 3))
    x = a = L.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = L.BatchNormalization()(x)
    x = L.Activation("relu")(x)
    x = L.Add()([a, x])
    x = L.DepthwiseConv2D(3)(x)
    x = L.SeparableConv2D(5, 2)(x)
    x = L.Flatten()(x)
    return keras.Model(first, L.Dense(2)(L.Dense(6, activation="relu")(x)))


def open_model(path):
    model = ctypes.c_void_p()
    call("tmb_model_open", ctypes.byref(model), path.encode())
    return model


def nets(folder, rng):
    path = os.path.join(folder, "net.")
    keras.utils.clear_session()
    model = net()
    for weight in model.weights:
        weight.assign(rng.standard_normal(weight.shape).astype("f4"))
    expected = {"%s/%s" % (layer.name, weight.name): weight.numpy() for layer in model.layers for weight in layer.weights}
    model.save(path + "keras")
    model.save(path + "whole.h5")
    model.save_weights(path + "weights.h5")
    model.save_weights(path + "weights.json", max_shard_size=5500 / 1024**3)
    for source in "keras", "whole.h5", "weights.h5", "weights.json":
        handle = open_model(path + ("keras" if source.startswith("weights") else source))
        if source.startswith("weights"):
            call("tmb_model_init", handle, ctypes.c_uint64(7))
            call("tmb_model_load_weights", handle, (path + source).encode())
        for ending in "out.npz", "out.safetensors", "out.h5":
            call("tmb_model_save_weights", handle, (path + ending).encode())
        what = "Keras " + source
        same(what + " -> .npz -> NumPy", load_npz(path + "out.npz"), expected)
        same(what + " -> .safetensors -> safetensors", load_file(path + "out.safetensors"), expected)
        with h5py.File(path + "out.h5") as file:
            found = {}
            file.visititems(lambda name, item: found.update({name: item[()]}) if hasattr(item, "shape") else None)
        short = {name.split("/", 1)[1].rsplit(":", 1)[0]: array for name, array in found.items()}
        renamed = {name.replace("depthwise_conv2d/kernel", "depthwise_conv2d/depthwise_kernel"): array
                   for name, array in expected.items()}
        same(what + " -> .h5 -> h5py", short, renamed)
        keras.utils.clear_session()
        fresh = net()
        fresh.load_weights(path + "out.h5")
        same(what + " -> .h5 -> Keras", {str(k): w.numpy() for k, w in enumerate(fresh.weights)},
             {str(k): w.numpy() for k, w in enumerate(model.weights)})
        call("tmb_model_load_weights", handle, (path + "out.safetensors").encode())
        lib.tmb_model_free(handle)


with tempfile.TemporaryDirectory() as folder:
    generator = np.random.default_rng(11)
    for step in containers, nets:
        step(folder, generator)
for what, n in counts.items():
    print("%4d arrays of equal bits: %s" % (n, what))
