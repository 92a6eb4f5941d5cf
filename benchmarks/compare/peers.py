"""Builds the peers' virtual environments, each apart; one that cannot be built is left out and named.

``python -m benchmarks.compare.peers [NAME ...]``. All together take about 19 GB.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from benchmarks.compare.systems import ENVIRONMENTS, Environment


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([environment.name for environment in ENVIRONMENTS]))
def main(names: tuple[str, ...]) -> None:
    failed = [e.name for e in ENVIRONMENTS if e.name in (names or {e.name}) and not _build(e)]
    if failed:
        raise click.ClickException(f"not built: {', '.join(failed)}; the others can be compared without them")


def _build(environment: Environment) -> bool:
    """Whether the environment is there; a build that was broken off is done again."""
    folder = environment.interpreter.parent.parent
    log = folder.parent / f"{environment.name}.log"
    if (folder / "complete").exists():
        return True
    python = _find_python(environment.python)
    if python is None:
        click.echo(f"{environment.name}: needs Python {environment.python}, which is not on the PATH or in pyenv")
        return False
    click.echo(f"{environment.name}: {log}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    pip = [str(environment.interpreter), "-m", "pip"]
    steps = [[str(python), "-m", "venv", str(folder)]]
    steps += [[*pip, "install", "--prefer-binary", *arguments.split()] for arguments in environment.installs]
    steps += [[*pip, "install", "--prefer-binary", "pyarrow"]]
    steps += [[*pip, "uninstall", "-y", name] for name in environment.removed]
    # Not compiled ahead, some of them take up to a minute to import, again and again where no byte code may be written.
    steps += [[str(environment.interpreter), "-m", "compileall", "-q", str(folder / "lib")]]
    with log.open("w") as out:
        for step in steps:
            print("$", *step, file=out, flush=True)
            done = subprocess.run(step, stdout=out, stderr=subprocess.STDOUT, env=_environment(), check=False)
            if done.returncode and "compileall" not in step:
                click.echo(f"{environment.name}: {' '.join(step)} failed{_hint(environment)}")
                return False
    (folder / "complete").touch()
    return True


def _find_python(version: str) -> Path | None:
    """The newest interpreter of a version: on the PATH, or in pyenv's folder."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(pyenv.glob(f"{version}.*/bin/python"))
    if found:
        return found[-1]
    on_path = shutil.which(f"python{version}")
    return None if on_path is None else Path(on_path)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _hint(environment: Environment) -> str:
    return f"; on Debian and Ubuntu it needs: apt install {' '.join(environment.debian)}" if environment.debian else ""


if __name__ == "__main__":
    sys.exit(main())
