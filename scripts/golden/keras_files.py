"""keras/*.h5, *.weights.h5, *.keras and keras_files.npz: weights files that Keras itself wrote, and what its nets
answer, for tests/unit/io/test_keras_h5.c.

`post` is the blog's first net made small, on (30, 26, 3): three convolutions with pooling, Flatten, Dense 8,
Dropout, Dense 1 sigmoid. `nested` is a Sequential inside a Sequential, with batch norm, depthwise and separable
convolutions. Each was trained for a step with Adam, so that whole models have optimizer weights.

    legacy.h5        post, save_weights of Keras 1 to 2 (Keras 3's own legacy writer)
    whole.h5         post, model.save("x.h5")
    net.weights.h5   post, Keras 3
    net.keras        post, Keras 3
    theano.h5        legacy.h5 as Keras 2.1 on Theano has it: backend theano, kernels turned by 180 degrees
    first.h5         post, 2016 layout of a net with channels first: kernels (out, in, h, w), turned, and the first
                     dense layer's rows in the order (c, h, w)
    nested.h5        nested, whole model
    nested.weights.h5
    split.h5         legacy.h5 with weight_names in parts

Keys: post/x, post/y, nested/x, nested/y. Written with Keras 3.15 on TensorFlow 2.21, h5py 3."""
import os

import h5py
import numpy as np

from golden_io import out_dir, quiet_keras, save

keras = quiet_keras("float32")
from keras.src.legacy.saving import legacy_h5_format  # noqa: E402

L = keras.layers
FOLDER = os.path.join(out_dir(), "keras")


def post():
    return keras.Sequential([
        keras.Input((30, 26, 3)),
        L.Conv2D(4, 3, activation="relu"),
        L.MaxPooling2D(),
        L.Conv2D(4, 3, activation="relu"),
        L.MaxPooling2D(),
        L.Conv2D(6, 3, activation="relu"),
        L.MaxPooling2D(),
        L.Flatten(),
        L.Dense(8, activation="relu"),
        L.Dropout(0.5),
        L.Dense(1, activation="sigmoid"),
    ])


def nested():
    base = keras.Sequential([
        keras.Input((12, 10, 2)),
        L.Conv2D(4, 3, use_bias=False),
        L.BatchNormalization(),
        L.DepthwiseConv2D(3, depth_multiplier=2, activation="relu"),
        L.SeparableConv2D(5, 2),
        L.BatchNormalization(scale=False),
    ])
    return keras.Sequential([base, L.GlobalAveragePooling2D(), L.Dense(3, activation="softmax")])


def trained(make, loss, rng):
    """The net after a step, with weights that are not symmetric in any axis; inputs and outputs."""
    keras.utils.clear_session()
    model = make()
    model.build((None, *make().input_shape[1:]))
    for weight in model.weights:
        low, high = (0.5, 2) if "variance" in weight.name else (-0.4, 0.5)
        weight.assign(rng.uniform(low, high, weight.shape))
    x = rng.uniform(0, 1, (4, *model.input_shape[1:])).astype("f4")
    truth = np.arange(4) % 2
    model.compile(loss=loss, optimizer="adam")
    model.train_on_batch(x, truth)
    return model, x, model.predict(x, verbose=0)


def path(name):
    return os.path.join(FOLDER, name)


def edit(source, target, change):
    """Copy a file, with change(file) applied."""
    with open(path(source), "rb") as file:
        data = file.read()
    with open(path(target), "wb") as file:
        file.write(data)
    with h5py.File(path(target), "r+") as file:
        change(file)


def to_theano(file):
    file.attrs["backend"] = "theano"
    file.attrs["keras_version"] = "2.1.0"

    def turn(name, item):
        if isinstance(item, h5py.Dataset) and item.ndim == 4:
            item[...] = item[...][::-1, ::-1]

    file.visititems(turn)


def split(file):
    names = file["conv2d"].attrs["weight_names"]
    del file["conv2d"].attrs["weight_names"]
    file["conv2d"].attrs["weight_names0"] = names[:1]
    file["conv2d"].attrs["weight_names1"] = names[1:]


def write_2016(model):
    with h5py.File(path("first.h5"), "w") as file:
        file.attrs["nb_layers"] = len(model.layers)
        for k, layer in enumerate(model.layers):
            group = file.create_group("layer_%d" % k)
            values = layer.get_weights()
            group.attrs["nb_params"] = len(values)
            for i, value in enumerate(values):
                if value.ndim == 4:
                    value = value.transpose(3, 2, 0, 1)[:, :, ::-1, ::-1]
                if layer.name == "dense" and value.ndim == 2:
                    h, w, c = model.layers[k - 2].output.shape[1:]
                    value = value.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(value.shape)
                group.create_dataset("param_%d" % i, data=np.ascontiguousarray(value))


def main():
    os.makedirs(FOLDER, exist_ok=True)
    rng = np.random.default_rng(5)
    model, x, y = trained(post, "binary_crossentropy", rng)
    arrays = {"post/x": x, "post/y": y}
    with h5py.File(path("legacy.h5"), "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    model.save(path("whole.h5"))
    model.save_weights(path("net.weights.h5"))
    model.save(path("net.keras"))
    edit("legacy.h5", "theano.h5", to_theano)
    edit("legacy.h5", "split.h5", split)
    write_2016(model)
    model, x, y = trained(nested, "sparse_categorical_crossentropy", rng)
    arrays.update({"nested/x": x, "nested/y": y})
    model.save(path("nested.h5"))
    model.save_weights(path("nested.weights.h5"))
    save("keras_files.npz", arrays)


main()
