from __future__ import annotations

import time
from itertools import islice

import numpy as np
import pandas as pd
import pytest
import torch

from raytabdl.calibration import rung_loss
from raytabdl.classic.catboost import CatBoost
from raytabdl.component import Horizon
from raytabdl.exceptions import CorruptModelError
from raytabdl.inputs import Error, Target, TaskType
from raytabdl.networks import ShapedMLP
from raytabdl.pipeline import load_model, make_pipeline
from raytabdl.pipeline.standard import Standard
from raytabdl.preprocessing import FoldCache, QuantileScaler
from raytabdl.quick import with_quick
from raytabdl.space import Choices
from raytabdl.task import Task, make_task
from raytabdl.training import ALL_SCHEDULES, AUGMENTATIONS, AVERAGINGS, OBJECTIVES, STOPPINGS, Objective
from raytabdl.training.loop import predict
from raytabdl.training.losses import absolute_loss
from raytabdl.validation import TimeOrder

CHOICES = with_quick(
    Choices(
        schedules=ALL_SCHEDULES,
        objectives=OBJECTIVES,
        augmentations=AUGMENTATIONS,
        averagings=AVERAGINGS,
        stoppings=STOPPINGS,
    )
)
HORIZON = Horizon(max_budget=9, epochs=9, rows_per_epoch=1000, iteration_share=0.05)
TARGETS = {
    "binary": Target(TaskType.BINARY, 2),
    "multiclass": Target(TaskType.MULTICLASS, 3),
    "regression": Target(TaskType.REGRESSION, 0),
}


def network(name, scaler):
    settings = {"scaler": scaler, "batch_size": 32, "optimizer": "adamw", "schedule": "cosine_cycles"}
    settings["optimizer.adamw.lr"] = 0.04 if name == "realmlp" else 0.01
    return {"model": name} | {f"network.{name}.{key}": value for key, value in settings.items()}


def mlp(**techniques):
    return network("mlp", "robust") | {f"network.mlp.{label}": name for label, name in techniques.items()}


CONFIGS = {
    "mlp": network("mlp", "robust"),
    "resnet": network("resnet", "quantile"),
    "realmlp": network("realmlp", "robust"),
    "tabm": network("tabm", "quantile"),
    "lightgbm": {"model": "lightgbm"},
    "catboost": {"model": "catboost"},
    "random_forest": {"model": "random_forest"},
    "linear": {"model": "linear"},
    "dummy": {"model": "dummy"},
    "swa": mlp(averaging="swa", batch_norm=True),
    "snapshot": mlp(averaging="snapshot", objective="class_weighted"),
    "lookahead": mlp(averaging="lookahead", schedule="plateau", augmentation="adversarial"),
    "patience": mlp(stopping="patience"),
    "mixup": mlp(augmentation="mixup", objective="label_smoothing"),
}
each_family = pytest.mark.parametrize("family", CONFIGS)
each_target = pytest.mark.parametrize("kind", TARGETS)


def table(n=120, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "c": rng.choice(list("xyz"), n)})
    frame.loc[rng.random(n) < 0.1, "b"] = None
    return frame


def task_of(kind, frame=None, y=None):
    frame = table() if frame is None else frame
    if y is None:
        signal = table()["a"].to_numpy() + (table()["c"] == "x").to_numpy()
        k = TARGETS[kind].n_classes
        y = np.digitize(signal, np.quantile(signal, np.linspace(0, 1, k + 1)[1:-1])) if k else signal
    return make_task(frame, y, TARGETS[kind], 3, np.random.default_rng(0))


def new(family, task, seed=0, horizon=HORIZON):
    return make_pipeline(CONFIGS[family], CHOICES, task.target, horizon, seed)


def trained(family, task, horizon=HORIZON):
    pipeline = new(family, task, horizon=horizon)
    return pipeline, list(pipeline.train(task, 0))


def validation(task):
    return task.inputs.take(task.split(0)[1])


@each_family
@each_target
def test_the_best_point_predicts_its_validation_predictions_before_and_after_saving(family, kind, tmp_path):
    task = task_of(kind)
    pipeline, points = trained(family, task)
    assert points[-1].budget == pipeline.budget == HORIZON.max_budget
    assert pipeline.best_loss == min(point.rung_loss for point in points)
    np.testing.assert_allclose(pipeline.predict(validation(task)), pipeline.best_predictions, atol=1e-6)
    pipeline.save(tmp_path)
    loaded = load_model(tmp_path, CHOICES)
    np.testing.assert_allclose(loaded.predict(validation(task)), pipeline.best_predictions, atol=1e-6)
    assert loaded.budget == pipeline.budget
    assert loaded.best_share == pipeline.best_share > 0


@each_family
@pytest.mark.parametrize("kind", ["multiclass", "regression"])
def test_pause_and_resume_in_a_new_pipeline_gives_what_no_pause_gives(family, kind, tmp_path):
    task = task_of(kind)
    straight, points = trained(family, task)
    paused = new(family, task)
    begun = list(islice(paused.train(task, 0), 3))
    paused.save_progress(tmp_path)
    resumed = new(family, task)
    resumed.load_progress(task, 0, tmp_path)
    assert resumed.budget == 3
    losses = [point.rung_loss for point in [*begun, *resumed.train(task, 0)]]
    assert len(losses) == len(points)
    if family == "lightgbm":  # which draws rows and columns anew
        assert losses == pytest.approx([point.rung_loss for point in points], rel=0.3)
    else:
        assert losses == [point.rung_loss for point in points]
        np.testing.assert_array_equal(resumed.best_predictions, straight.best_predictions)
        np.testing.assert_array_equal(resumed.predict(validation(task)), straight.predict(validation(task)))


def skewed_task(error, n=120):
    """A target that no column tells of, with a long tail; some of it is below 0, and none below -1."""
    y = np.exp(np.random.default_rng(5).normal(0.0, 1.5, n)) - 0.5
    return make_task(table(n), y, Target(TaskType.REGRESSION, 0), 3, np.random.default_rng(0)).with_error(error)


@pytest.mark.parametrize("error", Error)
@pytest.mark.parametrize("family", ["mlp", "lightgbm", "catboost", "linear", "dummy"])
def test_a_target_that_no_column_tells_of_is_predicted_by_the_constant_of_its_error(family, error):
    task = skewed_task(error, n=600)
    pipeline, _ = trained(family, task)
    y = task.y[task.split(0)[0]]
    constants = [y.mean(), np.median(y), np.expm1(np.log1p(y).mean())]  # about 2.3, 0.5 and 1
    distances = np.abs(np.log(np.add(constants, 1) / (pipeline.predict(task.inputs).mean() + 1)))
    assert distances.argmin() == list(Error).index(error)


@pytest.mark.parametrize("error", [Error.ABSOLUTE, Error.LOGARITHMIC])
@pytest.mark.parametrize("family", ["mlp", "lightgbm", "catboost", "random_forest"])
def test_models_of_any_error_are_judged_by_it_saved_with_it_and_resumed_with_it(family, error, tmp_path):
    task = skewed_task(error)
    straight, points = trained(family, task)
    truth = task.truth(0).y
    assert straight.best_loss == pytest.approx(rung_loss(truth, straight.best_predictions, task.target)[0])
    assert straight.best_loss == min(point.rung_loss for point in points)
    straight.save(tmp_path)
    loaded = load_model(tmp_path, CHOICES)
    assert loaded.target == task.target
    np.testing.assert_allclose(loaded.predict(validation(task)), straight.best_predictions, atol=1e-6, rtol=1e-6)
    paused = new(family, task)
    begun = list(islice(paused.train(task, 0), 3))
    paused.save_progress(tmp_path)
    resumed = new(family, task)
    resumed.load_progress(task, 0, tmp_path)
    losses = [point.rung_loss for point in [*begun, *resumed.train(task, 0)]]
    rel = 0.3 if family == "lightgbm" else 1e-12  # which draws rows and columns anew
    assert losses == pytest.approx([point.rung_loss for point in points], rel=rel)


def test_a_network_is_trained_by_the_loss_of_the_error_unless_an_objective_of_ones_own_says_otherwise():
    class Own(Objective):
        name = "own"

        def loss(self, y, weights=None):
            return quartile_loss

    def quartile_loss(output, y):
        return torch.maximum(0.75 * (y - output[:, 0]), 0.25 * (output[:, 0] - y))

    task, choices = skewed_task(Error.ABSOLUTE), Choices(objectives=(Objective, Own))
    for name, loss in (("plain", absolute_loss), ("own", quartile_loss)):
        pipeline = make_pipeline(mlp(objective=name), choices, task.target, HORIZON, 0)
        pipeline.begin(task, 0)
        assert pipeline._training.loss is loss


@pytest.mark.parametrize("family", ["mlp", "catboost", "linear"])
def test_the_best_point_is_kept_when_later_ones_are_worse(family):
    # Labels without a pattern: each further step learns the training part by heart.
    y = np.random.default_rng(5).integers(0, 2, 120)
    task = task_of("binary", y=y)
    pipeline, points = trained(family, task, horizon=Horizon(27, 60, 1000, 0.5))
    losses = [point.rung_loss for point in points if point.training_s > 0]
    assert min(losses) < losses[-1]
    kept, _ = rung_loss(task.y[task.split(0)[1]], pipeline.predict(validation(task)), task.target)
    assert kept == pytest.approx(min(losses), abs=1e-4)


@pytest.mark.parametrize("family", ["mlp", "mixup", "lightgbm"])
@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_weighted_rows_are_what_is_learned_and_judged_by(family, kind):
    """Every other row has a false target: of next to no weight it is not heard, and is not judged by."""
    frame = table(300)
    truth = frame["a"].to_numpy() + (frame["c"] == "x").to_numpy()
    truth = (truth > 0.3).astype(int) if kind == "binary" else truth
    is_false = np.arange(300) % 2 == 1
    y = np.where(is_false, 1 - truth if kind == "binary" else -truth, truth)
    losses = {}
    for weight in (1e-4, 1.0):
        weights = np.where(is_false, weight, 1.0)
        task = make_task(frame, y, TARGETS[kind], 3, np.random.default_rng(0), sample_weight=weights)
        pipeline, _ = trained(family, task)
        of_task = task.truth(0)
        assert pipeline.best_loss == pytest.approx(
            rung_loss(of_task.y, pipeline.best_predictions, task.target, of_task.weights)[0], abs=1e-3
        )
        losses[weight] = rung_loss(truth, pipeline.predict(task.inputs), task.target)[0]
    assert losses[1e-4] < 0.75 * losses[1.0]


@each_family
@pytest.mark.parametrize("columns", [["a", "b"], ["c"]])
def test_numbers_or_categories_alone_are_enough(family, columns):
    task = task_of("binary", frame=table()[columns])
    pipeline, _ = trained(family, task)
    assert np.isfinite(pipeline.predict(task.inputs)).all()


@each_family
def test_a_class_that_the_training_part_lacks_has_a_probability(family):
    task = task_of("multiclass")
    folds = np.where(task.y == 1, 0, 1 + np.arange(len(task.y)) % 2).astype(np.int16)
    pipeline, points = trained(family, Task(task.inputs, task.y, task.target, task.schema, folds))
    assert np.isfinite([point.rung_loss for point in points]).all()
    assert pipeline.predict(task.inputs).sum(axis=1) == pytest.approx(1, abs=1e-6)


@each_family
@each_target
def test_a_row_is_predicted_alone_as_among_others_and_no_row_gives_no_prediction(family, kind):
    task = task_of(kind)
    pipeline, _ = trained(family, task)
    every = pipeline.predict(task.inputs)
    np.testing.assert_allclose(pipeline.predict(task.inputs.take(np.array([5]))), every[[5]], atol=1e-5)
    assert pipeline.predict(task.inputs.take(np.array([], np.int64))).shape == (0, *every.shape[1:])


@each_family
def test_a_target_with_a_large_offset_is_learned_as_well(family):
    near = task_of("regression")
    far = Task(near.inputs, near.y + 1e9, near.target, near.schema, near.folds)
    losses = [trained(family, task)[0].best_loss for task in (near, far)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)


@pytest.mark.parametrize("family", ["mlp", "resnet"])
@pytest.mark.filterwarnings("ignore:categories that training did not see")
def test_values_of_any_size_have_finite_predictions(family):
    task = task_of("regression")
    pipeline, _ = trained(family, task)
    outliers = task.schema.encode(pd.DataFrame({"a": [1e308, -1e308, np.inf], "b": [None, 1e30, 0], "c": "new"}))
    assert np.isfinite(pipeline.predict(outliers)).all()


@each_family
def test_the_same_seed_gives_the_same_predictions_and_a_curve_that_does_not_depend_on_others(family):
    task = task_of("binary")
    first = new(family, task)
    other = new(family, task, seed=1)
    for _ in zip(first.train(task, 0), other.train(task, 0), strict=True):
        pass
    np.testing.assert_array_equal(first.best_predictions, trained(family, task)[0].best_predictions)


def test_an_array_of_objects_in_a_checkpoint_is_refused(tmp_path):
    task = task_of("binary")
    pipeline, _ = trained("dummy", task)
    pipeline.save_progress(tmp_path)
    np.save(tmp_path / "best_predictions.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(CorruptModelError, match="best_predictions"):
        new("dummy", task).load_progress(task, 0, tmp_path)


STEPS = [
    {
        "levels": "merge_rare",
        "levels.merge_rare.min_frac": 0.1,
        "encoder": "target",
        "imputer": "mean",
        "features": "polynomial",
    },
    {"scaler": "power", "encoder": "one_hot", "features": "pca", "features.pca.whiten": True, "resampler": "smote"},
    {"scaler": "none", "imputer": "constant", "features": "trees_embedding", "resampler": "random_over"},
]


@pytest.mark.parametrize("steps", STEPS)
@each_target
def test_any_steps_are_saved_and_resumed_with_the_network(steps, kind, tmp_path):
    task = task_of(kind)
    config = CONFIGS["mlp"] | {f"network.mlp.{key}": value for key, value in steps.items()}

    def new(cache=None):
        return make_pipeline(config, CHOICES, task.target, HORIZON, 0, cache)

    straight = new(FoldCache(tmp_path / "cache"))
    losses = [point.rung_loss for point in straight.train(task, 0)]
    straight.save(tmp_path)
    loaded = load_model(tmp_path, CHOICES)
    np.testing.assert_allclose(loaded.predict(validation(task)), straight.best_predictions, atol=1e-6)
    paused = new()
    begun = list(islice(paused.train(task, 0), 3))
    paused.save_progress(tmp_path)
    resumed = new(FoldCache(tmp_path / "cache"))
    resumed.load_progress(task, 0, tmp_path)
    assert [point.rung_loss for point in [*begun, *resumed.train(task, 0)]] == losses
    np.testing.assert_array_equal(resumed.best_predictions, straight.best_predictions)


def test_pipelines_of_one_folder_share_a_fold_whatever_their_seeds_and_networks(tmp_path, monkeypatch):
    task, fits = task_of("binary"), []
    fit = QuantileScaler.fit
    monkeypatch.setattr(QuantileScaler, "fit", lambda self, X, rng: (fits.append(len(X)), fit(self, X, rng))[1])
    for seed, family in enumerate(["mlp", "resnet", "mlp"]):
        config = network(family, "quantile")
        pipeline = make_pipeline(config, CHOICES, task.target, HORIZON, seed, FoldCache(tmp_path))
        next(pipeline.train(task, 0))
    assert len(fits) == 1 == len(list(tmp_path.iterdir()))
    next(pipeline.train(task, 0))  # goes on
    next(make_pipeline(config, CHOICES, task.target, HORIZON, seed, FoldCache(tmp_path)).train(task, 1))
    assert len(fits) == 2


@pytest.mark.parametrize(
    ("y", "bounds"),
    [
        (np.linspace(-1.0, 3.0, 201), [-1.0 - 1.8, 3.0 + 1.8]),  # half of nine tenths of the range on each side
        ([*np.linspace(-1.0, 3.0, 201), 1e6], [-1.0 - 1.8, 1e6 + 1.8]),  # whatever the end of the tail
        ([0.0, 2.0], [0.0, 2.9]),  # counts and prices are not below 0
        ([-2.0, -1.0], [-2.45, -0.55]),
        ([-2.0, 0.0], [-2.9, 0.0]),
        ([7.0, 7.0], [7.0, 7.0]),
    ],
)
def test_predictions_of_a_regression_stay_near_what_was_seen(y, bounds):
    standard = Standard.of(np.array(y))
    np.testing.assert_allclose(standard.value(np.array([-100.0, 100.0])), bounds, atol=0.05)
    np.testing.assert_allclose(standard.standardised(np.array([np.mean(y)])), [0.0], atol=1e-9)


def test_the_logarithm_of_a_target_is_learned_and_taken_back():
    y = np.array([-0.5, 0.0, 3.0, 1e9])
    standard, logarithms = Standard.of(y, error=Error.LOGARITHMIC), np.log1p(y)
    np.testing.assert_allclose(standard.standardised(y), (logarithms - logarithms.mean()) / logarithms.std())
    np.testing.assert_allclose(standard.value(standard.standardised(y)), y, rtol=1e-9, atol=1e-9)
    with np.errstate(all="raise", under="ignore"):
        np.testing.assert_array_equal(standard.value(np.array([1e6])), [standard.highest])
    counts = Standard.of(np.array([0.0, 7.0, 9.0]), error=Error.LOGARITHMIC)
    assert counts.value(np.array([-1e6]))[0] == 0.0


def test_absolute_errors_have_the_scale_of_the_median_and_the_mean_distance_from_it():
    standard = Standard.of(np.array([0.0, 0.0, 0.0, 10.0]), error=Error.ABSOLUTE)
    assert standard.standardised(np.array([0.0, 10.0])).tolist() == [0.0, 4.0]


def test_values_that_grow_are_predicted_to_grow_further():
    """A line that is trained on 0 to 79 is asked for 80 to 99, in the order of time."""
    days, values = pd.DataFrame({"day": np.arange(100.0)}), np.arange(100.0) * 2 + 1
    task = make_task(days, values, TARGETS["regression"], 5, np.random.default_rng(0), validation=TimeOrder())
    pipeline, _ = trained("linear", task)
    predictions = pipeline.predict(validation(task))
    assert (np.diff(predictions) > 0).all()
    np.testing.assert_allclose(predictions, values[80:], rtol=0.05)


def test_a_network_sees_the_training_rows_first_and_is_trained_for_no_more_epochs_than_it_wants():
    seen = []

    class Mine(ShapedMLP):
        name = "mine"
        max_epochs = 4

        def initialise(self, x_num, x_cat):
            seen.append((len(x_num), len(x_cat)))

    task = task_of("binary")
    pipeline = make_pipeline(network("mine", "robust"), Choices(networks=(Mine,)), task.target, HORIZON, 0)
    points = list(pipeline.train(task, 0))
    assert HORIZON.epochs > 4
    assert [point.epoch for point in points] == [1, 2, 3, 4]
    assert points[-1].budget == HORIZON.max_budget
    assert seen == [(len(task.split(0)[0]),) * 2]


@each_target
def test_the_mean_of_k_predictions_is_predicted(kind):
    class Many(ShapedMLP):
        name = "many"

        def forward(self, x_num, x_cat):
            output = super().forward(x_num, x_cat)
            return torch.stack([output, 2 * output, -output], dim=1)

    task = task_of(kind)
    pipeline = make_pipeline(network("many", "robust"), Choices(networks=(Many,)), task.target, HORIZON, 0)
    next(pipeline.train(task, 0))
    outputs = predict(pipeline.network, *pipeline._tensors(validation(task)))
    predictions = pipeline._predictions([pipeline.network], pipeline._tensors(validation(task)))
    if task.target.task_type.is_classification:
        np.testing.assert_allclose(predictions, outputs.softmax(2).mean(1), rtol=1e-6)
    else:
        np.testing.assert_allclose(predictions, pipeline.standard.value(outputs.mean(1)[:, 0].numpy()), rtol=1e-6)


def test_an_option_of_the_full_space_reaches_the_network():
    task = task_of("binary")
    for branches, has_second in (("one", False), ("shake_shake", True)):
        config = CONFIGS["resnet"] | {"network.resnet.branches": branches}
        pipeline = make_pipeline(config, CHOICES, task.target, HORIZON, 0)
        pipeline._start(task, 0)
        assert (pipeline.network.blocks[0].second is not None) is has_second


def test_the_parameters_of_a_network_are_counted_once_it_is_built():
    task = task_of("binary")
    config = CONFIGS["mlp"] | {"network.mlp.n_layers": 2, "network.mlp.max_units": 32}
    pipeline = make_pipeline(config, CHOICES, task.target, HORIZON, 0)
    assert pipeline.n_parameters is None
    pipeline._start(task, 0)
    d_in = 3 + 3  # two numbers and an indicator, three levels
    assert pipeline.n_parameters == (d_in + 1) * 32 + (32 + 1) * 2
    assert new("lightgbm", task).n_parameters is None


def test_a_network_that_is_short_of_time_has_fewer_epochs_also_when_it_goes_on_from_a_checkpoint(tmp_path):
    task, horizon = task_of("binary"), Horizon(27, 54, 1000)

    def build():
        return make_pipeline(CONFIGS["mlp"], CHOICES, task.target, horizon, 0)

    straight = build()
    points = list(straight.train(task, 0, most_seconds=0.0))
    assert [point.epoch for point in points] == list(range(1, 10))  # the least
    assert [point.budget for point in points] == [0, *range(6, 28, 3)]  # the first one counted by the long horizon
    paused = build()
    begun = list(islice(paused.train(task, 0, most_seconds=0.0), 4))
    paused.save_progress(tmp_path)
    resumed = build()
    resumed.load_progress(task, 0, tmp_path)
    assert [p.rung_loss for p in [*begun, *resumed.train(task, 0)]] == [p.rung_loss for p in points]
    n_epochs = [len(list(build().train(task, 0, *most))) for most in ((), (1e9,))]
    assert n_epochs[0] == n_epochs[1] > 9


def test_a_network_whose_horizon_is_in_seconds_plans_its_epochs_for_them():
    task = task_of("binary")

    def losses(seconds):
        pipeline = make_pipeline(CONFIGS["mlp"], CHOICES, task.target, Horizon(27, 54, 1000, seconds=seconds), 0)
        return [point.rung_loss for point in pipeline.train(task, 0)]

    short = make_pipeline(CONFIGS["mlp"], CHOICES, task.target, Horizon(27, 54, 1000), 0)
    assert losses(1e-9) == [point.rung_loss for point in short.train(task, 0, most_seconds=0.0)]
    assert losses(1e9) == losses(None)


@pytest.fixture
def seconds(monkeypatch):
    """A clock that goes on by a second whenever it is read."""
    ticks = iter(range(1, 100_000))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks)))


def test_a_classic_model_whose_seconds_are_over_is_at_its_full_budget_at_once(seconds, tmp_path):
    task = task_of("binary")

    def build(most_s):
        pipeline = make_pipeline(CONFIGS["linear"], CHOICES, task.target, Horizon(27, 27, 1000, 0.25, most_s), 0)
        pipeline.is_told_whole = True
        return pipeline

    pipeline = build(8.5)
    points = list(pipeline.train(task, 0))  # a step takes a second
    assert [point.budget for point in points] == list(range(1, 28))
    assert [point.training_s > 0 for point in points] == [True] * 9 + [False] * 18
    assert {point.rung_loss for point in points[9:]} == {pipeline.best_loss}
    assert [point.training_s > 0 for point in build(27.5).train(task, 0)] == [True] * 27

    paused = build(8.5)
    list(islice(paused.train(task, 0), 4))
    paused.save_progress(tmp_path)
    resumed = build(8.5)
    resumed.load_progress(task, 0, tmp_path)
    assert [point.epoch for point in resumed.train(task, 0)] == [point.epoch for point in points[4:]]


@pytest.mark.parametrize("family", ["catboost", "lightgbm", "random_forest"])
def test_units_that_are_trained_at_once_give_the_points_of_units_one_by_one(family, monkeypatch):
    task, horizon = task_of("binary"), Horizon(27, 27, 1000, iteration_share=0.2)

    def train(seconds):
        monkeypatch.setattr("raytabdl.pipeline.classic.AT_ONCE_SECONDS", seconds)
        pipeline, advance, reached = new(family, task, horizon=horizon), type(new(family, task).model).advance, []

        def counted(model, X, y, n_iterations):
            reached.append(n_iterations)
            advance(model, X, y, n_iterations)

        monkeypatch.setattr(type(pipeline.model), "advance", counted)
        pipeline.is_told_whole = True
        points = [(point.budget, point.epoch, point.rung_loss) for point in pipeline.train(task, 0)]
        monkeypatch.undo()
        return points, reached

    one_by_one, all_steps = train(0.0)
    at_once, steps = train(1e9)
    assert at_once == one_by_one
    assert len(all_steps) == 27
    cls = type(new(family, task).model)
    assert steps == [horizon.iterations(cls, budget) for budget in (1, 3, 9, 27)]  # never beyond a rung


def test_the_best_point_of_a_long_training_lies_between_units_too():
    y = np.random.default_rng(0).integers(0, 2, 120)  # labels without a pattern: the loss soon rises
    task = task_of("binary", y=y)
    long, usual = (new("catboost", task, horizon=Horizon(27, 27, 1000, share)) for share in (8.0, 2.0))
    usual.is_told_whole = True
    by_rounds = {point.epoch: point.rung_loss for point in islice(usual.train(task, 0), 4)}
    best = min(by_rounds, key=by_rounds.__getitem__)
    assert next(long.train(task, 0)).epoch == max(by_rounds) == 160 > best
    assert (long.best_iterations, long.best_loss) == (best, by_rounds[best])


@pytest.mark.parametrize("family", ["mlp", "catboost"])
def test_what_is_far_beyond_its_best_point_is_trained_no_more_and_goes_on_so_from_a_checkpoint(family, tmp_path):
    y = np.random.default_rng(5).integers(0, 2, 120)  # labels without a pattern: the loss soon rises
    task, horizon = task_of("binary", y=y), Horizon(27, 54, 1000, iteration_share=3.0)

    def build():
        return make_pipeline(CONFIGS[family], CHOICES, task.target, horizon, 0)

    pipeline = build()
    points = list(pipeline.train(task, 0))
    done = [point for point in points if point.training_s > 0]
    best = min(done, key=lambda point: point.rung_loss)
    full = 54 if family == "mlp" else horizon.iterations(CatBoost, 27)
    at_best, far = (best.epoch, 3) if family == "mlp" else (pipeline.best_iterations, 2)
    assert far * at_best + full / 27 < done[-1].epoch <= far * at_best + 2 * full / 27
    assert [point.budget for point in points[len(done) :]] == list(range(done[-1].budget + 1, 28))
    assert {point.rung_loss for point in points[len(done) :]} == {pipeline.best_loss}
    assert [point.rung_loss for point in done][-1] > best.rung_loss

    paused = build()
    list(islice(paused.train(task, 0), len(done)))
    paused.save_progress(tmp_path)
    resumed = build()
    resumed.load_progress(task, 0, tmp_path)
    assert {point.training_s for point in resumed.train(task, 0)} == {0.0}


def test_a_training_out_of_patience_reaches_its_further_budgets_at_once_with_its_best_weights(tmp_path):
    y = np.random.default_rng(5).integers(0, 2, 120)  # labels without a pattern: the loss soon rises
    task, horizon = task_of("binary", y=y), Horizon(27, 54, 1000)
    config = CONFIGS["patience"] | {"network.mlp.stopping.patience.n_epochs": 5}

    def build():
        return make_pipeline(config, CHOICES, task.target, horizon, 0)

    pipeline = build()
    points = list(pipeline.train(task, 0))
    trained_ = [point for point in points if point.training_s > 0]
    best = min(trained_, key=lambda point: point.rung_loss)
    assert trained_[-1].epoch == best.epoch + 5 < 54
    assert [point.budget for point in points[len(trained_) :]] == list(range(trained_[-1].budget + 1, 28))
    assert {point.rung_loss for point in points[len(trained_) :]} == {best.rung_loss} == {pipeline.best_loss}

    paused = build()
    list(islice(paused.train(task, 0), len(trained_)))
    paused.save_progress(tmp_path)
    resumed = build()
    resumed.load_progress(task, 0, tmp_path)
    assert [point.training_s for point in resumed.train(task, 0)] == [0.0] * (len(points) - len(trained_))
