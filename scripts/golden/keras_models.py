"""keras_models/*: whole models that Keras itself wrote, configs as older versions wrote them, and what the nets
answer, for tests/unit/io/test_keras_open.c and test_keras_export.c.

    stack.keras, stack.h5    a Sequential with batch norm, dropout, a penalty and every kind of pooling
    branch.keras, branch.h5  a Functional: depthwise, separable and grouped convolutions, Add, Concatenate
    newer.keras              layers that came later: random ones, noise, LayerNormalization, PReLU, merges, constraints
    nested.keras, nested.h5  models in models, the same names in two of them, the first half of one frozen
    first.keras              channels first: convolutions, batch norm, Concatenate, a Flatten that turns
    raw.h5                   channels first, with a Flatten that does not turn: dense rows (c, h, w)
    keras1.json, keras1.h5   a stack as Keras 1.2 would have written it: nb_filter, border_mode, p, a list of layers
    branch.weights.h5        Keras 3's weights alone
    keras2.json              the branches as Keras 2.2 would have written them: Model, inbound_nodes lists

Keys: <name>/x, <name>/y; x with channels last always. Written with Keras 3.15 on TensorFlow 2.21, h5py 3."""
import json
import os
import zipfile

import h5py
import numpy as np

from golden_io import out_dir, quiet_keras, save

keras = quiet_keras("float32")
L = keras.layers
FOLDER = os.path.join(out_dir(), "keras_models")


def path(name):
    return os.path.join(FOLDER, name)


def stack():
    return keras.Sequential([
        keras.Input((14, 12, 3)),
        L.Rescaling(1 / 127.5, offset=-1),
        L.Conv2D(4, 3, padding="same", kernel_regularizer=keras.regularizers.L2(0.01)),
        L.BatchNormalization(),
        L.Activation("relu"),
        L.MaxPooling2D(),
        L.Conv2D(4, (3, 2), activation=L.LeakyReLU(negative_slope=0.1), kernel_initializer="he_normal"),
        L.AveragePooling2D(2, strides=1, padding="same"),
        L.ZeroPadding2D(((1, 0), (0, 1))),
        L.LeakyReLU(negative_slope=0.2),
        L.Dropout(0.25, seed=3),
        L.Flatten(),
        L.Dense(6, activation="silu"),
        L.Dropout(0.5),
        L.Dense(3),
        L.Softmax(),
    ], name="stack")


def branch():
    x = first = keras.Input((10, 12, 4), name="photo")
    x = a = L.Conv2D(4, 3, padding="same", use_bias=False, name="stem")(x)
    x = L.BatchNormalization(center=False)(x)
    x = L.ReLU(max_value=6.0)(x)
    b = L.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    c = L.SeparableConv2D(8, 3, padding="same", activation="relu")(a)
    d = L.Conv2D(8, 1, groups=2, name="grouped")(a)
    x = L.Add()([b, c, d])
    y = L.Conv2D(2, 3, strides=2, padding="same", dilation_rate=1)(x)
    z = L.MaxPooling2D(2)(x)
    x = L.Concatenate()([y, z])
    x = L.GlobalAveragePooling2D()(x)
    x = L.Reshape((2, 5))(x)
    x = L.Flatten()(x)
    return keras.Model(first, L.Dense(1, activation="sigmoid", name="answer")(x), name="branch")


def newer():
    """What only Keras 2 and 3 have, and what does nothing outside of training."""
    x = start = keras.Input((8, 8, 3))
    x = L.RandomFlip("horizontal")(x)
    x = L.RandomRotation(0.1, fill_mode="nearest")(x)
    x = L.RandomZoom((-0.1, 0.2), fill_mode="constant", fill_value=0.5)(x)
    x = L.RandomTranslation(0.1, (-0.2, 0.1), interpolation="nearest")(x)
    x = L.RandomContrast(0.2)(x)
    x = L.RandomBrightness(0.1, value_range=(0, 1))(x)
    x = L.Rescaling(2.0, offset=-1.0)(x)
    x = a = L.Conv2D(4, 3, padding="same", kernel_constraint=keras.constraints.MaxNorm(2.0))(x)
    x = L.PReLU(shared_axes=[1, 2])(x)
    x = L.SpatialDropout2D(0.2)(x)
    x = L.GaussianNoise(0.1)(x)
    x = L.LayerNormalization(epsilon=1e-5)(x)
    b = L.ReLU(max_value=3.0, negative_slope=0.1, threshold=0.2)(x)
    c = L.ELU(alpha=0.5)(x)
    m = L.Maximum()([b, c])
    n = L.Minimum()([b, a])
    x = L.Multiply()([m, n])
    x = L.Average()([x, a, b])
    x = L.Subtract()([x, c])
    x = L.MaxPooling2D(2)(x)
    x = L.UpSampling2D(2, interpolation="bilinear")(x)
    x = L.Cropping2D(((1, 2), (0, 1)))(x)
    x = L.Permute((2, 1, 3))(x)
    x = L.GaussianDropout(0.3)(x)
    x = L.GlobalMaxPooling2D()(x)
    x = L.Dense(3, activation="softmax", bias_regularizer=keras.regularizers.L2(0.01),
                kernel_constraint=keras.constraints.NonNeg())(x)
    return keras.Model(start, x, name="newer")


def nested():
    base = keras.Sequential([
        keras.Input((9, 9, 2)),
        L.Conv2D(3, 3, name="conv"),
        L.BatchNormalization(name="norm"),
        L.Conv2D(3, 2, name="last"),
    ], name="base")
    base.layers[0].trainable = False
    base.layers[1].trainable = False
    inner = keras.Input((6, 6, 3))
    out = L.Conv2D(3, 2, name="conv", padding="same")(inner)
    other = keras.Model(inner, L.Add()([inner, out]), name="other")
    first = keras.Input((9, 9, 2))
    x = other(base(first))
    x = L.Conv2D(2, 3, name="conv")(x)
    x = L.Flatten()(x)
    head = keras.Sequential([keras.Input((32,)), L.Dense(4, activation="tanh"), L.Dense(2, activation="softmax")])
    return keras.Model(first, head(x), name="nested")


def first(order="channels_first"):
    f = {"data_format": "channels_first"}
    x = start = keras.Input((3, 9, 8))
    x = a = L.Conv2D(4, 3, padding="same", activation="relu", **f)(x)
    x = L.BatchNormalization(axis=1)(x)
    x = L.Concatenate(axis=1)([a, x])
    x = L.MaxPooling2D(2, **f)(x)
    x = L.ZeroPadding2D(1, **f)(x)
    x = L.DepthwiseConv2D(2, **f)(x)
    x = L.Flatten(data_format=order)(x)
    return keras.Model(start, L.Dense(2, activation="softmax")(x))


def raw():
    return first("channels_last")


def filled(make, rng):
    """The net with weights that are not symmetric in any axis."""
    keras.utils.clear_session()
    model = make()
    for weight in model.weights:
        if "seed" in weight.path:
            continue
        low, high = (0.5, 2) if "variance" in weight.path else (-0.5, 0.6)
        weight.assign(rng.uniform(low, high, weight.shape))
    return model


def answers(model, rng, arrays, name, scale=1.0, first=False):
    x = (rng.uniform(0, 1, (3, *model.input_shape[1:])) * scale).astype("f4")
    if first:  # a CPU has no such convolution: the same net with channels last answers
        y = answer_first(model, x)
        x = x.transpose(0, 2, 3, 1)
    else:
        y = model.predict(x, verbose=0)
    arrays[name + "/x"], arrays[name + "/y"] = x, y


def answer_first(model, x):
    """What the net with its channels first gives, by hand: TensorFlow has no such convolution on a CPU."""
    values = {}
    for layer in model.layers:
        ins = [values[n.operation.name] for n in layer._inbound_nodes[0].parent_nodes]
        kind, config = type(layer).__name__, layer.get_config()
        last = ins[0].transpose(0, 2, 3, 1) if ins and ins[0].ndim == 4 else ins[0] if ins else None
        if kind == "InputLayer":
            values[layer.name] = x
            continue
        if kind == "Concatenate":
            values[layer.name] = np.concatenate(ins, 1)
            continue
        if kind == "Flatten":
            flat = last if config["data_format"] == "channels_first" else ins[0]
            values[layer.name] = flat.reshape(len(x), -1)
            continue
        if "data_format" in config:
            config["data_format"] = "channels_last"
        if kind == "BatchNormalization":
            config["axis"] = -1
        twin = type(layer).from_config(config)
        twin.build(last.shape)
        twin.set_weights(layer.get_weights())
        y = np.asarray(twin(last))
        values[layer.name] = y.transpose(0, 3, 1, 2) if y.ndim == 4 else y
    return values[model.layers[-1].name]


def keras1_layers(model):
    """The stack's layers in the words of Keras 1.2, from its Keras 3 config."""
    out = []
    for layer in model.layers:
        config, kind = layer.get_config(), type(layer).__name__
        new = {"name": layer.name, "trainable": True}
        if not out:
            new.update(batch_input_shape=[None, 14, 12, 3], input_dtype="float32")
        if kind == "Conv2D":
            kind = "Convolution2D"
            new.update(nb_filter=config["filters"], nb_row=config["kernel_size"][0],
                       nb_col=config["kernel_size"][1], border_mode=config["padding"], dim_ordering="tf",
                       subsample=config["strides"], activation=config["activation"], bias=True,
                       init="glorot_uniform", W_regularizer={"name": "WeightRegularizer", "l1": 0.0, "l2": 0.01},
                       b_regularizer=None, activity_regularizer=None, W_constraint=None, b_constraint=None)
        elif kind in ("MaxPooling2D", "AveragePooling2D"):
            new.update(pool_size=config["pool_size"], strides=config["strides"], border_mode=config["padding"],
                       dim_ordering="tf")
        elif kind == "BatchNormalization":
            new.update(mode=0, axis=-1, epsilon=0.001, momentum=0.99, gamma_regularizer=None, beta_regularizer=None)
        elif kind == "Dropout":
            new.update(p=config["rate"])
        elif kind == "Dense":
            new.update(output_dim=config["units"], init="glorot_uniform", activation=config["activation"], bias=True,
                       W_regularizer=None, b_regularizer=None, activity_regularizer=None, W_constraint=None,
                       b_constraint=None, input_dim=None)
        elif kind == "Activation":
            new.update(activation=config["activation"])
        elif kind == "ZeroPadding2D":
            (top, bottom), (left, right) = config["padding"]
            new.update(padding=[top, bottom, left, right], dim_ordering="tf")
        elif kind != "Flatten":
            raise ValueError(kind)
        out.append({"class_name": kind, "config": new})
    return out


def keras1():
    """What Keras 1.2 has layers for."""
    return keras.Sequential([
        keras.Input((14, 12, 3)),
        L.Conv2D(4, (3, 2), activation="relu"),
        L.BatchNormalization(),
        L.ZeroPadding2D(((1, 0), (0, 1))),
        L.MaxPooling2D((2, 2)),
        L.Activation("tanh"),
        L.Dropout(0.25),
        L.Flatten(),
        L.Dense(3, activation="softmax"),
    ])


def write_keras1(model):
    config = {"class_name": "Sequential", "config": keras1_layers(model), "keras_version": "1.2.2"}
    with open(path("keras1.json"), "w") as file:
        json.dump(config, file)
    with h5py.File(path("keras1.h5"), "w") as file:
        file.attrs["keras_version"] = b"1.2.2"
        file.attrs["model_config"] = json.dumps(config).encode()
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        ending = {"kernel": "W", "bias": "b", "gamma": "gamma", "beta": "beta", "moving_mean": "running_mean",
                  "moving_variance": "running_std"}
        for layer in model.layers:
            own = group.create_group(layer.name)
            names = ["%s_%s" % (layer.name, ending[w.name]) for w in layer.weights]
            own.attrs["weight_names"] = [name.encode() for name in names]
            for name, weight in zip(names, layer.weights):
                own.create_dataset(name, data=weight.numpy())


def old_nodes(layer):
    parents = [n.operation.name for n in layer._inbound_nodes[0].parent_nodes]
    return [[[name, 0, 0, {}] for name in parents]] if parents else []


def keras2_config(model):
    """A Functional's config as Keras 2.2 had it."""
    layers = []
    for layer in model.layers:
        config = layer.get_config()
        config["dtype"] = "float32"
        for key, value in config.items():
            if isinstance(value, dict) and "module" in value:
                config[key] = {"class_name": value["class_name"], "config": value["config"]}
        if "kernel_initializer" in config:
            config["kernel_initializer"] = {"class_name": "VarianceScaling", "config": {
                "scale": 1.0, "mode": "fan_avg", "distribution": "uniform", "seed": None}}
        if "batch_shape" in config:
            config["batch_input_shape"] = config.pop("batch_shape")
        layers.append({"name": layer.name, "class_name": type(layer).__name__, "config": config,
                       "inbound_nodes": old_nodes(layer)})
    return {"class_name": "Model", "keras_version": "2.2.4", "backend": "tensorflow", "config": {
        "name": model.name, "layers": layers, "input_layers": [[model.layers[0].name, 0, 0]],
        "output_layers": [[model.layers[-1].name, 0, 0]]}}


def deflate(name):
    """The archive as it was, its members compressed."""
    with zipfile.ZipFile(path(name)) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path(name), "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members.items():
            archive.writestr(zipfile.ZipInfo(member), content, zipfile.ZIP_DEFLATED)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    rng = np.random.default_rng(11)
    arrays = {}
    for make in (stack, branch, nested):
        model = filled(make, rng)
        name = make.__name__
        answers(model, rng, arrays, name, 255 if name == "stack" else 1)
        model.save(path(name + ".keras"))
        model.save(path(name + ".h5"))
        if name == "branch":
            with open(path("keras2.json"), "w") as file:
                json.dump(keras2_config(model), file)
            model.save_weights(path("branch.weights.h5"))
    for make in (first, raw):
        model = filled(make, rng)
        answers(model, rng, arrays, make.__name__, first=True)
        model.save(path(make.__name__ + (".keras" if make is first else ".h5")))
    model = filled(keras1, rng)
    answers(model, rng, arrays, "keras1")
    write_keras1(model)
    model = filled(newer, rng)
    answers(model, rng, arrays, "newer")
    model.save(path("newer.keras"))
    deflate("newer.keras")
    save("keras_models.npz", arrays)


if __name__ == "__main__":
    main()
