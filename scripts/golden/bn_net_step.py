"""bn_net_step.npz: ten SGD steps of a small residual net with batch normalisation.

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, torch 2.15.0 (check only), python 3.11.
12x12x3 -> stem: conv 8 3x3 same no bias, bn, relu, maxpool 2 -> block: conv 8 3x3 same no bias, bn, add stem output,
relu -> global average -> dense 3 softmax; batch 4; bn momentum .9 eps 1e-3; categorical cross-entropy with label
smoothing .1; SGD lr .05 momentum .9 nesterov. Computed in float64 from float32 inputs.
Keys: bn_net/x (10,4,12,12,3), y (10,4,3), init/<layer>/<weight>, losses (10), grad/... (step one), final/...
Layers: stem_conv stem_bn block_conv block_bn head.
"""
import numpy as np
import torch
from torch.nn import functional as F

import nets
from golden_io import quiet_keras, save

keras = quiet_keras("float64")
from keras import layers

STEPS, BATCH, SIDE, CLASSES = 10, 4, 12, 3
LR, MOMENTUM, SMOOTH, DECAY, EPS = 0.05, 0.9, 0.1, 0.9, 1e-3


def conv_bn(t, name):
    t = layers.Conv2D(8, 3, padding="same", use_bias=False, name=name + "_conv")(t)
    return layers.BatchNormalization(momentum=DECAY, epsilon=EPS, name=name + "_bn")(t)


def build():
    image = keras.Input((SIDE, SIDE, 3))
    stem = layers.MaxPooling2D()(layers.ReLU()(conv_bn(image, "stem")))
    block = layers.ReLU()(layers.Add()([conv_bn(stem, "block"), stem]))
    pooled = layers.GlobalAveragePooling2D()(block)
    return keras.Model(image, layers.Dense(CLASSES, activation="softmax", name="head")(pooled))


def torch_forward(w, x):
    def conv_bn(t, name):
        t = F.conv2d(t, w[name + "_conv/kernel"].permute(3, 2, 0, 1), padding=1)
        return F.batch_norm(t, None, None, w[name + "_bn/gamma"], w[name + "_bn/beta"], True, eps=EPS)

    stem = F.max_pool2d(F.relu(conv_bn(x, "stem")), 2)
    block = F.relu(conv_bn(stem, "block") + stem)
    return block.mean((2, 3)) @ w["head/kernel"] + w["head/bias"]


def torch_record(start, x, y):
    """Moving statistics are left out: torch keeps unbiased ones. Importing torch.optim beside TensorFlow fails."""
    w = {k: torch.tensor(v, dtype=torch.float64, requires_grad=True) for k, v in start.items() if "moving" not in k}
    velocity = {k: torch.zeros_like(v) for k, v in w.items()}
    losses, first = [], None
    for batch, truth in zip(x, y):
        image = torch.tensor(batch, dtype=torch.float64).permute(0, 3, 1, 2)
        target = torch.tensor(truth, dtype=torch.float64)
        loss = F.cross_entropy(torch_forward(w, image), target, label_smoothing=SMOOTH)
        grads = dict(zip(w, torch.autograd.grad(loss, list(w.values()))))
        first = first or {k: g.numpy() for k, g in grads.items()}
        with torch.no_grad():
            for k, g in grads.items():
                velocity[k] = MOMENTUM * velocity[k] - LR * g
                w[k] += MOMENTUM * velocity[k] - LR * g
        losses.append(loss.item())
    return np.float64(losses), first, {k: v.detach().numpy() for k, v in w.items()}


rng = np.random.default_rng(600)
x = rng.uniform(0, 1, (STEPS, BATCH, SIDE, SIDE, 3)).astype(np.float32)
label = rng.integers(0, CLASSES, (STEPS, BATCH))
y = np.eye(CLASSES, dtype=np.float32)[label]
x += np.float32(0.5) * y[:, :, None, None, :]  # class k is brighter in channel k

model = build()
start = nets.fill(model, rng, nets.glorot)
loss = keras.losses.CategoricalCrossentropy(label_smoothing=SMOOTH)
mine = nets.record(model, loss, keras.optimizers.SGD(LR, momentum=MOMENTUM, nesterov=True), x, y)
nets.compare(mine, torch_record(start, x, y), 1e-6)  # Keras narrows momentum to float32
print("losses", mine[0])

arrays = {"bn_net/x": x, "bn_net/y": y}
arrays.update({"bn_net/init/" + k: v for k, v in start.items()})
arrays.update(nets.flatten("bn_net", *mine))
save("bn_net_step.npz", arrays)
