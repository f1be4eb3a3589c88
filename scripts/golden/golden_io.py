"""Shared by the golden scripts: where the files go, what they may hold, seeded arrays. Needs numpy only."""
import os
import sys

import numpy as np

LIMIT = 900 * 1000  # bytes a file may have
DTYPES = ("<f4", "<f8", "<i4", "|u1")


def out_dir():
    """The folder named on the command line, else tests/golden of this repository."""
    if len(sys.argv) > 1:
        return sys.argv[1]
    here = os.path.dirname(os.path.abspath(__file__))
    return os.path.join(here, "..", "..", "tests", "golden")


def save(name, arrays):
    """Write arrays (key "case/name" -> array) uncompressed, in the order given."""
    clean = {}
    for key, value in arrays.items():
        value = np.ascontiguousarray(value)
        if value.dtype == np.int64:
            value = value.astype(np.int32)
        if value.dtype.str not in DTYPES:
            raise TypeError("%s has dtype %s" % (key, value.dtype))
        clean[key] = value
    path = os.path.join(out_dir(), name)
    np.savez(path, **clean)
    size = os.path.getsize(path)
    if size >= LIMIT:
        raise ValueError("%s has %d bytes" % (name, size))
    print("%s: %d arrays, %d bytes" % (name, len(clean), size))


def normal(rng, *shape):
    """Normal float32 numbers; widen them before use, so that file and computation start from the same."""
    return rng.standard_normal(shape).astype(np.float32)


def one(value):
    """A scalar as an array of one element."""
    return np.asarray(value).reshape(1)


def quiet_keras(floatx):
    """Import Keras on TensorFlow with its start-up messages off."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
    import keras

    keras.backend.set_floatx(floatx)
    return keras
