from __future__ import annotations

import configparser
import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest

import raytabdl
from raytabdl import datasets

ROOT = Path(__file__).parents[1]


def modules_after(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after the statement."""
    code = f"import json, sys; {statement}; print(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("statement", ["import raytabdl", "import raytabdl.datasets", "import raytabdl; dir(raytabdl)"])
def test_the_import_is_light(statement: str) -> None:
    assert not modules_after(statement) & {"torch", "ray", "pandas", "numpy", "sklearn"}


def test_a_name_that_the_package_lacks_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'TabularForecaster'"):
        raytabdl.TabularForecaster  # noqa: B018


def test_the_public_names_are_listed() -> None:
    assert {"TabularClassifier", "TabularRegressor", "__version__"} <= set(dir(raytabdl))


def test_the_version_has_one_source() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] == "attr: raytabdl.__version__"
    assert version("raytabdl") == raytabdl.__version__


def test_every_requirement_of_the_package_is_pinned() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = "\n".join([setup["options"]["install_requires"], *setup["options.extras_require"].values()])
    names = {line.split()[0].partition("[")[0] for line in required.splitlines() if line and not line.startswith("#")}
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert names <= pinned


@pytest.mark.parametrize(
    ("name", "n_rows", "n_numeric", "n_categorical", "n_missing"),
    [("adult", 48842, 6, 8, 6465), ("car", 1728, 0, 6, 0), ("airfoil_self_noise", 1503, 5, 0, 0)],
)
def test_a_bundled_table_is_what_its_readme_says(
    name: str, n_rows: int, n_numeric: int, n_categorical: int, n_missing: int
) -> None:
    X, y = datasets.load(name)
    assert len(X) == len(y) == n_rows
    assert X.select_dtypes("number").shape[1] == n_numeric
    assert X.select_dtypes("category").shape[1] == n_categorical
    assert X.isna().sum().sum() == n_missing
    assert y.name == datasets.describe(name).target
    assert y.notna().all()


def test_the_targets_fit_their_tasks() -> None:
    targets = {name: datasets.load(name)[1] for name in datasets.names()}
    assert set(targets["adult"].cat.categories) == {"<=50K", ">50K"}
    assert set(targets["car"].cat.categories) == {"unacc", "acc", "good", "vgood"}
    assert pd.api.types.is_float_dtype(targets["airfoil_self_noise"])


def test_every_bundled_file_names_its_licence_and_its_authors() -> None:
    readme = Path(datasets.__file__).with_name("README.md").read_text()
    assert {path.stem for path in Path(datasets.__file__).parent.glob("*.parquet")} == set(datasets.names())
    for name in datasets.names():
        dataset = datasets.describe(name)
        assert dataset.licence == "CC BY 4.0"
        assert dataset.attribution.rpartition("/")[2] in readme


def test_an_unknown_table_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="adult, car, airfoil_self_noise; got 'iris'"):
        datasets.load("iris")
