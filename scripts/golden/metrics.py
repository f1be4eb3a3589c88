"""metrics.npz: areas under curves, precision and recall of two classes.

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, python 3.11.
y_true, y_pred (300); roc, pr: AUC() and AUC(curve="PR"), 200 thresholds, interpolated.
"""
import numpy as np

from golden_io import one, quiet_keras, save

keras = quiet_keras("float32")

rng = np.random.default_rng(400)
y = rng.integers(0, 2, 300).astype(np.float32)
p = np.clip(0.3 * y + rng.uniform(0, 0.8, 300), 0, 1).astype(np.float32)


def value(metric):
    metric.update_state(y, p)
    return one(np.float32(metric.result()))


little = keras.metrics.AUC()
little.update_state([0, 0, 1, 1], [0, 0.5, 0.3, 0.9])
np.testing.assert_allclose(little.result(), 0.75, rtol=1e-6)  # keras.md 4.2
save("metrics.npz", {
    "y_true": y, "y_pred": p, "roc": value(keras.metrics.AUC()), "pr": value(keras.metrics.AUC(curve="PR")),
    "precision": value(keras.metrics.Precision()), "recall": value(keras.metrics.Recall()),
})
