"""The post's net in PyTorch."""
from torch import nn


def post():
    layers, channels = [], 3
    for filters in (32, 32, 64):
        layers += [nn.Conv2d(channels, filters, 3), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    layers += [nn.Flatten(), nn.Linear(64 * 17 * 17, 64), nn.ReLU()]
    layers += [nn.Dropout(0.5), nn.Linear(64, 1)]
    return nn.Sequential(*layers)
