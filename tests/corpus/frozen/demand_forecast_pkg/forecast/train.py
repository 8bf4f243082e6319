import argparse
import sys

from .model import build
from .series import demand, windows
from .util import seed_everything


def main(argv=None):
    p = argparse.ArgumentParser(prog="forecast.train")
    p.add_argument("--epochs", type=int, default=20)
    p.add_argument("--units", type=int, default=32)
    p.add_argument("--window", type=int, default=14)
    a = p.parse_args(argv)
    seed_everything(42)
    X, y = windows(demand(), a.window)
    cut = int(len(X) * 0.8)
    model = build(a.window, a.units)
    h = model.fit(X[:cut], y[:cut], validation_data=(X[cut:], y[cut:]), epochs=a.epochs, batch_size=64, verbose=0)
    print("val huber", h.history["val_loss"][-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
