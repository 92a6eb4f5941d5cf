"""The estimators as scikit-learn users know them.

Fits of so few seconds start no Ray: they train the quick models, which end before the time is up on small tables.
"""

from __future__ import annotations

import copy
import io
import json
import pickle
import shutil
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from raytabdl import TabularClassifier, TabularRegressor
from raytabdl.estimators import load, resume
from raytabdl.exceptions import CorruptModelError, DataError, RunFolderError, SettingError
from raytabdl.leaderboard import leaderboard
from raytabdl.metrics import CLASSIFICATION, REGRESSION
from raytabdl.names import fold_of, trial_of
from raytabdl.persistence import MANIFEST, write_manifest
from raytabdl.presets import small
from raytabdl.space import configuration_space

N_ROWS = 60


def table(n_rows: int = N_ROWS, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"age": rng.normal(size=n_rows), "town": rng.choice(["a", "b", "c"], n_rows)})
    X.loc[::9, "age"] = np.nan
    return X


def labels(X: pd.DataFrame) -> pd.Series:
    return pd.Series(np.where(X["age"] > 0.5, "high", X["town"]), name="label")


def values(X: pd.DataFrame) -> pd.Series:
    return X["age"].fillna(0.0) * 10.0 + 100.0


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def clf(tmp_path_factory: pytest.TempPathFactory) -> TabularClassifier:
    X = table()
    return TabularClassifier(time_limit=6, run_folder=tmp_path_factory.mktemp("runs") / "run").fit(X, labels(X))


@pytest.fixture(scope="module")
def reg(tmp_path_factory: pytest.TempPathFactory) -> TabularRegressor:
    X = table()
    return TabularRegressor(time_limit=6, run_folder=tmp_path_factory.mktemp("runs") / "run").fit(X, values(X))


@pytest.fixture
def saved(clf: TabularClassifier, tmp_path: Path) -> Path:
    clf.save(tmp_path / "model")
    return tmp_path / "model"


# What predict gives back.

TWO = np.arange(N_ROWS) % 2
LABELS = [
    ("str", np.array(["no", "yes"])[TWO], "U"),
    ("bool", TWO.astype(bool), "b"),
    ("int8", TWO.astype(np.int8), "i"),
    ("negative", TWO * 10 - 5, "i"),
    ("uint64", TWO.astype(np.uint64) + np.uint64(2**63), "u"),
    ("float", TWO.astype(float), "f"),
    ("objects", np.array(["no", "yes"], dtype=object)[TWO], "O"),
    ("integers as objects", TWO.astype(object), "O"),
    ("list", ["no" if code else "yes" for code in TWO], "U"),
    ("category", pd.Series(np.array(["no", "yes"])[TWO], dtype="category"), "OU"),
    ("unused level", pd.Series(pd.Categorical(np.array(["b", "a"])[TWO], ["a", "b", "c"])), "OU"),
    ("string", pd.Series(np.array(["no", "yes"])[TWO], dtype="string"), "OU"),
    ("Int64", pd.Series(TWO, dtype="Int64"), "i"),
    ("boolean", pd.Series(TWO, dtype="boolean"), "b"),
    ("arrow", pd.Series(np.array(["no", "yes"])[TWO], dtype="string[pyarrow]"), "OU"),
]


@pytest.mark.parametrize(("y", "kinds"), [case[1:] for case in LABELS], ids=[case[0] for case in LABELS])
def test_labels_of_any_kind_come_back_as_they_came(y: Any, kinds: str, tmp_path: Path) -> None:
    X = pd.DataFrame({"twin": TWO + np.random.default_rng(0).normal(0, 0.2, N_ROWS)})
    fitted = TabularClassifier(time_limit=6).fit(X, y)
    fitted.save(tmp_path / "model")
    for estimator in (fitted, TabularClassifier.load(tmp_path / "model")):
        predicted = estimator.predict(X)
        assert predicted.dtype.kind in kinds
        assert estimator.classes_.dtype == predicted.dtype
        assert estimator.classes_.tolist() == sorted(set(y))
        assert [type(label) for label in predicted.tolist()] == [type(label) for label in np.asarray(y).tolist()]
        assert (predicted == np.asarray(y)).mean() > 0.9


def test_probabilities_are_in_the_order_of_the_classes(clf: TabularClassifier) -> None:
    X = table(seed=1)
    probabilities = clf.predict_proba(X)
    assert clf.classes_.tolist() == ["a", "b", "c", "high"]
    assert probabilities.shape == (N_ROWS, 4)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_array_equal(clf.predict(X), clf.classes_[probabilities.argmax(axis=1)])
    assert clf.score(X, labels(X)) > 0.8


def test_a_regression_predicts_values_and_no_probabilities(reg: TabularRegressor) -> None:
    X = table(seed=1)
    assert reg.predict(X).shape == (N_ROWS,)
    assert reg.score(X, values(X)) > 0.5
    with pytest.raises(AttributeError):
        reg.predict_proba(X)  # type: ignore[attr-defined]
    assert not hasattr(reg, "classes_")


def test_one_row_is_predicted_as_in_a_batch(clf: TabularClassifier, reg: TabularRegressor) -> None:
    X = table(seed=1)
    for row in range(5):
        np.testing.assert_allclose(clf.predict_proba(X.iloc[[row]])[0], clf.predict_proba(X)[row], rtol=1e-6)
        np.testing.assert_allclose(reg.predict(X.iloc[[row]])[0], reg.predict(X)[row], rtol=1e-6)


def test_no_rows_give_empty_results(clf: TabularClassifier, reg: TabularRegressor) -> None:
    X = table().head(0)
    assert clf.predict(X).shape == (0,)
    assert clf.predict(X).dtype == clf.classes_.dtype
    assert clf.predict_proba(X).shape == (0, 4)
    assert reg.predict(X).shape == (0,)


def test_a_table_of_another_make_gives_the_same(clf: TabularClassifier) -> None:
    import pyarrow

    X = table(seed=1)
    expected = clf.predict_proba(X)
    as_objects = X.astype(object).set_index(np.random.default_rng(0).permutation(N_ROWS))
    rows = X.to_numpy(object)
    for other in (X[["town", "age"]], pyarrow.Table.from_pandas(X), rows, rows.tolist(), as_objects):
        np.testing.assert_allclose(clf.predict_proba(other), expected)


def test_fit_and_predict_leave_the_data_as_they_were() -> None:
    X, y = table(), labels(table())
    TabularClassifier(time_limit=1).fit(X, y).predict(X)
    pd.testing.assert_frame_equal(X, table())
    pd.testing.assert_series_equal(y, labels(table()))


# What a fit is.


def test_a_fit_of_a_second_is_usable_and_says_what_it_is() -> None:
    X = table()
    fitted = TabularClassifier(time_limit=1).fit(X, labels(X))
    board = fitted.leaderboard()
    assert set(board["origin"]) == {"quick"}
    assert board["trial"].str.startswith("quick-").all()
    assert np.isfinite(fitted.predict_proba(X)).all()


def test_no_time_at_all_gives_the_baseline_and_a_warning() -> None:
    X = table()
    with pytest.warns(UserWarning, match="0.001 seconds were enough for the baseline only"):
        fitted = TabularClassifier(time_limit=0.001).fit(X, labels(X))
    np.testing.assert_allclose(*fitted.predict_proba(X.head(2)))


def test_a_plain_fit_warns_of_nothing() -> None:
    X = table()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TabularClassifier(time_limit=6).fit(X, labels(X)).predict(X)
        TabularRegressor(time_limit=6).fit(X, values(X)).predict(X)


def test_a_fit_that_shows_nothing_warns_the_caller_of_ids_that_are_left_out() -> None:
    X = table().assign(id=[f"row {i}" for i in range(N_ROWS)], empty=None)
    with pytest.warns(
        UserWarning, match=r"^left out: 'id' \(60 different values in 60 rows: ids or free text"
    ) as heard:
        TabularClassifier(time_limit=1).fit(X, labels(X))
    assert [each.filename for each in heard if str(each.message).startswith("left out")] == [__file__]


def test_a_target_may_have_any_name() -> None:
    X = table()
    for y in (labels(X).rename(("a", 1)), labels(X).rename(np.int64(3)), pd.DataFrame({"name": labels(X)})):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DataConversionWarning)
            assert TabularClassifier(time_limit=0.5).fit(X, y).predict(X).shape == (N_ROWS,)


def test_a_run_folder_has_a_name_of_its_own() -> None:
    X = table()
    for _ in range(2):
        TabularClassifier(time_limit=0.5).fit(X, labels(X))
    assert len(list(Path("raytabdl_runs").iterdir())) == 2


def test_a_second_fit_replaces_the_first() -> None:
    X = table()
    fitted = TabularClassifier(time_limit=1).fit(X, labels(X))
    assert fitted.feature_names_in_.tolist() == ["age", "town"]
    fitted.fit(np.random.default_rng(0).normal(size=(N_ROWS, 3)), TWO)
    assert fitted.n_features_in_ == 3
    assert fitted.classes_.tolist() == [0, 1]
    assert not hasattr(fitted, "feature_names_in_")


def test_the_same_seed_gives_the_same_model() -> None:
    """Where the quick models end before the time is up, nothing depends on the clock."""
    X = table()
    one, two = (TabularClassifier(time_limit=11, seed=3).fit(X, labels(X)).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(one, two)


def test_what_is_not_fitted_says_so() -> None:
    unfitted = TabularClassifier()
    calls = (unfitted.predict, unfitted.predict_proba, unfitted.save, lambda path: unfitted.score(path, "y"))
    for call in calls:
        with pytest.raises(NotFittedError):
            call("anything")
    with pytest.raises(NotFittedError):
        unfitted.leaderboard()


# The leaderboard and the ensemble.

SCORES = {
    TabularClassifier: ["log_loss", "roc_auc", "accuracy"],
    TabularRegressor: ["rmse", "mae", "r2"],
}


def test_the_leaderboard_has_a_row_for_each_trial_best_first(clf: TabularClassifier, reg: TabularRegressor) -> None:
    for fitted in (clf, reg):
        board = fitted.leaderboard()
        first, last = (
            ["trial", "model", "origin", "budget", "loss"],
            ["weight", "folds", "seconds", "n_parameters", "status"],
        )
        assert list(board.columns) == [*first, *SCORES[type(fitted)], *last]
        assert board["trial"].is_unique
        assert board["loss"].is_monotonic_increasing
        assert (board["seconds"] > 0).all()
        assert board.attrs["metric"] == SCORES[type(fitted)][0]
        np.testing.assert_allclose(board["loss"], board[SCORES[type(fitted)][0]])


def test_the_results_of_the_search_hold_all_metrics_of_what_was_predicted(
    clf: TabularClassifier, reg: TabularRegressor, saved: Path
) -> None:
    for fitted, metrics in ((clf, CLASSIFICATION), (reg, REGRESSION)):
        builder, results = fitted.folder_.builder(next(iter(metrics.values())), 25), fitted.folder_.history().results
        rows = fitted.search_results().to_dict("records")  # behind those of results, what the end cut short
        for result, row in zip(results, rows, strict=False):
            y = [builder.y, *builder.other_folds][fold_of(str(result.member))]
            for name, metric in metrics.items():
                assert row[name] == pytest.approx(metric.measure(y, builder.predictions[str(result.member)]))
    pd.testing.assert_frame_equal(load(saved).search_results(), clf.search_results())


def test_the_weights_sum_to_one(clf: TabularClassifier, reg: TabularRegressor) -> None:
    for fitted in (clf, reg):
        weights = fitted.leaderboard()["weight"]
        assert (weights >= 0).all()
        assert weights.sum() == pytest.approx(1.0)
        assert sum(fitted.predictor_.ensemble.weights.values()) == pytest.approx(1.0)


def test_the_ensemble_is_not_worse_than_its_best_member(clf: TabularClassifier, reg: TabularRegressor) -> None:
    for fitted, metric in ((clf, CLASSIFICATION["log_loss"]), (reg, REGRESSION["rmse"])):
        builder, ensemble = fitted.folder_.builder(metric, 25), fitted.predictor_.ensemble
        folds = sorted({fold_of(member) for member in ensemble.weights})
        y = np.concatenate([[builder.y, *builder.other_folds][fold] for fold in folds])
        for trial in ensemble.trial_weights():
            own = {fold_of(m): builder.predictions[m] for m in ensemble.weights if trial_of(m) == trial}
            assert ensemble.loss <= metric.loss(y, np.concatenate([own[fold] for fold in folds])) + 1e-6


def test_the_metric_of_the_user_decides() -> None:
    X = table()
    by_name = TabularClassifier(time_limit=1, metric="accuracy").fit(X, labels(X))
    assert by_name.leaderboard().attrs["metric"] == "accuracy"
    np.testing.assert_allclose(by_name.leaderboard()["loss"], 1.0 - by_name.leaderboard()["accuracy"])
    by_value = TabularClassifier(time_limit=1, metric=CLASSIFICATION["f1"]).fit(X, labels(X))
    assert by_value.leaderboard().attrs["metric"] == "f1"


def test_the_trajectory_ends_with_what_predicts(clf: TabularClassifier, reg: TabularRegressor, saved: Path) -> None:
    X = table(seed=1)
    for estimator, y in ((clf, labels(X)), (reg, values(X))):
        steps = estimator.trajectory(X, y)
        assert (steps["time"].diff()[1:] > 0).all()
        assert steps["models"].iloc[-1] == len(estimator.predictor_.members)
        if estimator is clf:
            assert steps.attrs["metric"] == "log_loss"
            truth = estimator.predict_proba(X)[np.arange(N_ROWS), np.searchsorted(estimator.classes_, y)]
            assert steps["test"].iloc[-1] == pytest.approx(-np.log(truth).mean())
        else:
            error = np.sqrt(np.square(estimator.predict(X) - y).mean())
            assert steps["test"].iloc[-1] == pytest.approx(error)
        pd.testing.assert_frame_equal(estimator.trajectory(), steps.drop(columns="test"))
    with pytest.raises(SettingError, match="X_test and y_test go together"):
        clf.trajectory(X)
    with pytest.raises(DataError, match="as many rows, got 60 rows and 3 targets"):
        clf.trajectory(X, labels(X)[:3])
    with pytest.raises(RunFolderError, match="is a saved model, which has no trajectory"):
        TabularClassifier.load(saved).trajectory()


def test_a_metric_of_classes_has_a_decision_of_its_own(tmp_path: Path) -> None:
    """Of 5 % that are seldom more likely than not: nobody would be found by the most probable class."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"signal": rng.normal(size=2_000)})
    y = np.where(rng.random(2_000) < 1 / (1 + np.exp(3.5 - 1.2 * X["signal"])), "sick", "well")
    fitted = TabularClassifier(time_limit=6, metric="balanced_accuracy").fit(X, y)
    fitted.save(tmp_path / "model")
    for estimator in (fitted, TabularClassifier.load(tmp_path / "model")):
        predicted, probable = estimator.predict(X), estimator.classes_[estimator.predict_proba(X).argmax(axis=1)]
        assert balanced_accuracy_score(y, predicted) > balanced_accuracy_score(y, probable) + 0.1
    # A single model is recorded with what its most probable class is worth, whoever trained it.
    builder = fitted.folder_.builder(CLASSIFICATION["balanced_accuracy"], 25)
    for result in fitted.folder_.history().on_first_fold():
        certain = builder.predictions[str(result.member)].argmax(axis=1)
        assert result.loss == pytest.approx(1 - balanced_accuracy_score(builder.y, certain))


def test_an_ensemble_is_selected_anew_for_another_metric_or_size(
    clf: TabularClassifier, saved: Path, tmp_path: Path
) -> None:
    before = clf.predict_proba(table())
    clf.reselect(tmp_path / "best", ensemble_size=1)
    best = TabularClassifier.load(tmp_path / "best")
    assert list(best.predictor_.members) == list(clf.folder_.builder(CLASSIFICATION["log_loss"], 1).ensemble().weights)
    assert len({trial_of(member) for member in best.predictor_.members}) == 1
    assert best.ensemble_size == 1
    clf.reselect(tmp_path / "accurate", metric="accuracy")
    accurate = TabularClassifier.load(tmp_path / "accurate")
    board = accurate.leaderboard()
    assert board.attrs["metric"] == accurate.metric == "accuracy"
    np.testing.assert_allclose(board["loss"], 1 - board["accuracy"])
    assert 1 - accurate.predictor_.ensemble.loss >= board["accuracy"].max()
    np.testing.assert_array_equal(clf.predict_proba(table()), before)
    with pytest.raises(RunFolderError, match="is a saved model, without the predictions"):
        TabularClassifier.load(saved).reselect(tmp_path / "other", metric="accuracy")
    with pytest.raises(RunFolderError, match="holds something that is no saved model"):
        clf.reselect(clf.folder_.path)
    with pytest.raises(SettingError, match="metric must be one of"):
        clf.reselect(tmp_path / "other", metric="rmse")


def test_a_run_that_has_deleted_models_says_so_and_is_replayed_selected_from_and_gone_on_with(
    clf: TabularClassifier, tmp_path: Path
) -> None:
    folder = type(clf.folder_)(Path(shutil.copytree(clf.folder_.path, tmp_path / "run")))
    told = {member for _, ensemble in folder.read_trajectory() for member in ensemble.weights}
    others = [member for member in folder.members() if member not in told and not member.startswith("quick-dummy")]
    assert others
    for member in others:
        folder.delete(member)
    thinned, X = TabularClassifier.load(folder.path), table(seed=1)
    pd.testing.assert_frame_equal(thinned.leaderboard(), clf.leaderboard())
    pd.testing.assert_frame_equal(thinned.trajectory(X, labels(X)), clf.trajectory(X, labels(X)))
    n_all = len(clf.folder_.members())
    with pytest.warns(UserWarning, match=f"has kept {n_all - len(others)} of its {n_all} models"):
        thinned.reselect(tmp_path / "accurate", metric="accuracy")
    accurate = TabularClassifier.load(tmp_path / "accurate")
    assert set(accurate.predictor_.members) <= set(folder.members())
    clf.reselect(tmp_path / "of all", metric="accuracy")
    of_all = TabularClassifier.load(tmp_path / "of all").leaderboard()
    pd.testing.assert_series_equal(accurate.leaderboard()["loss"], of_all["loss"])  # by what was logged
    for name in ("ensemble.json", MANIFEST):  # as if it had been killed
        (folder.path / name).unlink()
    assert set(TabularClassifier.resume(folder.path).predictor_.members) <= set(folder.members())


def test_a_run_that_has_not_ended_has_a_leaderboard(clf: TabularClassifier, tmp_path: Path) -> None:
    folder = type(clf.folder_)(Path(shutil.copytree(clf.folder_.path, tmp_path / "run")))
    folder.ensemble.unlink()
    (folder.path / MANIFEST).unlink()
    board = leaderboard(folder)
    assert board["weight"].sum() == pytest.approx(1.0)
    pd.testing.assert_frame_equal(board.drop(columns="weight"), clf.leaderboard().drop(columns="weight"))


# Saving and loading.


def test_a_saved_model_predicts_the_same_in_a_fresh_process(clf: TabularClassifier, saved: Path) -> None:
    """Also when it was moved, from another working directory, and when nothing can be written there."""
    moved = saved.rename(saved.with_name("moved model"))
    for entry in [moved, *moved.rglob("*")]:
        entry.chmod(0o500 if entry.is_dir() else 0o400)
    table(seed=1).to_parquet("table.parquet")
    code = (
        "import json, sys, pandas as pd; from raytabdl import TabularClassifier as C;"
        "p = C.load(sys.argv[1]).predict_proba(pd.read_parquet(sys.argv[2])); print(json.dumps(p.tolist()))"
    )
    command = [
        sys.executable,
        "-W",
        "error::UserWarning",
        "-c",
        code,
        str(moved),
        str(Path("table.parquet").absolute()),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
    expected = clf.predict_proba(table(seed=1))
    np.testing.assert_allclose(json.loads(done.stdout), expected, rtol=0, atol=1e-9)
    assert done.stderr == ""
    for entry in [moved, *moved.rglob("*")]:
        entry.chmod(0o700)


def test_a_run_folder_and_a_saved_model_load_the_same(clf: TabularClassifier, saved: Path) -> None:
    X = table(seed=1)
    for estimator in (load(saved), load(clf.folder_.path), TabularClassifier.resume(clf.folder_.path)):
        assert isinstance(estimator, TabularClassifier)
        np.testing.assert_array_equal(estimator.predict_proba(X), clf.predict_proba(X))
        assert (estimator.time_limit, estimator.seed, estimator.n_features_in_) == (6.0, 0, 2)
        pd.testing.assert_frame_equal(estimator.leaderboard(), clf.leaderboard())


def test_a_loaded_model_can_be_saved_again(clf: TabularClassifier, saved: Path) -> None:
    load(saved).save("again")
    shutil.rmtree(saved)
    np.testing.assert_array_equal(load("again").predict(table()), clf.predict(table()))


def test_a_regression_is_saved_and_loaded(reg: TabularRegressor) -> None:
    reg.save("model")
    assert isinstance(load("model"), TabularRegressor)
    np.testing.assert_array_equal(load("model").predict(table()), reg.predict(table()))


def test_a_model_of_the_other_kind_is_refused(clf: TabularClassifier, saved: Path) -> None:
    with pytest.raises(RunFolderError, match="multiclass task, which TabularRegressor is not for"):
        TabularRegressor.load(saved)
    with pytest.raises(RunFolderError, match="TabularRegressor"):
        TabularRegressor.resume(clf.folder_.path)


def test_a_run_goes_on_in_the_space_that_it_has_searched(tmp_path: Path) -> None:
    X = table()
    fitted = TabularClassifier(1, choices="small", run_folder=tmp_path / "run").fit(X, labels(X))
    assert load(tmp_path / "run").choices == "small"
    fitted.folder_.write_space(configuration_space(small()))
    (tmp_path / "run" / "ensemble.json").unlink()  # as if it had been killed
    (tmp_path / "run" / MANIFEST).unlink()
    with pytest.raises(SettingError, match=r"choices must be those that the run in .* was started with"):
        TabularClassifier.resume(tmp_path / "run", choices="medium")
    assert resume(tmp_path / "run").choices == "small"


def test_the_address_of_a_store_is_no_folder(clf: TabularClassifier) -> None:
    with pytest.raises(RunFolderError, match="address of a store"):
        clf.save("s3://bucket/model")
    with pytest.raises(RunFolderError, match="given as a string"):
        TabularClassifier(1, run_folder=Path("s3://bucket/run")).fit(table(), labels(table()))
    assert not Path("s3:").exists()


def test_nothing_is_loaded_from_nowhere(tmp_path: Path) -> None:
    for call in (load, TabularClassifier.load, TabularClassifier.resume):
        with pytest.raises(RunFolderError, match=f"{tmp_path / 'nothing'} holds no"):
            call(tmp_path / "nothing")


def test_saving_replaces_a_saved_model_and_nothing_else(clf: TabularClassifier, saved: Path, tmp_path: Path) -> None:
    clf.save(saved)
    (tmp_path / "empty").mkdir()
    clf.save(tmp_path / "empty")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("mine")
    for taken in (tmp_path / "notes", tmp_path / "notes" / "notes.txt", clf.folder_.path):
        with pytest.raises(RunFolderError, match="holds something that is no saved model"):
            clf.save(taken)
    assert (tmp_path / "notes" / "notes.txt").read_text() == "mine"
    with pytest.raises(RunFolderError, match="cannot be written"):
        clf.save(tmp_path / "notes" / "notes.txt" / "below")


def test_a_saved_model_is_private(saved: Path) -> None:
    assert {entry.stat().st_mode & 0o077 for entry in [saved, *saved.rglob("*")]} == {0}


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_flipped_byte_is_found_in_every_file(saved: Path) -> None:
    for path in files(saved):
        content = path.read_bytes()
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
        with pytest.raises(CorruptModelError, match=path.name):
            load(saved)
        path.write_bytes(content)
    load(saved)


def test_a_missing_file_is_named(saved: Path) -> None:
    for path in files(saved):
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(CorruptModelError, match=path.name):
            load(saved)
        path.write_bytes(content)
    load(saved)


class Payload:
    """Leaves a mark where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed").absolute(),)


def payload(as_array: bool) -> bytes:
    if not as_array:
        return pickle.dumps(Payload())
    content = io.BytesIO()
    np.save(content, np.array([Payload()], dtype=object), allow_pickle=True)
    return content.getvalue()


@pytest.mark.parametrize("as_array", [True, False], ids=["npy", "pickle"])
def test_a_pickle_among_the_files_is_not_executed(clf: TabularClassifier, saved: Path, as_array: bool) -> None:
    """The attacker has written hashes that fit."""
    for path in files(saved):
        if path.suffix in (".safetensors", ".json", ".jsonl", ".npy", ".npz"):
            content = path.read_bytes()
            path.write_bytes(payload(as_array))
            if path.name != MANIFEST:
                write_manifest(saved, [entry.name for entry in saved.iterdir() if entry.name != MANIFEST])
            with pytest.raises((CorruptModelError, ValueError)):
                load(saved).leaderboard()
            path.write_bytes(content)
    assert not Path("executed").exists()


@pytest.mark.parametrize("as_array", [True, False], ids=["npy", "pickle"])
@pytest.mark.parametrize("name", ["y.npy", "folds.npy", "numeric.npy", "categorical.npy"])
def test_a_pickle_in_an_unfinished_run_is_not_executed(clf: TabularClassifier, name: str, as_array: bool) -> None:
    folder = Path(shutil.copytree(clf.folder_.path, "run"))
    (folder / MANIFEST).unlink()
    (folder / "ensemble.json").unlink()
    (folder / "task" / name).write_bytes(payload(as_array))
    with pytest.raises(CorruptModelError, match=name):
        TabularClassifier.resume(folder)
    assert not Path("executed").exists()


def test_prediction_outlives_the_run_folder(clf: TabularClassifier) -> None:
    X = table()
    fitted = TabularClassifier(time_limit=1).fit(X, labels(X))
    expected = fitted.predict_proba(X)
    shutil.rmtree(fitted.folder_.path)
    np.testing.assert_array_equal(fitted.predict_proba(X), expected)
    for call in (fitted.leaderboard, lambda: fitted.save("model")):
        with pytest.raises(RunFolderError, match=f"{fitted.folder_.path} is gone"):
            call()


# The habits of scikit-learn.


def by_joblib(estimator: Any) -> Any:
    joblib.dump(estimator, "estimator.joblib")
    return joblib.load("estimator.joblib")


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value)), by_joblib],
    ids=["copy", "pickle", "joblib"],
)
def test_a_copy_predicts_the_same(clf: TabularClassifier, reg: TabularRegressor, copied: Any) -> None:
    np.testing.assert_array_equal(copied(clf).predict_proba(table()), clf.predict_proba(table()))
    np.testing.assert_array_equal(copied(reg).predict(table()), reg.predict(table()))


def test_a_fit_for_a_metric_of_classes_can_be_pickled() -> None:
    X = table()
    clf = TabularClassifier(1, metric="f1_macro").fit(X, labels(X))
    copied = pickle.loads(pickle.dumps(clf))
    assert copied.fit_summary() == clf.fit_summary()


def test_a_clone_has_the_parameters_and_no_fit(clf: TabularClassifier) -> None:
    cloned = clone(clf)
    assert cloned.get_params() == clf.get_params()
    assert {name for name in vars(cloned) if name.endswith("_")} == set()
    with pytest.raises(NotFittedError):
        cloned.predict(table())


def test_threads_predict_as_one_after_the_other(clf: TabularClassifier) -> None:
    tables = [table(300, seed=seed) for seed in (1, 2)]
    alone = [clf.predict_proba(X) for X in tables]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(clf.predict_proba, tables * 20))
    for number, probabilities in enumerate(together):
        np.testing.assert_allclose(probabilities, alone[number % 2], rtol=1e-6)


def test_two_fits_at_once_do_not_meet() -> None:
    X = table()
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(TabularClassifier(time_limit=6, seed=seed).fit, X, labels(X)) for seed in (0, 1)]
        one, two = (job.result() for job in jobs)
    assert one.folder_.path != two.folder_.path
    assert one.score(X, labels(X)) > 0.5
    assert two.score(X, labels(X)) > 0.5


def test_it_is_a_step_of_a_pipeline() -> None:
    X = table()
    steps = make_pipeline(FunctionTransformer(lambda frame: frame.assign(twice=2 * frame["age"])), TabularRegressor(1))
    assert steps.fit(X, values(X)).predict(X).shape == (N_ROWS,)


def test_it_is_cross_validated() -> None:
    X = table()
    scores = cross_val_score(TabularClassifier(time_limit=6), X, labels(X), cv=2, error_score="raise")
    assert (scores > 0.3).all()


def test_copies_of_one_run_folder_say_to_leave_it_out(tmp_path: Path) -> None:
    X = table()
    clf = TabularClassifier(time_limit=0.5, run_folder=tmp_path / "run")
    with pytest.raises(RunFolderError, match=r"for each fit \(or leave run_folder out, .*GridSearchCV"):
        cross_val_score(clf, X, labels(X), cv=2, error_score="raise")


def test_it_is_searched_over() -> None:
    X = table()
    search = GridSearchCV(TabularRegressor(0.8), {"metric": ["rmse", "mae"]}, cv=2, error_score="raise")
    search.fit(X, values(X))
    assert search.best_params_["metric"] in ("rmse", "mae")
    assert search.predict(X).shape == (N_ROWS,)
