"""losses.npz: every loss, per sample, reduced, and their gradient.

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, python 3.11.
Per case: y_true, y_pred, sample_weight (if used), loss (per sample, unweighted), reduced (sum of weight * loss over
the number of samples), dy_pred (gradient of reduced). float64 from float32 inputs; the saturated cases are float32
throughout, because 1 - 1e-7 differs there.
"""
import numpy as np

from golden_io import normal, one, quiet_keras, save

keras = quiet_keras("float64")
import tensorflow as tf

SMOOTH = 0.1
BINARY = keras.losses.BinaryCrossentropy
CATEGORICAL = keras.losses.CategoricalCrossentropy
SPARSE = keras.losses.SparseCategoricalCrossentropy


def case(make, y_true, y_pred, weight=None, dtype="float64", **options):
    truth = y_true if make is SPARSE else tf.constant(y_true, dtype)
    pred = tf.constant(y_pred, dtype)
    with tf.GradientTape() as tape:
        tape.watch(pred)
        reduced = make(dtype=dtype, **options)(truth, pred, sample_weight=weight)
    loss = make(dtype=dtype, **{**options, "reduction": None})(truth, pred)
    out = {"y_true": y_true, "y_pred": y_pred}
    if weight is not None:
        out["sample_weight"] = weight
    out.update(loss=loss.numpy(), reduced=one(reduced.numpy()), dy_pred=tape.gradient(reduced, pred).numpy())
    return out


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(np.float32)


rng = np.random.default_rng(200)
bits = rng.integers(0, 2, (6, 3)).astype(np.float32)
logits2 = normal(rng, 6, 3) * np.float32(2)
probs2 = (1 / (1 + np.exp(-logits2))).astype(np.float32)
labels = rng.integers(0, 4, 6).astype(np.int32)
onehot = np.eye(4, dtype=np.float32)[labels]
logits = normal(rng, 6, 4) * np.float32(2)
probs = softmax(logits)
scaled = probs * rng.uniform(0.5, 2, (6, 1)).astype(np.float32)  # rows that do not sum to 1
weight = np.float32([1, 0, 2, 0.5, 1.5, 3])

sat_true = np.float32([1, 0, 1, 0, 1, 0, 1]).reshape(7, 1)
sat_prob = np.float32([0.9, 0.2, 0.4, 1, 0, 0, 1]).reshape(7, 1)
sat_logit = np.float32([90, -90, -90, 90, 0, 20, -20]).reshape(7, 1)
sat_class = np.int32([0, 1, 2, 0])
sat_rows = np.float32([[1, 0, 0], [1, 0, 0], [0, 0.5, 0.5], [0, 0, 0.25]])
sat_rows_logits = np.float32([[90, -90, 0], [90, -90, 0], [0, 50, 50], [1000, 1000, -1000]])
sat_onehot = np.eye(3, dtype=np.float32)[sat_class]

real = normal(rng, 6, 3)  # targets and predictions of regressions
guess = real + normal(rng, 6, 3)

cases = {
    "bce": case(BINARY, bits, probs2),
    "bce_smooth": case(BINARY, bits, probs2, label_smoothing=SMOOTH),
    "bce_weighted": case(BINARY, bits, probs2, weight),
    "bce_logits": case(BINARY, bits, logits2, from_logits=True),
    "bce_logits_smooth": case(BINARY, bits, logits2, from_logits=True, label_smoothing=SMOOTH),
    "bce_logits_weighted": case(BINARY, bits, logits2, weight, from_logits=True),
    "bce_saturated": case(BINARY, sat_true, sat_prob, dtype="float32"),
    "bce_logits_saturated": case(BINARY, sat_true, sat_logit, dtype="float32", from_logits=True),
    "cce": case(CATEGORICAL, onehot, probs),
    "cce_unnormalised": case(CATEGORICAL, onehot, scaled),
    "cce_smooth": case(CATEGORICAL, onehot, probs, label_smoothing=SMOOTH),
    "cce_weighted": case(CATEGORICAL, onehot, probs, weight),
    "cce_logits": case(CATEGORICAL, onehot, logits, from_logits=True),
    "cce_logits_smooth": case(CATEGORICAL, onehot, logits, from_logits=True, label_smoothing=SMOOTH),
    "cce_logits_weighted": case(CATEGORICAL, onehot, logits, weight, from_logits=True),
    "cce_saturated": case(CATEGORICAL, sat_onehot, sat_rows, dtype="float32"),
    "cce_logits_saturated": case(CATEGORICAL, sat_onehot, sat_rows_logits, dtype="float32", from_logits=True),
    "scce": case(SPARSE, labels, probs),
    "scce_unnormalised": case(SPARSE, labels, scaled),
    "scce_weighted": case(SPARSE, labels, probs, weight),
    "scce_logits": case(SPARSE, labels, logits, from_logits=True),
    "scce_logits_weighted": case(SPARSE, labels, logits, weight, from_logits=True),
    "scce_saturated": case(SPARSE, sat_class, sat_rows, dtype="float32"),
    "scce_logits_saturated": case(SPARSE, sat_class, sat_rows_logits, dtype="float32", from_logits=True),
}
# The rest: a class of keras.losses, its truth, its predictions, options.
K = keras.losses
RATES = np.abs(guess) + np.float32(0.1)
MORE = {
    "bfocal": (K.BinaryFocalCrossentropy, bits, probs2, {}),
    "bfocal_balanced": (K.BinaryFocalCrossentropy, bits, probs2,
                        dict(gamma=3, alpha=0.4, apply_class_balancing=True, label_smoothing=SMOOTH)),
    "bfocal_logits": (K.BinaryFocalCrossentropy, bits, logits2, dict(from_logits=True)),
    "bfocal_logits_balanced": (K.BinaryFocalCrossentropy, bits, logits2,
                               dict(gamma=0.5, alpha=0.4, apply_class_balancing=True, from_logits=True)),
    "cfocal": (K.CategoricalFocalCrossentropy, onehot, scaled, {}),
    "cfocal_smooth": (K.CategoricalFocalCrossentropy, onehot, probs, dict(gamma=3, alpha=0.4, label_smoothing=SMOOTH)),
    "cfocal_logits": (K.CategoricalFocalCrossentropy, onehot, logits, dict(from_logits=True)),
    "hinge": (K.Hinge, bits, guess, {}),
    "hinge_signs": (K.Hinge, 2 * bits - 1, guess, {}),
    "squared_hinge": (K.SquaredHinge, bits, guess, {}),
    "categorical_hinge": (K.CategoricalHinge, onehot, logits, {}),
    "huber": (K.Huber, real, guess, {}),
    "huber_delta": (K.Huber, real, guess, dict(delta=0.3)),
    "log_cosh": (K.LogCosh, real, 3 * guess, {}),
    "mse": (K.MeanSquaredError, real, guess, {}),
    "mae": (K.MeanAbsoluteError, real, guess, {}),
    "mape": (K.MeanAbsolutePercentageError, real, guess, {}),
    "msle": (K.MeanSquaredLogarithmicError, np.abs(real), guess, {}),
    "kl": (K.KLDivergence, softmax(logits[::-1]), probs, {}),
    "kl_one_hot": (K.KLDivergence, onehot, scaled, {}),
    "poisson": (K.Poisson, np.abs(real), RATES, {}),
    "cosine": (K.CosineSimilarity, real, guess, {}),
}
for name, (make, truth, pred, options) in MORE.items():
    cases[name] = case(make, np.float32(truth), np.float32(pred), **options)
cases["mse_weighted"] = case(K.MeanSquaredError, real, guess, weight)
cases["mse_sum"] = case(K.MeanSquaredError, real, guess, weight, reduction="sum")

first = cases["bce_saturated"]["loss"]
np.testing.assert_allclose(first[:5], [0.105360545, 0.22314353, 0.9162907, 15.942385, 16.118095], rtol=1e-6)
np.testing.assert_allclose(first[:4].mean(), 4.296795, rtol=1e-6)
save("losses.npz", {"%s/%s" % (name, k): v for name, out in cases.items() for k, v in out.items()})
