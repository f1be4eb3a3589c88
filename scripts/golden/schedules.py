"""schedules.npz: learning rates of Keras schedules.

Made with keras 3.15.1, tensorflow-cpu 2.21.0, numpy 2.4.6, python 3.11.
Per case: step (int32) and lr (float32, as Keras computes it).
"""
import numpy as np

from golden_io import quiet_keras, save

keras = quiet_keras("float32")

sched = keras.optimizers.schedules
CASES = {
    "cosine": sched.CosineDecay(0.1, 20),
    "cosine_alpha": sched.CosineDecay(0.1, 20, alpha=0.1),
    "cosine_warmup": sched.CosineDecay(0.01, 20, alpha=0.05, warmup_target=0.1, warmup_steps=5),
    "cosine_restarts": sched.CosineDecayRestarts(0.1, 4, t_mul=2.0, m_mul=0.9, alpha=0.01),
    "exponential": sched.ExponentialDecay(0.1, 7, 0.5),
    "exponential_stairs": sched.ExponentialDecay(0.1, 7, 0.5, staircase=True),
    "piecewise": sched.PiecewiseConstantDecay([5, 12], [0.1, 0.01, 0.001]),
    "polynomial": sched.PolynomialDecay(0.1, 20, end_learning_rate=0.001, power=2.0),
    "polynomial_cycle": sched.PolynomialDecay(0.1, 8, end_learning_rate=0.001, cycle=True),
    "inverse_time": sched.InverseTimeDecay(0.1, 5, 0.5),
}

step = np.arange(31, dtype=np.int32)
arrays = {}
for name, schedule in CASES.items():
    arrays[name + "/step"] = step
    values = [schedule(int(s)) for s in step]
    arrays[name + "/lr"] = np.float32([keras.ops.convert_to_numpy(v) for v in values])
save("schedules.npz", arrays)
