"""metrics.npz: areas under curves, precision and recall of two classes; F1 and top k of several.

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, python 3.11.
y_true, y_pred (300); roc, pr: AUC() and AUC(curve="PR"), 200 thresholds, interpolated.
labels, scores (300, 7): F1Score() of the largest score, by class, and TopKCategoricalAccuracy(5) and (2).
"""
import numpy as np

from golden_io import one, quiet_keras, save

keras = quiet_keras("float32")

rng = np.random.default_rng(400)
y = rng.integers(0, 2, 300).astype(np.float32)
p = np.clip(0.3 * y + rng.uniform(0, 0.8, 300), 0, 1).astype(np.float32)


labels = rng.integers(0, 7, 300)
scores = rng.uniform(0, 1, (300, 7)).astype(np.float32)
scores[np.arange(300), labels] += np.float32(0.3)
answers = np.eye(7, dtype=np.float32)[scores.argmax(axis=1)]


def of_classes(metric, predicted):
    metric.update_state(np.eye(7, dtype=np.float32)[labels], predicted)
    return np.atleast_1d(np.asarray(metric.result(), dtype=np.float32))


def value(metric):
    metric.update_state(y, p)
    return one(np.float32(metric.result()))


little = keras.metrics.AUC()
little.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
np.testing.assert_allclose(little.result(), 0.75, rtol=1e-6)  # keras.md 4.2
save("metrics.npz", {
    "y_true": y, "y_pred": p, "roc": value(keras.metrics.AUC()), "pr": value(keras.metrics.AUC(curve="PR")),
    "precision": value(keras.metrics.Precision()), "recall": value(keras.metrics.Recall()),
    "labels": labels.astype(np.float32), "scores": scores, "f1": of_classes(keras.metrics.F1Score(), answers),
    "top5": of_classes(keras.metrics.TopKCategoricalAccuracy(5), scores),
    "top2": of_classes(keras.metrics.TopKCategoricalAccuracy(2), scores),
})
