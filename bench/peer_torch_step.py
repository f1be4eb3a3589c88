"""One f32 training step of the nets of bench_step in PyTorch, on as many threads.

    python bench/peer_torch_step.py [post|residual] [threads [rounds]]

The two memory formats take turns; the best median counts. Same shapes, same optimizer, random
numbers. One thread is timed by the processor's clock, which other programs do not stretch.
"""
import statistics
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def post():
    layers, channels = [], 3
    for filters in (32, 32, 64):
        layers += [nn.Conv2d(channels, filters, 3), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    layers += [nn.Flatten(), nn.Linear(64 * 17 * 17, 64), nn.ReLU()]
    layers += [nn.Dropout(0.5), nn.Linear(64, 1)]
    return nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, channels = self.block(3, 32, 2), 32
        self.first, self.second = nn.ModuleList(), nn.ModuleList()
        for filters in (64, 128, 256):
            self.first.append(self.block(channels, filters, 1))
            self.second.append(self.block(filters, filters, 1))
            channels = filters
        self.head = nn.Linear(channels, 2)

    @staticmethod
    def block(channels, filters, stride):
        conv = nn.Conv2d(channels, filters, 3, stride, 1, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(filters))

    def forward(self, x):
        x = F.relu(self.stem(x))
        for first, second in zip(self.first, self.second):
            x = F.max_pool2d(F.relu(first(x)), 2)
            x = F.relu(x + second(x))
        return self.head(x.mean((2, 3)))


class Case:
    def __init__(self, name, channels_last):
        torch.manual_seed(1)
        batch, side = (16, 150) if name == "post" else (32, 128)
        self.net = post() if name == "post" else Residual()
        self.x = torch.rand(batch, 3, side, side)
        self.t = torch.randint(0, 2, (batch,))
        if channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
            self.x = self.x.to(memory_format=torch.channels_last)
        parameters = self.net.parameters()
        if name == "post":
            self.optimizer = torch.optim.RMSprop(parameters, 1e-4, alpha=0.9, foreach=True)
        else:
            self.optimizer = torch.optim.SGD(parameters, 1e-4, momentum=0.9, foreach=True)
        self.seconds = []

    def step(self):
        start = clock()
        self.optimizer.zero_grad()
        z = self.net(self.x)
        if z.shape[1] == 1:
            loss = F.binary_cross_entropy_with_logits(z[:, 0], self.t.float())
        else:
            loss = F.cross_entropy(z, self.t)
        loss.backward()
        self.optimizer.step()
        self.seconds.append(clock() - start)


name = sys.argv[1] if len(sys.argv) > 1 else "post"
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 15
threads = int(sys.argv[2]) if len(sys.argv) > 2 else 2
clock = time.process_time if threads == 1 else time.perf_counter
torch.set_num_threads(threads)
cases = {"default": Case(name, False), "channels_last": Case(name, True)}
for _ in range(rounds + 3):
    for case in cases.values():
        case.step()
medians = {}
for layout, case in cases.items():
    times = sorted(1e3 * s for s in case.seconds[3:])
    medians[layout] = statistics.median(times)
    print("%s, PyTorch %s, %s: step median %.2f ms (%.2f to %.2f)"
          % (name, torch.__version__, layout, medians[layout], times[0], times[-1]))
print("%s, PyTorch's best f32: %.2f ms" % (name, min(medians.values())))
