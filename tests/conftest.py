"""What all tests share: the profile of hypothesis and one local Ray for the session."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Ray reads these when it is first imported, which a test module may do before it asks for the cluster.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

# Two busy cores make the time of one example say nothing, so there is no deadline for each.
settings.register_profile("raytabdl", deadline=None, max_examples=50)
settings.load_profile("raytabdl")


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """A local Ray with 4 logical CPUs, whatever the machine has; `raytabdl` joins it, as it joins any running Ray."""
    import ray

    ray.init(address="local", num_cpus=4, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()
