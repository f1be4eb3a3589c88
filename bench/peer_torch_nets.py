"""The nets of bench_step in PyTorch."""
from torch import nn
from torch.nn import functional as F


def head():
    return nn.Sequential(nn.Linear(4 * 4 * 512, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 1))


def finetune(kept=False):
    """The post's head on VGG16, whose last block learns; `kept`: from what the frozen ones gave."""
    import torchvision
    features = torchvision.models.vgg16(weights=None).features
    for parameter in features[:24].parameters():
        parameter.requires_grad = False
    return nn.Sequential(*(features[24:] if kept else features), nn.Flatten(), *head())


def post():
    layers, channels = [], 3
    for filters in (32, 32, 64):
        layers += [nn.Conv2d(channels, filters, 3), nn.ReLU(), nn.MaxPool2d(2)]
        channels = filters
    layers += [nn.Flatten(), nn.Linear(64 * 17 * 17, 64), nn.ReLU()]
    layers += [nn.Dropout(0.5), nn.Linear(64, 1)]
    return nn.Sequential(*layers)


class Residual(nn.Module):
    def __init__(self, widths=(32, 64, 128, 256), dropout=0):
        super().__init__()
        channels = widths[0]
        self.stem = self.block(3, channels, 2)
        self.first, self.second = nn.ModuleList(), nn.ModuleList()
        for filters in widths[1:]:
            self.first.append(self.block(channels, filters, 1))
            self.second.append(self.block(filters, filters, 1))
            channels = filters
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(channels, 2))

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
