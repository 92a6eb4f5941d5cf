from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from raytabdl import TabularClassifier, TabularRegressor, cli
from raytabdl.ensemble import Ensemble
from raytabdl.exceptions import RunFolderError
from raytabdl.inputs import Inputs
from raytabdl.metrics import Metric
from raytabdl.names import fold_of
from raytabdl.persistence import write_array
from raytabdl.report import validation
from raytabdl.report.collect import collect, outcome
from raytabdl.report.facts import Report
from raytabdl.report.page import to_json
from raytabdl.report.reproduce import reproduction
from raytabdl.report.summary import summary
from raytabdl.report.validation import MAX_CLASSES, OTHERS, _calibration, _confusion
from raytabdl.run_folder import RunFolder
from raytabdl.runtime.settings import Settings

from .conftest import CLASSES, REASON, SCRIPT, TARGET


@pytest.fixture(scope="module")
def report(classifier: TabularClassifier, folder: RunFolder) -> Report:
    return collect(folder, classifier.predictor_)


def test_the_data_are_told_of_with_what_was_dropped_and_why(report: Report) -> None:
    data = report.data
    assert (data.n_rows, data.target) == (400, TARGET)
    assert dict(data.dropped) == {"constant": "one value throughout"}
    deciding, noise = data.columns
    assert (deciding.name, deciding.kind, deciding.n_levels, deciding.missing) == (SCRIPT, "number", None, 0.0)
    assert (noise.kind, noise.n_levels, noise.missing) == ("category", 2, 0.25)
    assert sum(data.classes.values()) == 400
    assert set(data.classes) == set(CLASSES)


def test_trials_are_counted_apart_from_quick_models_and_failures_have_reasons(report: Report) -> None:
    assert dict(report.outcome.trials) == {"failed": 1, "stopped": 1}
    assert dict(report.outcome.endings) == {"success": 1, "crash": 1}
    assert report.outcome.n_quick >= 1
    assert dict(report.outcome.failures) == {REASON: 1}


def test_the_scores_are_those_of_the_ensemble_on_the_validation_rows(
    report: Report, classifier: TabularClassifier, folder: RunFolder
) -> None:
    assert report.validation is not None
    # Once there are bags, each row was predicted by models that have not seen it.
    has_bags = any(fold_of(member) for member in folder.read_ensemble().weights)
    assert report.validation.n_rows == (report.data.n_rows if has_bags else report.data.n_validation_rows)
    assert report.validation.scores["log_loss"] == pytest.approx(folder.read_ensemble().loss, rel=1e-5)
    assert report.outcome.ensemble == folder.read_ensemble().loss
    assert sum(report.outcome.members.values()) == pytest.approx(1)
    confusion = report.validation.confusion
    assert confusion is not None
    assert confusion.classes == CLASSES
    right = sum(confusion.counts[code][code] for code in range(2))
    assert right / report.validation.n_rows == pytest.approx(report.validation.scores["accuracy"])


def test_the_column_that_decides_matters_most(report: Report) -> None:
    assert report.features is not None
    first, second = report.features.columns
    assert first.name == SCRIPT
    assert first.rise > 0.1 > abs(second.rise)


def test_the_best_single_model_gets_no_worse_over_time(report: Report) -> None:
    times, losses = np.transpose(report.anytime.best_single)
    assert (np.diff(times) >= 0).all()
    assert (np.diff(losses) < 0).all()
    assert report.anytime.ensemble[-1][1] == report.outcome.ensemble


def test_the_curves_are_those_of_the_best_without_the_dummy(report: Report) -> None:
    assert report.learning_curves
    assert "dummy" not in {curve.model for curve in report.learning_curves}
    for curve in report.learning_curves:
        budgets = [budget for budget, _ in curve.points]
        assert budgets == sorted(set(budgets))


def test_a_slow_predictor_is_asked_of_fewer_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([0.0, 1.0])  # for a prediction of all rows
    monkeypatch.setattr(validation.time, "monotonic", lambda: next(seconds))
    inputs = Inputs(np.zeros((2_000, 1), np.float32), np.zeros((2_000, 0), np.int32), ())
    n_rows = validation._affordable(lambda given: given.numeric[:, 0], inputs, n_columns=10)
    assert n_rows == int(2_000 * validation.FEATURE_SECONDS / 15)


def test_a_part_without_data_has_a_reason(report: Report) -> None:
    assert report.hyperparameters is None
    assert "space.json" in report.left_out["hyperparameters"]
    assert set(report.left_out) == {"hyperparameters"}


def test_scores_of_a_regression_stand_in_their_own_direction(regressor: TabularRegressor) -> None:
    report = collect(regressor.folder_, regressor.predictor_)
    shown = report.outcome
    assert shown.greater_is_better
    assert shown.ensemble is not None
    assert 0.5 < shown.ensemble < 1
    assert report.leaderboard[0].value == pytest.approx(report.leaderboard[0].scores["r2"])
    assert report.leaderboard[0].value == max(entry.value for entry in report.leaderboard)
    assert report.validation is not None
    residuals = report.validation.residuals
    assert residuals is not None
    predicted, true = np.transpose(residuals.sample)
    assert residuals.mean == pytest.approx((true - predicted).mean())  # all rows are in the sample
    assert report.data.quantiles["median"] == pytest.approx(
        np.median(regressor.folder_.read_task(regressor.predictor_.target).y)
    )


def test_of_a_metric_that_is_not_known_the_losses_are_told(classifier: TabularClassifier, tmp_path: Path) -> None:
    folder = copy_of(classifier.folder_, tmp_path)
    record = json.loads(folder.run_json.read_text())
    record["settings"]["metric"] = "my_cost"
    folder.run_json.write_text(json.dumps(record))
    report = collect(folder, classifier.predictor_)
    assert report.outcome.metric == "my_cost (loss)"
    assert report.features is not None
    assert report.features.metric == "log_loss"
    own = Metric("my_cost", lambda y, predictions: float(np.mean(y)), greater_is_better=True, best=3.0)
    known = outcome(folder, own)
    assert known.ensemble == pytest.approx(3.0 - folder.read_ensemble().loss)


def test_a_run_that_has_not_ended_is_told_of_as_far_as_it_went(classifier: TabularClassifier, tmp_path: Path) -> None:
    folder = copy_of(classifier.folder_, tmp_path)
    for name in ("manifest.json", "ensemble.json"):
        (folder.path / name).unlink()
    report = collect(folder, None)
    assert report.outcome.state == "unfinished"
    assert report.validation is not None  # of the last ensemble of the trajectory
    assert report.features is None
    assert "features" in report.left_out


def test_a_run_with_models_of_the_user_s_own_is_told_of_without_loading_them(
    classifier: TabularClassifier, tmp_path: Path
) -> None:
    folder = copy_of(classifier.folder_, tmp_path)
    record = json.loads(folder.run_json.read_text())
    record["choices"]["mine"] = "my_module.Mine"
    folder.run_json.write_text(json.dumps(record))
    done = CliRunner().invoke(cli.commands, ["report", str(folder.path), "--json"])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["features"] is None
    assert "classes of your own" in told["left_out"]["features"]
    assert told["validation"]["scores"] == collect(folder, None).validation.scores  # type: ignore[union-attr]


def test_a_saved_model_is_refused(classifier: TabularClassifier, tmp_path: Path) -> None:
    classifier.save(tmp_path / "model")
    with pytest.raises(RunFolderError, match="is a saved model, which does not tell of its run"):
        collect(RunFolder(tmp_path / "model"), None)


def test_the_json_has_every_field_of_the_report(report: Report) -> None:
    assert set(missing(report, json.loads(to_json(report)))) == set()


def missing(record: object, read: object) -> Iterator[str]:
    """The fields of nested dataclasses that JSON lacks."""
    if is_dataclass(record):
        assert isinstance(read, dict)
        for field in fields(record):
            if field.name in read:
                yield from missing(getattr(record, field.name), read[field.name])
            else:
                yield field.name
    elif isinstance(record, tuple):
        assert isinstance(read, list)
        assert len(record) == len(read)
        for own, other in zip(record, read, strict=True):
            yield from missing(own, other)


def test_the_summary_is_a_few_lines(classifier: TabularClassifier, regressor: TabularRegressor) -> None:
    lines = classifier.fit_summary().splitlines()
    assert lines[0].startswith("binary, complete after")
    assert any(line.split()[:2] == ["ensemble", "log_loss"] and "smaller is better" in line for line in lines)
    assert "  trials       2 (1 failed, 1 stopped), after" in "\n".join(lines)
    assert "  endings      1 success, 1 crash" in lines
    assert lines[-1] == f"  failed       1 x {REASON}"
    text = regressor.fit_summary()
    assert "larger is better" in text
    assert text.endswith("failed       none")
    assert summary(outcome(regressor.folder_)) == text


def test_a_saved_model_has_a_summary_too(classifier: TabularClassifier, tmp_path: Path) -> None:
    classifier.save(tmp_path / "model")
    loaded = TabularClassifier.load(tmp_path / "model")
    assert loaded.fit_summary().splitlines()[1:] == classifier.fit_summary().splitlines()[1:]


# Pure parts.


def test_a_fold_counts_where_all_trials_of_the_ensemble_were_validated_on_it(
    regressor: TabularRegressor, tmp_path: Path
) -> None:
    folder = copy_of(regressor.folder_, tmp_path)
    task = folder.read_task(regressor.predictor_.target)
    n_rows = [len(task.split(fold)[1]) for fold in range(task.n_folds)]
    for member, value in {"a@27": 1.0, "a.1@27": 3.0, "a.2@27": 5.0, "b@9": 2.0, "b.1@9": 4.0}.items():
        write_array(folder.predictions / f"{member}.npy", np.full(n_rows[fold_of(member)], value))
    ensemble = Ensemble({"a@27": 0.2, "a.1@27": 0.2, "a.2@27": 0.2, "b@9": 0.2, "b.1@9": 0.2}, 0.0)
    y, row_weights, predictions = validation._predictions(folder, ensemble, task)
    np.testing.assert_array_equal(y, np.concatenate([task.y[task.split(fold)[1]] for fold in (0, 1)]))
    expected = [0.6 * 1.0 + 0.4 * 2.0, 0.6 * 3.0 + 0.4 * 4.0]
    np.testing.assert_allclose(predictions, np.repeat(expected, n_rows[:2]))
    assert row_weights is None
    weights = np.arange(1.0, len(task.y) + 1)
    weighted = replace(task, inputs=replace(task.inputs, weights=weights))
    _, row_weights, _ = validation._predictions(folder, ensemble, weighted)
    np.testing.assert_array_equal(row_weights, np.concatenate([weights[task.split(fold)[1]] for fold in (0, 1)]))


def test_rare_classes_stand_together() -> None:
    codes = np.repeat(np.arange(30), np.arange(30, 0, -1))
    labels = tuple(f"class {code}" for code in range(30))
    confusion = _confusion(codes, np.eye(30)[codes], labels)
    assert confusion.classes == (*labels[: MAX_CLASSES - 1], OTHERS)
    counts = np.array(confusion.counts)
    assert counts.sum() == len(codes)
    assert (counts == np.diag(np.diag(counts))).all()
    assert counts[0, 0] == 30


def test_a_classifier_that_says_what_happens_is_calibrated_and_a_bold_one_is_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(20_000)
    codes = (rng.random(20_000) < p).astype(np.int64)
    honest = _calibration(codes, np.stack([1 - p, p], axis=1), ("no", "yes"))
    assert honest.of == "yes"
    assert honest.error < 0.02
    bold = np.where(p > 0.5, 0.99, 0.01)
    assert _calibration(codes, np.stack([1 - bold, bold], axis=1), ("no", "yes")).error == pytest.approx(0.24, abs=0.02)
    assert _calibration(codes, np.stack([1 - p, p, 0 * p], axis=1), ("a", "b", "c")).of == "the most probable class"


def settings(**changes: object) -> Settings:
    defaults: dict[str, object] = {
        "time_limit": 60.0,
        "n_trials": None,
        "metric": None,
        "seed": 0,
        "n_workers": None,
        "gpus_per_trial": None,
        "ensemble_size": 25,
    }
    return Settings(**{**defaults, **changes})  # type: ignore[arg-type]


def test_the_code_makes_the_same_settings_again(report: Report, folder: RunFolder) -> None:
    code = report.reproduction.code
    compile(code, "snippet", "exec")
    assert f"y = X.pop({TARGET!r})" in code
    assert "model = TabularClassifier(time_limit=1.5)" in code
    assert report.reproduction.command is not None
    words = shlex.split(report.reproduction.command)
    assert words[:3] == ["raytabdl", "fit", "table.csv"]
    assert words[words.index("--target") + 1] == TARGET


def test_what_the_command_line_cannot_say_has_no_command(report: Report, classifier: TabularClassifier) -> None:
    target, choices = classifier.predictor_.target, json.loads(classifier.folder_.run_json.read_text())["choices"]
    plain = reproduction(settings(), target, "y", choices, "medium", "1.0")
    assert plain.command is not None
    for name, value in {"ensemble_size": 5, "trial_time_limit": 9.0, "trial_memory": 2.0}.items():
        other = reproduction(settings(**{name: value}), target, "y", choices, "medium", "1.0")
        assert other.command is None
        assert f"{name}={value}" in other.code
    weighted = reproduction(settings(), target, "y", choices, "medium", "1.0", ["sample_weight"])
    assert weighted.command is None
    assert any("sample_weight" in note for note in weighted.notes)
    measured = reproduction(settings(metric="fbeta_score"), target, "y", choices, "medium", "1.0")
    assert measured.command is None
    assert "fbeta_score" not in measured.code
    assert any("fbeta_score" in note for note in measured.notes)
    assert reproduction(settings(), target, None, choices, "medium", "1.0").command is None
    own = reproduction(settings(), target, "y", {"mine": "my_module.Mine"}, None, "1.0")
    assert own.command is None
    assert any("my_module.Mine" in note for note in own.notes)


def copy_of(folder: RunFolder, path: Path) -> RunFolder:
    return RunFolder(Path(shutil.copytree(folder.path, path / "run")))
