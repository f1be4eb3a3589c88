"""heads.npz - heads on features by NumPy and SciPy, everything left out by fitting again

Ridge is refitted without each group, the known without each fold; logistic regression is SciPy's BFGS."""
import numpy as np
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_expit, logsumexp

from golden_io import save


def standardise(x):
    x = x.astype(np.float64)
    mean, deviation = x.mean(0), x.std(0)
    scale = np.where(deviation > 0, 1 / np.where(deviation > 0, deviation, 1), 0)
    return (x - mean) * scale, mean, scale


def targets(label, classes):
    if classes == 2:
        return np.where(label == 1, 1.0, -1.0)[:, None]
    return np.where(label[:, None] == np.arange(classes), 1.0, -1.0)


def ridge(x, y, penalty):
    """Weights (d, k) and bias (k) of least squares, n times the penalty on the weights."""
    xm, ym = x.mean(0), y.mean(0)
    xc = x - xm
    w = np.linalg.solve(xc.T @ xc + penalty * np.eye(x.shape[1]), xc.T @ (y - ym))
    return w, ym - xm @ w


def ridge_unseen(x, y, penalty, group):
    out = np.zeros_like(y)
    for g in np.unique(group):
        rest = group != g
        w, b = ridge(x[rest], y[rest], penalty)
        out[~rest] = x[~rest] @ w + b
    return out


def logistic(x, label, classes, penalty):
    n, d = x.shape
    k = 1 if classes == 2 else classes

    def loss(p):
        w, b = p[:d * k].reshape(d, k), p[d * k:]
        s = x @ w + b
        if k == 1:
            fit = -log_expit(np.where(label == 1, s[:, 0], -s[:, 0])).mean()
            push = (1 / (1 + np.exp(-s)) - (label == 1)[:, None]) / n
        else:
            fit = (logsumexp(s, 1) - s[np.arange(n), label]).mean()
            push = (np.exp(s - logsumexp(s, 1, keepdims=True)) - np.eye(k)[label]) / n
        return (fit + penalty / 2 * (w ** 2).sum(),
                np.concatenate([(x.T @ push + penalty * w).ravel(), push.sum(0)]))

    found = minimize(loss, np.zeros(d * k + k), jac=True, method="BFGS", options={"gtol": 1e-10, "maxiter": 5000})
    return found.x[:d * k].reshape(d, k), found.x[d * k:], found.fun


def temperature(scores, label):
    n, k = scores.shape
    sure = (n + 1) / (n + 2)

    def loss(scale):
        s = scores * np.exp(scale)
        if k == 1:
            t = np.where(label == 1, sure, 1 - sure)
            return -(t * log_expit(s[:, 0]) + (1 - t) * log_expit(-s[:, 0])).sum()
        t = np.where(np.eye(k)[label] == 1, sure, (1 - sure) / (k - 1))
        return -(t * (s - logsumexp(s, 1, keepdims=True))).sum()

    return np.exp(-minimize_scalar(loss, bracket=(-2, 2), tol=1e-12).x)


class Known:
    """Mahalanobis on rows of length one, the covariance as Ledoit and Wolf shrink it."""

    def __init__(self, x, label, classes):
        x = self.unit(x)
        s = x.std(0)
        self.mean, self.scale = x.mean(0), 1 / np.sqrt(s ** 2 + (np.median(s) / 2) ** 2)
        z = (x - self.mean) * self.scale
        self.means = np.stack([z[label == c].mean(0) for c in range(classes)])
        e = z - self.means[label]
        n, d = e.shape
        s = e.T @ e / n
        m = np.trace(s) / d
        shrink = ((e ** 2).sum(1) @ (e ** 2).sum(1) / n - (s ** 2).sum()) / n / ((s - m * np.eye(d)) ** 2).sum()
        shrink = min(max(shrink, 0.01), 0.99)
        self.m = s + shrink / (1 - shrink) * m * np.eye(d)

    @staticmethod
    def unit(x):
        x = x.astype(np.float64)
        return x / np.linalg.norm(x, axis=1, keepdims=True)

    def distance(self, rows):
        z = (self.unit(rows) - self.mean) * self.scale
        return np.sqrt([min(f @ np.linalg.solve(self.m, f) for f in row - self.means) for row in z])


def unknown(x, label, classes, fold, keep, new):
    """Distances of new rows under the limit that folds left out set."""
    n = len(x)
    left = np.zeros(n)
    for k in np.unique(fold):
        left[fold == k] = Known(x[fold != k], label[fold != k], classes).distance(x[fold == k])
    limit = np.sort(left)[min(int(np.ceil(keep * (n + 1))), n) - 1]
    return Known(x, label, classes).distance(new) / limit


def main():
    out = {}
    for name, seed, n, d, classes, views, grouped in (
            ("tall", 5, 48, 6, 3, 1, False), ("wide", 26, 20, 50, 2, 1, False),
            ("views", 47, 24, 9, 2, 2, False), ("groups", 66, 30, 5, 3, 1, True)):
        rng = np.random.default_rng(seed)
        label = np.repeat(np.arange(n // views) % classes, views).astype(np.int32)
        x = rng.normal(size=(n, d)) * rng.uniform(0.1, 3, d) + rng.normal(size=d)
        x += 0.8 * rng.normal(size=(classes, d))[label]
        x = x.astype(np.float32)
        x[:, 1] = 2.5  # does not vary
        group = np.arange(n) // views
        if grouped:
            group = np.arange(n) // 2 % (n // 4)
        z, mean, scale = standardise(x)
        y = targets(label, classes)
        out.update({f"{name}/x": x, f"{name}/label": label, f"{name}/group": group.astype(np.int64)})
        for penalty in (0.01, 1.0, 30.0):
            w, b = ridge(z, y, n * penalty)
            out[f"{name}/ridge_{penalty:g}/unseen"] = ridge_unseen(z, y, n * penalty, group)
            out[f"{name}/ridge_{penalty:g}/kernel"] = w * scale[:, None]
            out[f"{name}/ridge_{penalty:g}/bias"] = b - (mean * scale) @ w
        for penalty in (0.01, 0.3):
            w, b, loss = logistic(z, label, classes, penalty)
            out[f"{name}/logistic_{penalty:g}/kernel"] = w * scale[:, None]
            out[f"{name}/logistic_{penalty:g}/bias"] = b - (mean * scale) @ w
            out[f"{name}/logistic_{penalty:g}/loss"] = np.array(loss)
        scores = ridge_unseen(z, y, n * 1.0, group)
        out[f"{name}/temperature"] = np.array(temperature(scores, label))
        if views == 1:
            # What lies outside the rows' own axes counts too, so new rows are anywhere.
            new = (x[:5] + 3 * rng.normal(size=(5, d))).astype(np.float32)
            out[f"{name}/new"] = new
            fold = (np.arange(n) // classes % 4).astype(np.int32)
            out[f"{name}/fold"] = fold
            out[f"{name}/distance"] = unknown(x, label, classes, fold, 0.9, new)
    save("heads.npz", out)


main()
