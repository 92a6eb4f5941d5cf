"""A hook of mkdocs: the pictures of the comparison's report stand beside the page that takes the report in."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

REPORT = Path(__file__).parents[1] / "benchmarks" / "results" / "compare"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for picture in sorted(REPORT.glob("*.png")):
        files.append(File.generated(config, picture.name, abs_src_path=str(picture)))
    return files
