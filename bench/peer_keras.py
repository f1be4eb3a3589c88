"""The post's net, and prediction, in Keras on TensorFlow, as its users write it.

    python bench/peer_keras.py save NET FILE.keras
    python bench/peer_keras.py one NET FILE.keras PHOTO      a whole process
    python bench/peer_keras.py folder NET FILE.keras DIR     likewise
    python bench/peer_keras.py warm NET FILE.keras PHOTO [threads [rounds]]
    python bench/peer_keras.py step [threads [rounds]]
    python bench/peer_keras.py epoch DIR [epochs [threads [quick]]]

NET is post or mobilenet_v2, with two classes. Steps and epochs are tried in float32 and, but for `quick`,
mixed bfloat16, steps with XLA too; epochs read photos through ImageDataGenerator as the post does, with 1 and 2
workers.
"""
import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

import keras
import numpy
from keras import layers

from peer_result import latency, result, times_ms

SIDES = {"post": 150, "mobilenet_v2": 224}


def network(name):
    if name == "mobilenet_v2":
        return keras.applications.MobileNetV2(weights=None, classes=2)
    net = keras.Sequential([keras.Input((150, 150, 3))])
    for filters in (32, 32, 64):
        net.add(layers.Conv2D(filters, 3, activation="relu"))
        net.add(layers.MaxPooling2D())
    for layer in (layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dropout(0.5),
                  layers.Dense(1, activation="sigmoid", dtype="float32")):
        net.add(layer)
    return net


def compiled(policy, xla):
    keras.mixed_precision.set_dtype_policy(policy)
    net = network("post")
    net.compile("rmsprop", "binary_crossentropy", metrics=["accuracy"], jit_compile=xla)
    return net


def ways(quick):
    for policy, xla in (("float32", False), ("mixed_bfloat16", False), ("float32", True))[:1 if quick else 3]:
        yield f"{policy}{', XLA' if xla else ''}", policy, xla


def photo_of(path, side):
    photo = keras.utils.load_img(path, target_size=(side, side))
    return keras.utils.img_to_array(photo)[None] / 255


def folder(net, side, path):
    data = keras.utils.image_dataset_from_directory(path, labels=None, image_size=(side, side), batch_size=16,
                                                    shuffle=False, verbose=False)
    for name, row in zip(data.file_paths, net.predict(data.map(lambda x: x / 255), verbose=0)):
        print(name, row)


def step(rounds):
    x, t = numpy.random.rand(16, 150, 150, 3).astype("float32"), numpy.random.randint(0, 2, (16, 1))
    for how, policy, xla in ways(rounds < 5):
        net = compiled(policy, xla)
        result("post step, batch 16", how, "ms", times_ms(lambda: net.train_on_batch(x, t), rounds, 3), "Keras")


def generators(path, workers):
    from keras.src.legacy.preprocessing.image import ImageDataGenerator
    changed = ImageDataGenerator(rescale=1 / 255, shear_range=0.2 * 180 / numpy.pi, zoom_range=0.2, horizontal_flip=True)
    found = [maker.flow_from_directory(f"{path}/{part}", (150, 150), batch_size=16, class_mode="binary")
             for maker, part in ((changed, "train"), (ImageDataGenerator(rescale=1 / 255), "validation"))]
    for data in found:
        data.workers = workers
    return found


def epoch(path, epochs, quick):
    for how, policy, xla in list(ways(quick))[:2]:
        for workers in (1,) if quick else (1, 2):
            net, (train, validation) = compiled(policy, xla), generators(path, workers)
            seconds = times_ms(lambda: net.fit(train, validation_data=validation, verbose=0), epochs, 1)
            result(f"post, epoch of {train.n} photos, {validation.n} validated", f"{how}, {workers} workers", "s",
                   [ms / 1e3 for ms in seconds], "Keras")


def threads(n):
    import tensorflow
    tensorflow.config.threading.set_intra_op_parallelism_threads(int(n))


def main():
    what, *rest = sys.argv[1:]
    if what == "step":
        threads((rest + [2])[0])
        step(int((rest + [2, 15])[1]))
    elif what == "epoch":
        threads((rest + [3, 2])[2] if len(rest) > 2 else 2)
        epoch(rest[0], int(rest[1]) if len(rest) > 1 else 3, rest[3:] == ["quick"])
    elif what == "save":
        network(rest[0]).save(rest[1])
    else:
        if what == "warm":
            threads(rest[3] if len(rest) > 3 else 2)
        net, side = keras.models.load_model(rest[1], compile=False), SIDES[rest[0]]
        if what == "folder":
            folder(net, side, rest[2])
        elif what == "one":
            print(rest[2], net.predict(photo_of(rest[2], side), verbose=0))
        else:
            rounds = int(rest[4]) if len(rest) > 4 else 300
            latency(rest[0], "predict_on_batch", times_ms(lambda: net.predict_on_batch(photo_of(rest[2], side)), rounds, 5),
                    "Keras")


if __name__ == "__main__":
    main()
