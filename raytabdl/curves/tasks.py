"""The data sets of LCBench by their OpenML tasks, and its search space."""

from __future__ import annotations

from raytabdl.component import Dimension, Integer, Real
from raytabdl.configspace import Hyperparameter

TASKS = {
    "KDDCup09_appetency": 3945,
    "covertype": 7593,
    "Amazon_employee_access": 34539,
    "adult": 126025,
    "nomao": 126026,
    "bank-marketing": 126029,
    "shuttle": 146212,
    "numerai28.6": 167083,
    "Australian": 167104,
    "kr-vs-kp": 167149,
    "mfeat-factors": 167152,
    "credit-g": 167161,
    "vehicle": 167168,
    "kc1": 167181,
    "blood-transfusion-service-center": 167184,
    "cnae-9": 167185,
    "phoneme": 167190,
    "higgs": 167200,
    "connect-4": 167201,
    "helena": 168329,
    "jannis": 168330,
    "volkert": 168331,
    "MiniBooNE": 168335,
    "APSFailure": 168868,
    "christine": 168908,
    "fabert": 168910,
    "airlines": 189354,
    "jasmine": 189862,
    "sylvine": 189865,
    "albert": 189866,
    "dionis": 189873,
    "car": 189905,
    "segment": 189906,
    "Fashion-MNIST": 189908,
    "jungle_chess_2pcs_raw_endgame_complete": 189909,
}

_SPACE: dict[str, Dimension] = {
    "batch_size": Integer(16, 512, 91, log=True),
    "learning_rate": Real(1e-4, 1e-1, 3e-3, log=True),
    "momentum": Real(0.1, 0.99, 0.545),
    "weight_decay": Real(1e-5, 1e-1, 0.05),
    "num_layers": Integer(1, 5, 3),
    "max_units": Integer(64, 1024, 256, log=True),
    "max_dropout": Real(0.0, 1.0, 0.5),
}

SPACE = {name: Hyperparameter(name, dimension) for name, dimension in _SPACE.items()}
"""The seven hyperparameters that vary, by LCBench's names: ``configspace.build`` makes a space of them."""
