"""optimizers.npz: ten optimiser steps on seven parameters with given gradients.

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, python 3.11; the keras2 ones are numpy from the formula.
Per case: w0 (7), g (10,7) gradient of each step, w (10,7) parameters after it; all float32.
sgd_clipnorm and sgd_global_clipnorm treat the seven as two variables, elements 0-2 and 3-6.
"""
import numpy as np

from golden_io import normal, quiet_keras, save

keras = quiet_keras("float32")
import tensorflow as tf

STEPS, SIZE = 10, 7
L2 = 0.01
opt = keras.optimizers
CASES = {
    "sgd": opt.SGD(0.01),
    "sgd_momentum": opt.SGD(0.01, momentum=0.9),
    "sgd_nesterov": opt.SGD(0.01, momentum=0.9, nesterov=True),
    "rmsprop": opt.RMSprop(),
    "adam": opt.Adam(),
    "adam_amsgrad": opt.Adam(beta_2=0.9, amsgrad=True),
    "adamw": opt.AdamW(),
    "sgd_clipnorm": opt.SGD(0.01, clipnorm=1.5),
    "sgd_clipvalue": opt.SGD(0.01, clipvalue=0.4),
    "sgd_global_clipnorm": opt.SGD(0.01, global_clipnorm=1.5),
    "sgd_l2": opt.SGD(0.1),
    "rmsprop_centered": opt.RMSprop(momentum=0.9, centered=True, epsilon=1e-3),
    "adagrad": opt.Adagrad(0.01),
    "adadelta": opt.Adadelta(1.0),
    "adamax": opt.Adamax(),
    "nadam": opt.Nadam(),
    "lion": opt.Lion(weight_decay=0.1),
}


def steps(name, optimizer, w0, g):
    """Apply the gradients in turn; the loss is sum(g * w) so that a penalty can join it."""
    cuts = [0, 3, SIZE] if name.endswith("clipnorm") else [0, SIZE]
    spans = list(zip(cuts, cuts[1:]))
    variables = [keras.Variable(w0[a:b]) for a, b in spans]
    rows = []
    for row in g:
        with tf.GradientTape() as tape:
            parts = [tf.reduce_sum(v.value * row[a:b]) for v, (a, b) in zip(variables, spans)]
            loss = tf.add_n(parts)
            if name == "sgd_l2":
                loss += keras.regularizers.L2(L2)(variables[0].value)
        grads = tape.gradient(loss, [v.value for v in variables])
        optimizer.apply(grads, variables)
        rows.append(np.concatenate([v.numpy() for v in variables]))
    return np.stack(rows)


def rmsprop_keras2(w0, g):
    """lr .001, rho .9, eps 1e-8 outside the root (Keras 2.0)."""
    lr, rho, eps = np.float32(0.001), np.float32(0.9), np.float32(1e-8)
    w, a, rows = w0.copy(), np.zeros_like(w0), []
    for row in g:
        a = rho * a + (np.float32(1) - rho) * row * row
        w = w - lr * row / (np.sqrt(a) + eps)
        rows.append(w)
    return np.stack(rows)


def adagrad_keras2(w0, g):
    """lr .01, eps 1e-8 outside the root, sums from 0 (Keras 2.0)."""
    lr, eps = np.float32(0.01), np.float32(1e-8)
    w, a, rows = w0.copy(), np.zeros_like(w0), []
    for row in g:
        a = a + row * row
        w = w - lr * row / (np.sqrt(a) + eps)
        rows.append(w)
    return np.stack(rows)


rng = np.random.default_rng(300)
w0 = normal(rng, SIZE)
g = normal(rng, STEPS, SIZE)
g[:, 1] *= np.float32(1e-4)  # small gradients, where epsilon shows
g[:, 2] = 0
g[5:, 3:5] *= np.float32(0.05)  # later small steps, where amsgrad shows

results = {name: steps(name, optimizer, w0, g) for name, optimizer in CASES.items()}
results["rmsprop_keras2"] = rmsprop_keras2(w0, g)
results["adagrad_keras2"] = adagrad_keras2(w0, g)

# keras.md 4.3: one weight, gradients .1 -.2 .3
little = np.float32([[0.1], [-0.2], [0.3]])
got = rmsprop_keras2(np.float32([1]), little)[:, 0]
np.testing.assert_allclose(got, [0.996837723, 0.999694866, 0.997104227], atol=2e-7)

save("optimizers.npz", {
    "%s/%s" % (name, k): v for name, w in results.items() for k, v in (("w0", w0), ("g", g), ("w", w))
})
