"""A network of one's own, searched beside the package's: a class, whose ``space`` names keywords of its constructor."""

from torch import nn
from torch.nn import functional as F

from raytabdl import TabularClassifier, datasets
from raytabdl.component import Integer, Network
from raytabdl.networks import ShapedMLP
from raytabdl.networks.embeddings import ColumnEmbedding
from raytabdl.space import Choices
from raytabdl.testing import check_network


class GatedNetwork(Network, nn.Module):
    """One hidden layer, half of which gates the other half."""

    name = "gated"
    space = {"d": Integer(32, 256, 128, log=True)}

    def __init__(self, d_num, cardinalities, d_out, *, d=128):
        super().__init__()
        self.embedding = ColumnEmbedding(d_num, cardinalities)
        self.hidden = nn.Linear(self.embedding.d_out, 2 * d)
        self.output = nn.Linear(d, d_out)

    def forward(self, x_num, x_cat):
        return self.output(F.glu(self.hidden(self.embedding(x_num, x_cat))))


if __name__ == "__main__":
    check_network(GatedNetwork)
    X, y = datasets.load("car")
    choices = Choices(networks=(GatedNetwork, ShapedMLP), classic=())
    clf = TabularClassifier(None, n_trials=3, choices=choices).fit(X, y)
    print(clf.leaderboard().to_string())
    clf.save("own-network-model")
    print(TabularClassifier.load("own-network-model", choices=choices).predict(X)[:5])
