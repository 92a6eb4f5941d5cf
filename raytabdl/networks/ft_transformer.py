"""FT-Transformer (Gorishniy et al., 2021, "Revisiting Deep Learning Models for Tabular Data")."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from raytabdl.component import Choice, Factors, Integer, Network, Real, Space
from raytabdl.networks.dropout import Dropout
from raytabdl.networks.embeddings import CategoryEmbedding, check_inputs
from raytabdl.networks.piecewise import LinearEmbedding

N_HEADS = 8


class FTTransformer(Network, nn.Module):
    """A token for each column and one for the row, blocks of attention and ReGLU, and a head on the row's token.

    A block normalises what its branches read (pre-norm), but for the attention of the first.
    """

    name: ClassVar[str] = "ft_transformer"
    space: ClassVar[Space] = {
        "n_blocks": Integer(1, 4, default=2),
        "d_token": Choice((16, 32, 64, 128, 192), default=64),
        "ffn_factor": Real(2 / 3, 8 / 3, default=4 / 3),
        "attention_dropout": Real(0.0, 0.5, default=0.15),
        "ffn_dropout": Real(0.0, 0.5, default=0.05),
    }
    training_space: ClassVar[Space] = {
        "scaler": Choice(("quantile", "robust"), default="quantile"),
        "optimizer": Choice(("adamw",), default="adamw"),
        "optimizer.adamw.lr": Real(1e-5, 1e-3, default=3e-4, log=True),
        "optimizer.adamw.weight_decay": Real(1e-6, 1e-3, default=1e-5, log=True),
        "optimizer.adamw.beta2": Choice((0.999, 0.99), default=0.999),
        "batch_size": Integer(32, 512, default=128, log=True),
    }
    max_epochs: ClassVar[int] = 54
    relative_cost: ClassVar[float] = 17.0

    def __init__(
        self,
        d_num: int,
        cardinalities: Sequence[int],
        d_out: int,
        *,
        n_blocks: int = 2,
        d_token: int = 64,
        ffn_factor: float = 4 / 3,
        attention_dropout: float = 0.15,
        ffn_dropout: float = 0.05,
    ) -> None:
        super().__init__()
        if d_token % N_HEADS or n_blocks < 1:
            raise ValueError(f"d_token must be a multiple of {N_HEADS}, with a block, got {d_token=}, {n_blocks=}")
        self.categories = CategoryEmbedding(cardinalities, max_one_hot=0, d_embedding=d_token)
        d_cat = self.categories.d_out // d_token
        check_inputs(d_num + d_cat, d_num, cardinalities)
        bound = 1 / math.sqrt(d_token)
        self.row = nn.Parameter(torch.empty(d_token).uniform_(-bound, bound))
        self.numbers = LinearEmbedding(d_num, d_token) if d_num else None
        self.category_bias = nn.Parameter(torch.empty(d_cat, d_token).uniform_(-bound, bound)) if d_cat else None
        self.blocks = nn.ModuleList(
            _Block(d_token, int(d_token * ffn_factor), attention_dropout, ffn_dropout, is_first=i == 0)
            for i in range(n_blocks)
        )
        self.last = nn.Sequential(nn.LayerNorm(d_token), nn.ReLU())
        self.output = nn.Linear(d_token, d_out)

    def forward(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """Maps (batch, d_num) and (batch, d_cat) to (batch, d_out)."""
        x = self._tokens(x_num, x_cat)
        for block in self.blocks[:-1]:
            x = block(x, x)
        row = self.blocks[-1](x[:, :1], x)  # nothing else of the last block is read
        output: Tensor = self.output(self.last(row.squeeze(1)))
        return output

    def factors(self) -> Mapping[str, Factors]:
        """Tokens do not decay, nor do vectors."""
        tokens = ("row", "numbers.", "categories.", "category_bias")
        return {name: Factors(weight_decay=0.0) for name, _ in self.named_parameters() if name.startswith(tokens)}

    def _tokens(self, x_num: Tensor, x_cat: Tensor) -> Tensor:
        """The tokens of the row, of the numbers and of the categories, (batch, n_tokens, d_token)."""
        tokens = [self.row.expand(x_num.shape[0], 1, -1)]
        if self.numbers is not None:
            tokens.append(self.numbers(x_num))
        if self.category_bias is not None:
            codes = torch.cat(self.categories(x_cat), dim=1)
            tokens.append(codes.view(codes.shape[0], *self.category_bias.shape) + self.category_bias)
        return torch.cat(tokens, dim=1)


class _Block(nn.Module):
    """x + attention(norm(x)), then x + W (a * relu(b)) of the halves a and b of V norm(x): ReGLU (Shazeer, 2020)."""

    def __init__(self, d: int, d_hidden: int, attention_dropout: float, ffn_dropout: float, is_first: bool) -> None:
        super().__init__()
        self.attention_norm = None if is_first else nn.LayerNorm(d)
        self.query = _without_bias_at_first(nn.Linear(d, d))
        self.key_value = _without_bias_at_first(nn.Linear(d, 2 * d))
        self.mix = _without_bias_at_first(nn.Linear(d, d))
        self.ffn_norm = nn.LayerNorm(d)
        self.wide = nn.Linear(d, 2 * d_hidden)
        self.dropout = Dropout(ffn_dropout)
        self.narrow = nn.Linear(d_hidden, d)
        self._attention_dropout = attention_dropout

    def forward(self, x: Tensor, all_tokens: Tensor) -> Tensor:
        """Maps tokens (batch, n, d) that look at all tokens (batch, n_all, d) to (batch, n, d)."""
        x = x + self._attention(x, all_tokens)
        a, b = self.wide(self.ffn_norm(x)).chunk(2, dim=-1)
        branch: Tensor = self.narrow(self.dropout(a * b.relu()))
        return x + branch

    def _attention(self, x: Tensor, all_tokens: Tensor) -> Tensor:
        if self.attention_norm is not None:
            x, all_tokens = self.attention_norm(x), self.attention_norm(all_tokens)
        keys, values = self.key_value(all_tokens).chunk(2, dim=-1)
        rate = self._attention_dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(_heads(self.query(x)), _heads(keys), _heads(values), dropout_p=rate)
        output: Tensor = self.mix(mixed.transpose(1, 2).flatten(2))
        return output


def _heads(x: Tensor) -> Tensor:
    return x.view(*x.shape[:2], N_HEADS, x.shape[2] // N_HEADS).transpose(
        1, 2
    )  # (batch, n, d) -> (batch, heads, n, d / heads)


def _without_bias_at_first(linear: nn.Linear) -> nn.Linear:
    nn.init.zeros_(linear.bias)
    return linear
