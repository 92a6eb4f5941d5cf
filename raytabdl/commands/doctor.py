"""`raytabdl doctor`: what Ray would see here, and what would stop a fit."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from raytabdl.commands.console import show_table

if TYPE_CHECKING:
    from raytabdl.runtime.doctor import Machine


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="The same, for programs.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Show what Ray would see on this machine, and what is wrong with it.

    Looks at CPUs, memory, shared memory, disk, GPUs, the cluster that a fit would join, its token and its open ports,
    and the versions of the packages. Ends with 1 where something would stop a fit. Starts and changes nothing.
    """
    import pandas as pd

    from raytabdl.runtime.doctor import examine, problems

    machine = examine()
    found = problems(machine)
    if as_json:
        click.echo(json.dumps({**asdict(machine), "problems": [asdict(each) for each in found]}, indent=1))
    else:
        show_table("What Ray sees", pd.DataFrame(_rows(machine), columns=["what", "value"]))
        show_table("Packages", pd.DataFrame(list(machine.versions.items()), columns=["package", "version"]))
        for each in found:
            click.echo(f"{'stops a fit' if each.stops_a_fit else 'note'}: {each.what}; {each.mend}")
        if not found:
            click.echo("No problem was found.")
    ctx.exit(int(any(each.stops_a_fit for each in found)))


def _rows(machine: Machine) -> list[tuple[str, str]]:
    from raytabdl.runtime.doctor import gib

    shared = "none" if machine.shared_memory is None else gib(machine.shared_memory)
    cluster = "none: a fit starts its own" if machine.cluster is None else machine.cluster
    token = "none yet: Ray makes one" if machine.token is None else f"{machine.token}, mode {machine.token_mode}"
    ports = [
        f"{listener.address}:{listener.port} ({listener.process}{'' if listener.is_protected else ', no token'})"
        for listener in machine.listeners
    ]
    return [
        ("CPUs", f"{machine.cpus} of {machine.host_cpus}"),
        ("memory", f"{gib(machine.memory)} of {gib(machine.host_memory)}, {gib(machine.available_memory)} left"),
        ("shared memory", shared),
        ("disk", f"{gib(machine.disk)} left in {machine.temporary_folder}, {machine.disk_used:.0%} used"),
        ("GPUs", str(machine.gpus)),
        ("cluster", cluster),
        ("token", token),
        *(("listening", port) for port in ports or ["nothing of Ray"]),
    ]
