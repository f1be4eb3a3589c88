"""Shared by the net scripts: ten Keras training steps on fixed batches, with everything recorded."""
import numpy as np


def key(variable):
    """"conv2d/kernel": layer and weight name."""
    return "/".join(variable.path.split("/")[-2:])


def fill(model, rng, initial):
    """Draw float32 start weights; `initial` maps a variable and rng to its value. Returns key -> value."""
    start = {}
    for variable in model.weights:
        value = np.float32(initial(variable, rng))
        variable.assign(value.astype(np.float64))
        start[key(variable)] = value
    return start


def glorot(variable, rng):
    """Glorot uniform for kernels, small numbers for biases and shifts, near-one for scales and variances."""
    shape = tuple(variable.shape)
    if variable.name == "kernel":
        area = int(np.prod(shape[:-2]))
        limit = np.sqrt(6.0 / (area * (shape[-2] + shape[-1])))
        return rng.uniform(-limit, limit, shape)
    if variable.name in ("gamma", "moving_variance"):
        return rng.uniform(0.8, 1.2, shape)
    return rng.uniform(-0.1, 0.1, shape)


def record(model, loss, optimizer, x, y):
    """Train one step per batch. Returns losses (before each step), gradients of step one, final weights."""
    import tensorflow as tf

    optimizer.build(model.trainable_variables)
    losses, first = [], None
    for batch, truth in zip(x, y):
        with tf.GradientTape() as tape:
            value = loss(tf.constant(truth, tf.float64), model(tf.constant(batch, tf.float64), training=True))
        grads = tape.gradient(value, [v.value for v in model.trainable_variables])
        first = first or {key(v): g.numpy() for v, g in zip(model.trainable_variables, grads)}
        optimizer.apply(grads, model.trainable_variables)
        losses.append(float(value))
    return np.float64(losses), first, {key(v): v.numpy() for v in model.weights}


def flatten(prefix, losses, grad, final):
    """The record as file entries; gradients and weights in float32, losses in float64."""
    out = {prefix + "/losses": losses}
    out.update({"%s/grad/%s" % (prefix, k): np.float32(v) for k, v in grad.items()})
    out.update({"%s/final/%s" % (prefix, k): np.float32(v) for k, v in final.items()})
    return out


def compare(mine, other, tolerance):
    """Assert that two records agree."""
    np.testing.assert_allclose(mine[0], other[0], atol=tolerance, rtol=tolerance)
    for a, b in zip(mine[1:], other[1:]):
        assert set(b) <= set(a)
        for k in b:
            np.testing.assert_allclose(a[k], b[k], atol=tolerance, rtol=tolerance, err_msg=k)
