"""optimizer_state/*: models that Keras trained for a few steps and saved with their optimizer, and the weights after
a few more, for tests/unit/train/test_optimizer_state.c.

    sgd.keras, rmsprop.keras, adam.keras    momentum 0.9; momentum and centred; the defaults
    frozen.keras                            Nadam, the first layer frozen
    adam.h5                                 the same Adam, as a whole model of the legacy layout
    adam2.h5                                that in the words and the order of Keras 2.2: iterations, all m, all v
    adam.weights.h5                         Keras 3's weights alone, with the optimizer's

Archives are packed anew and files copied, both smaller than Keras writes them: what is in them is untouched.
Keys: x (8, 6, 6, 1) and y (8), the one batch of every step; <name>/<k>: the model's weights, in its order, after
three more steps. Written with Keras 3.15 on TensorFlow 2.21, h5py 3."""
import json
import os
import zipfile

import h5py
import numpy as np

from golden_io import out_dir, quiet_keras, save

keras = quiet_keras("float32")
L = keras.layers
FOLDER = os.path.join(out_dir(), "optimizer_state")
STEPS = 3

OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.002, momentum=0.5, centered=True, clipnorm=1.0),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "frozen": lambda: keras.optimizers.Nadam(0.01),
}


def path(name):
    return os.path.join(FOLDER, name)


def net(frozen):
    model = keras.Sequential([
        keras.Input((6, 6, 1)),
        L.Conv2D(2, 3, name="conv", activation="tanh", trainable=not frozen),
        L.BatchNormalization(name="norm"),
        L.Flatten(),
        L.Dense(1, name="answer", activation="sigmoid"),
    ])
    return model


def copy(src, dst):
    for key, value in src.attrs.items():
        texts = np.asarray(value)
        dst.attrs[key] = texts.astype("S") if texts.dtype.kind in "OU" else value
    for key, item in src.items():
        if isinstance(item, h5py.Dataset):
            dst.create_dataset(key, data=item[()])
        else:
            copy(item, dst.create_group(key))


def shrink(name):
    """An archive's members deflated; a .h5 in HDF5's newer, smaller form, with texts of fixed length."""
    old = path(name) + ".old"
    os.rename(path(name), old)
    if name.endswith(".keras"):
        with zipfile.ZipFile(old) as src, zipfile.ZipFile(path(name), "w", zipfile.ZIP_DEFLATED) as dst:
            for member in src.namelist():
                dst.writestr(zipfile.ZipInfo(member), src.read(member), zipfile.ZIP_DEFLATED)
    else:
        with h5py.File(old) as src, h5py.File(path(name), "w", libver="latest") as dst:
            copy(src, dst)
    os.remove(old)


def write_keras2(model):
    """The whole .h5 as Keras 2.2 had it: Adam's variables one after the other, no rate among them."""
    variables = [v.numpy() for v in model.optimizer.variables]
    slots = variables[2:]
    values = [variables[0], *slots[0::2], *slots[1::2]] + [np.zeros(1, "f4")] * (len(slots) // 2)
    model.save(path("adam2.h5"))
    with h5py.File(path("adam2.h5"), "a") as file:
        file.attrs["keras_version"] = b"2.2.4"
        file.attrs["training_config"] = json.dumps({
            "optimizer_config": {"class_name": "Adam", "config": {
                "lr": 0.01, "beta_1": 0.9, "beta_2": 0.999, "decay": 0.0, "epsilon": 1e-07, "amsgrad": False}},
            "loss": "binary_crossentropy", "metrics": ["accuracy"], "sample_weight_mode": None, "loss_weights": None,
        }).encode()
        del file["optimizer_weights"]
        group = file.create_group("optimizer_weights")
        names = [b"Adam/iterations:0"] + [b"training/Adam/Variable_%d:0" % i for i in range(len(values) - 1)]
        group.attrs["weight_names"] = names
        for name, value in zip(names, values):
            group.create_dataset(name, data=value)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (8, 6, 6, 1)).astype("f4")
    y = (rng.uniform(0, 1, 8) > 0.5).astype("f4")
    arrays = {"x": x, "y": y}
    for name, make in OPTIMIZERS.items():
        keras.utils.clear_session()
        keras.utils.set_random_seed(7)
        model = net(name == "frozen")
        model.compile(optimizer=make(), loss="binary_crossentropy", metrics=["accuracy"])
        for _ in range(STEPS):
            model.train_on_batch(x, y)
        model.save(path(name + ".keras"))
        shrink(name + ".keras")
        if name == "adam":
            model.save(path("adam.h5"))
            model.save_weights(path("adam.weights.h5"))
            write_keras2(model)
            for file in ("adam.h5", "adam.weights.h5", "adam2.h5"):
                shrink(file)
        for _ in range(STEPS):
            model.train_on_batch(x, y)
        for k, weight in enumerate(model.weights):
            arrays["%s/%d" % (name, k)] = weight.numpy()
    save("optimizer_state.npz", arrays)


if __name__ == "__main__":
    main()
