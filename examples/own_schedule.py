"""A schedule of one's own, with a hyperparameter that is searched."""

from raytabdl import TabularRegressor, datasets
from raytabdl.component import Real
from raytabdl.networks import ShapedMLP
from raytabdl.space import Choices
from raytabdl.testing import check_schedule
from raytabdl.training import CosineCycles, Schedule


class WarmUp(Schedule):
    """Rises in a line over a share of the training, and falls in a line over the rest."""

    name = "warm_up"
    space = {"share": Real(0.02, 0.5, 0.1)}

    def __init__(self, *, share=0.1):
        self.share = share

    def factor(self, progress):
        return min(progress / self.share, (1 - progress) / (1 - self.share))


if __name__ == "__main__":
    check_schedule(WarmUp)
    X, y = datasets.load("airfoil_self_noise")
    choices = Choices(networks=(ShapedMLP,), classic=(), schedules=(WarmUp, CosineCycles))
    # The same from a file: choices.updated_from("updates.yaml"), with the line `network.mlp.n_layers: {low: 3}`.
    choices = choices.updated({"network.mlp.n_layers": {"low": 3}, "network.mlp.optimizer": "adamw"})
    regressor = TabularRegressor(None, n_trials=3, choices=choices).fit(X, y)
    print(regressor.leaderboard().to_string())
