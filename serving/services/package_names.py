"""Names of packages that models ask for, so that a misspelt one can be answered with the one that was meant."""

import difflib
import functools
import importlib.metadata
from collections.abc import Iterable

from packaging.utils import canonicalize_name

_IMPORTED_AS = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "pil": "pillow",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "umap": "umap-learn",
    "yaml": "pyyaml",
}
_COMMON = (
    "accelerate catboost category-encoders cloudpickle dask datasets diffusers evaluate fastai feature-engine "
    "flaml gensim h2o hdbscan holidays imbalanced-learn joblib keras langchain lightgbm lime matplotlib mleap "
    "mlflow mlflow-skinny nltk numba numpy onnx onnxruntime openai opencv-python-headless optuna pandas pillow "
    "pmdarima polars prophet psycopg pyarrow pydantic pyspark pytorch-lightning pyyaml requests safetensors "
    "scikit-image scikit-learn scipy seaborn sentence-transformers sentencepiece setfit shap skl2onnx sktime "
    "skops spacy statsmodels surprise tensorflow textblob tokenizers torch torchaudio torchvision transformers "
    "umap-learn xgboost"
).split()


@functools.cache
def _known() -> frozenset[str]:
    """Well-known packages, and those that this server itself has."""
    own = (str(found.metadata["Name"] or "") for found in importlib.metadata.distributions())
    return frozenset({*_COMMON, *(canonicalize_name(name) for name in own if name)})


def meant_package(name: str, *, also: Iterable[str] = ()) -> str:
    """The package that was probably meant by a name that does not exist; empty when nothing is close."""
    canonical = canonicalize_name(name)
    if canonical in _IMPORTED_AS:
        return _IMPORTED_AS[canonical]
    close = difflib.get_close_matches(canonical, _known() | set(also), n=1, cutoff=0.75)
    return close[0] if close and close[0] != canonical else ""


def package_of_module(module: str) -> str:
    """The package that a module is usually installed by."""
    top = module.partition(".")[0]
    return _IMPORTED_AS.get(top.lower(), canonicalize_name(top))
