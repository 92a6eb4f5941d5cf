"""Learning curves of many configurations on many data sets, in the words and the file format of LCBench.

Zimmer, Lindauer and Hutter (2021), "Auto-PyTorch Tabular: Multi-fidelity metalearning for efficient and robust AutoDL".
"""

from raytabdl.curves.benchmark import Benchmark, LearningCurve
from raytabdl.curves.folder import CurveFolder
from raytabdl.curves.lcbench import LCBench
from raytabdl.curves.surrogate import Surrogate
from raytabdl.curves.writing import write_lcbench

__all__ = ["Benchmark", "CurveFolder", "LCBench", "LearningCurve", "Surrogate", "write_lcbench"]
