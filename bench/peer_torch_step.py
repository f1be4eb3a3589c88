"""One training step of the nets of bench_step in PyTorch, on as many threads.

    python bench/peer_torch_step.py [post|head|finetune|kept|residual] [threads [rounds [quick]]]

float32 and bfloat16 autocast, both memory formats, eager and compiled take turns; the best median counts.
`quick` leaves out most of it. Same shapes, same optimizer, random numbers. One
thread is timed by the processor's clock, which other programs do not stretch.
"""
import statistics
import sys
import time

import torch
from torch.nn import functional as F

from peer_result import result
from peer_torch_nets import Residual, finetune, head, post


class Case:
    def __init__(self, name, bf16, channels_last, compiled):
        torch.manual_seed(1)
        self.net = {"post": post, "head": head, "finetune": finetune, "kept": lambda: finetune(True), "residual": Residual}[name]()
        self.x = torch.rand({"head": (16, 8192), "kept": (16, 512, 9, 9), "residual": (32, 3, 128, 128)}.get(name, (16, 3, 150, 150)))
        self.t = torch.randint(0, 2, (len(self.x),))
        self.bf16 = bf16
        if channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
            self.x = self.x.to(memory_format=torch.channels_last)
        parameters = [p for p in self.net.parameters() if p.requires_grad]
        if name in ("post", "head"):
            self.optimizer = torch.optim.RMSprop(parameters, 1e-4, alpha=0.9, foreach=True)
        else:
            self.optimizer = torch.optim.SGD(parameters, 1e-4, momentum=0.9, foreach=True)
        if compiled:
            self.net = torch.compile(self.net)
        self.seconds = []

    def step(self):
        start = clock()
        self.optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            z = self.net(self.x)
        z = z.float()
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
quick = sys.argv[4:] == ["quick"]
work = "%s step, batch %d" % ("finetune kept" if name == "kept" else name, 32 if name == "residual" else 16)
cases = {}
for compiled in (False,) if quick else (False, True):
    for bf16 in (False, True):
        for channels_last in (False,) if quick or name == "head" else (False, True):
            how = "%s %s %s" % ("bf16" if bf16 else "f32", "nhwc" if channels_last else "nchw",
                                "compiled" if compiled else "eager")
            case = Case(name, bf16, channels_last, compiled)
            try:
                for _ in range(3):
                    case.step()
                cases[how] = case
            except Exception as error:  # no compiler, or one that refuses the net
                print("%s: %s" % (how, type(error).__name__))
for _ in range(rounds):
    for case in cases.values():
        case.step()
medians = {}
for how, case in cases.items():
    times = sorted(1e3 * s for s in case.seconds[3:])
    medians[how] = statistics.median(times)
    print("%s, PyTorch %s, %s: step median %.2f ms (%.2f to %.2f)"
          % (name, torch.__version__, how, medians[how], times[0], times[-1]))
    result(work, how, "ms", times)
print("%s, PyTorch's best: %.2f ms" % (name, min(medians.values())))
