"""A saved model as a deployment of Ray Serve."""

from __future__ import annotations

import asyncio
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from raytabdl.inputs import Array
from raytabdl.predictor import load_predictor
from raytabdl.presets import preset
from raytabdl.run_folder import RunFolder
from raytabdl.serving.rows import BadRequestError, answer, description, read_rows
from raytabdl.space import Choices

MAX_BODY_BYTES = 16 * 1024 * 1024
"""A larger request is refused: one is held in memory as a whole."""

MAX_BATCH = 64
"""Requests that are predicted together, at most."""

_WAIT_S = 0.002
"""How long a request waits for others. Prediction of one row takes several times as long."""


class Model:
    """Answers ``POST /`` with predictions, and ``GET /`` with what the model is.

    Requests that come at once are predicted together. A row does not change what another is predicted.
    """

    def __init__(self, path: str, choices: Choices | None = None) -> None:
        self.predictor = load_predictor(RunFolder(Path(path)), choices or preset("full"))

    def check_health(self) -> None:
        """Raises where the model cannot predict a row without any value: Ray Serve then replaces the replica."""
        names = [name for name in self.predictor.schema.names if name not in self.predictor.schema.dropped]
        predictions = self._predict(pd.DataFrame({name: pd.Series([None], dtype=object) for name in names}))
        if not np.isfinite(predictions).all():
            raise RuntimeError(f"the model predicts {predictions} of a row without values")

    async def __call__(self, request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse(description(self.predictor))
        try:
            _check(request)
            table = read_rows(await _body(request), self.predictor.schema)
        except BadRequestError as error:
            return JSONResponse(error.content(), status_code=error.status)
        predictions: Array = await self.predict(table)
        return JSONResponse(answer(self.predictor, predictions))

    @serve.batch(max_batch_size=MAX_BATCH, batch_wait_timeout_s=_WAIT_S)
    async def predict(self, tables: list[pd.DataFrame]) -> list[Array]:
        """The predictions of each table, in a thread, so that the replica stays responsive."""
        predictions = await asyncio.to_thread(self._predict, pd.concat(tables, ignore_index=True))
        ends = np.cumsum([len(table) for table in tables])
        return [np.asarray(part, np.float64) for part in np.split(predictions, ends[:-1])]

    def _predict(self, table: pd.DataFrame) -> Array:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of categories that are new: no one reads a server's warnings row by row
            return self.predictor.predict(table)


def application(path: str | Path, choices: Choices | None = None) -> Any:
    """The model in a folder, to be run by ``ray.serve``; each node that runs a replica must see the folder."""
    deployment = serve.deployment(max_ongoing_requests=2 * MAX_BATCH)(Model)
    return deployment.bind(str(Path(path).absolute()), choices)


def _check(request: Request) -> None:
    """Raises BadRequestError for what is no JSON by its own word.

    A page of another site can make a browser post plain text to a server on loopback, but not JSON.
    """
    if request.method != "POST":
        raise BadRequestError(405, f"the method must be GET or POST, got {request.method}")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise BadRequestError(415, "the content type must be application/json")


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY_BYTES:
            raise BadRequestError(413, f"a request must not be longer than {MAX_BODY_BYTES} bytes; send fewer rows")
    return bytes(body)
