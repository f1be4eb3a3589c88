"""post_step.npz: ten RMSprop steps of the blog post's first net, made small.

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, torch 2.15.0, python 3.11.
30x30x3, conv 3x3 valid relu maxpool with 8, 8, 16 filters, dense 16 relu, dense 1 sigmoid, no dropout; batch 4;
binary cross-entropy; RMSprop lr .001 rho .9 eps 1e-7 inside the root. Computed in float64 from float32 inputs.
post_step/: x (10,4,30,30,3), y (10,4,1), init/<layer>/<weight>, losses (10), grad/... (step one), final/...
post_step_torch/: losses, grad/..., final/... from PyTorch in the Keras layout; the script asserts agreement.
"""
import numpy as np
import torch
from torch.nn import functional as F

import nets
from golden_io import quiet_keras, save

keras = quiet_keras("float64")
from keras import layers

STEPS, BATCH, SIDE = 10, 4, 30
LR, RHO, EPS = 0.001, 0.9, 1e-7


def build():
    stack = [keras.Input((SIDE, SIDE, 3))]
    for filters in (8, 8, 16):
        stack += [layers.Conv2D(filters, 3, activation="relu"), layers.MaxPooling2D()]
    stack += [layers.Flatten(), layers.Dense(16, activation="relu"), layers.Dense(1, activation="sigmoid")]
    return keras.Sequential(stack)


def torch_forward(w, x):
    """Same net on NCHW; flattening goes back to NHWC so that the dense kernel fits."""
    for name in ("conv2d", "conv2d_1", "conv2d_2"):
        x = F.conv2d(x, w[name + "/kernel"].permute(3, 2, 0, 1), w[name + "/bias"])
        x = F.max_pool2d(F.relu(x), 2)
    x = x.permute(0, 2, 3, 1).reshape(len(x), -1)
    x = F.relu(x @ w["dense/kernel"] + w["dense/bias"])
    return torch.sigmoid(x @ w["dense_1/kernel"] + w["dense_1/bias"])


def torch_record(start, x, y):
    """RMSprop with epsilon inside the root is written out, since torch's has it outside."""
    w = {k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in start.items()}
    average = {k: torch.zeros_like(v) for k, v in w.items()}
    losses, first = [], None
    for batch, truth in zip(x, y):
        image = torch.tensor(batch, dtype=torch.float64).permute(0, 3, 1, 2)
        loss = F.binary_cross_entropy(torch_forward(w, image), torch.tensor(truth, dtype=torch.float64))
        grads = dict(zip(w, torch.autograd.grad(loss, list(w.values()))))
        first = first or {k: g.numpy() for k, g in grads.items()}
        with torch.no_grad():
            for k, g in grads.items():
                average[k] = RHO * average[k] + (1 - RHO) * g * g
                w[k] -= LR * g / torch.sqrt(average[k] + EPS)
        losses.append(loss.item())
    return np.float64(losses), first, {k: v.detach().numpy() for k, v in w.items()}


rng = np.random.default_rng(500)
x = np.float32(rng.integers(0, 256, (STEPS, BATCH, SIDE, SIDE, 3)) / 255)
y = rng.integers(0, 2, (STEPS, BATCH, 1)).astype(np.float32)
x[..., 0] *= 0.5 + 0.5 * y[..., None, None, 0]  # the classes differ in redness

model = build()
start = nets.fill(model, rng, nets.glorot)
mine = nets.record(model, keras.losses.BinaryCrossentropy(), keras.optimizers.RMSprop(LR, RHO, epsilon=EPS), x, y)
other = torch_record(start, x, y)
nets.compare(mine, other, 1e-9)
print("losses", mine[0])

arrays = {"post_step/x": x, "post_step/y": y}
arrays.update({"post_step/init/" + k: v for k, v in start.items()})
arrays.update(nets.flatten("post_step", *mine))
arrays.update(nets.flatten("post_step_torch", *other))
save("post_step.npz", arrays)
