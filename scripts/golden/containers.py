"""containers/*: .safetensors, .npy and .npz files of the `safetensors` package and of NumPy, and a sharded file of Keras 3,
for tests/unit/format and tests/unit/io.

All arrays hold what `value` says of their name, so that the tests need no second copy of the numbers: element i is
(37 i + length of the name) mod 101, less 50 for signed types, in eighths for floats.

    all.safetensors      every dtype that Thimble reads, a scalar, an empty tensor, metadata
    plain.safetensors    the same without bfloat16 and metadata, for the writer to match byte for byte
    net.safetensors      weights of a tiny net, "layer/weight"
    all.npz              np.savez: every dtype, C and Fortran order, both byte orders, scalar, empty
    deflated.npz         np.savez_compressed
    v1.npy v2.npy v3.npy format versions 1.0 to 3.0 of one array (2, 3)
    python2.npy          as NumPy on Python 2 wrote it: (2L, 3L), data at a multiple of 16
    tiny.keras           the net of net.safetensors
    shards.weights.json and shards_*.weights.h5   its weights, by save_weights(max_shard_size=...)

Written with NumPy 2.4, safetensors 0.8, Keras 3.15."""
import os

import ml_dtypes
import numpy as np
from numpy.lib import format as npy
from safetensors.numpy import save_file

from golden_io import out_dir, quiet_keras

FOLDER = os.path.join(out_dir(), "containers")
TYPES = ["f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"]


def value(name, dtype, shape):
    n = int(np.prod(shape))
    numbers = (37 * np.arange(n) + len(name)) % 101
    if dtype == "b1":
        numbers = numbers % 2
    elif dtype[0] != "u":
        numbers = (numbers - 50) / (8 if dtype[0] == "f" else 1)
    return numbers.reshape(shape).astype(dtype)


def path(name):
    return os.path.join(FOLDER, name)


def every_type():
    arrays = {"all/" + dtype: value("all/" + dtype, dtype, (2, 3, 2)) for dtype in TYPES}
    arrays["scalar"] = value("scalar", "f8", ())
    arrays["empty"] = value("empty", "i8", (0, 3))
    return arrays


def write_versions():
    array = value("v", "f4", (2, 3))
    for major in 1, 2, 3:
        with open(path("v%d.npy" % major), "wb") as file:
            npy.write_array(file, array, version=(major, 0))
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 3L), }"
    header += b" " * (-(10 + len(header) + 1) % 16) + b"\n"
    with open(path("python2.npy"), "wb") as file:
        file.write(b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + array.tobytes())


def write_shards():
    keras = quiet_keras("float32")
    layers = keras.layers
    model = keras.Sequential([
        keras.Input((8, 8, 3)),
        layers.Conv2D(4, 3, name="conv_a"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(5, name="dense_b"),
    ])
    for weight in model.weights:
        name = weight.path.split("sequential/")[-1]
        weight.assign(value(name, "f4", weight.shape))
    model.save(path("tiny.keras"))
    model.save_weights(path("shards.weights.json"), max_shard_size=750 / 1024**3)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    arrays = every_type()
    half = {"all/bf16": value("all/bf16", "f4", (2, 3, 2)).astype(ml_dtypes.bfloat16)}  # exact: 7 bits
    save_file({**arrays, **half}, path("all.safetensors"), metadata={"format": "np"})
    save_file(arrays, path("plain.safetensors"))
    net = {"conv_a/kernel": (3, 3, 3, 4), "conv_a/bias": (4,), "dense_b/kernel": (36, 5), "dense_b/bias": (5,)}
    save_file({name: value(name, "f4", shape) for name, shape in net.items()}, path("net.safetensors"))
    for dtype in TYPES:
        name = "fortran/" + dtype
        arrays[name] = np.asfortranarray(value(name, dtype, (2, 3, 2)))
        name = "swapped/" + dtype
        arrays[name] = value(name, dtype, (2, 3, 2)).astype(np.dtype(dtype).newbyteorder(">"))
        name = "both/" + dtype
        arrays[name] = np.asfortranarray(value(name, dtype, (2, 3, 2)).astype(np.dtype(dtype).newbyteorder(">")))
    np.savez(path("all.npz"), **arrays)
    np.savez_compressed(path("deflated.npz"), **{"a": value("a", "f4", (30, 40))})
    write_versions()
    write_shards()


main()
