"""The packages whose versions belong in a report: with the module by which a program imports each,
and the title of those that decide a result beside the frameworks.
"""

from typing import NamedTuple


class Package(NamedTuple):
    distribution: str
    module: str
    title: str = ""


PACKAGES = (
    Package("tensorflow", "tensorflow"),
    Package("tensorflow-cpu", "tensorflow"),
    Package("tensorflow-gpu", "tensorflow"),
    Package("tensorflow-intel", "tensorflow"),
    Package("tensorflow-macos", "tensorflow"),
    Package("tensorflow-rocm", "tensorflow"),
    Package("intel-tensorflow", "tensorflow"),
    Package("tf-nightly", "tensorflow"),
    Package("tf-nightly-cpu", "tensorflow"),
    Package("keras", "keras"),
    Package("tf-keras", "tf_keras"),
    Package("numpy", "numpy"),
    Package("scipy", "scipy"),
    Package("scikit-learn", "sklearn", "scikit-learn"),
    Package("pandas", "pandas"),
    Package("jax", "jax"),
    Package("jaxlib", "jaxlib"),
    Package("torch", "torch"),
    Package("theano", "theano"),
    Package("ml-dtypes", "ml_dtypes"),
    Package("h5py", "h5py"),
    Package("protobuf", "google.protobuf"),
    Package("xxhash", ""),  # detaudit's fingerprints import it too
    Package("networkx", "networkx"),
    Package("faker", "faker"),
    Package("albumentations", "albumentations"),
    Package("gensim", "gensim", "gensim"),
    Package("lightgbm", "lightgbm", "LightGBM"),
    Package("xgboost", "xgboost", "XGBoost"),
    Package("optuna", "optuna", "Optuna"),
    Package("optax", "optax", "Optax"),
    Package("lightning", "lightning", "Lightning"),
    Package("transformers", "transformers", "Transformers"),
)
