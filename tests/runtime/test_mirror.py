"""Runs that are copied to a store: a folder of the file system stands in for it, and once moto's S3."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from raytabdl import TabularClassifier
from raytabdl.exceptions import RunFolderError
from raytabdl.runtime import mirror as mirrors
from raytabdl.runtime.mirror import Mirror, is_uri
from raytabdl.space import Choices

Table = tuple[pd.DataFrame, pd.Series]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with what a run may hold."""
    folder = tmp_path / "here"
    for name in (
        "predictions/0000@1.npy",
        "models/0000@1/network.json",
        "checkpoints/0000/training",
        "tune/x",
        "cache/y",
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "run.json").write_text("{}")
    (folder / "trials.jsonl").write_text("one\n")
    (folder / ".trials-abc").write_text("half a file")
    return folder


def files(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def expected(folder: Path) -> dict[str, str]:
    """What comes back: neither Tune's files and caches nor what is being written."""
    return {n: text for n, text in files(folder).items() if n.split("/")[0] not in ("tune", "cache", ".trials-abc")}


@pytest.fixture
def uri(tmp_path: Path) -> str:
    return f"file://{tmp_path / 'store' / 'run'}"


def test_what_was_sent_comes_back_elsewhere(run: Path, uri: str, tmp_path: Path) -> None:
    Mirror(run, uri).push()
    Mirror(tmp_path / "there", uri).pull()
    assert files(tmp_path / "there") == expected(run)


def test_only_what_is_new_is_sent_again(run: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror, sent = Mirror(run, uri), []
    put = mirror._put
    monkeypatch.setattr(mirror, "_put", lambda name, content: (sent.append(name), put(name, content)))
    mirror.push()
    assert sent[-1] == "trials.jsonl"  # after the files that it names
    assert sent[-2] == "predictions/0000@1.npy"  # after its model
    sent.clear()
    mirror.push()
    assert sent == []
    with (run / "trials.jsonl").open("a") as file:
        file.write("two\n")
    (run / "checkpoints" / "new").mkdir()
    (run / "checkpoints" / "new" / "training").write_text("later")
    shutil.rmtree(run / "checkpoints" / "0000")
    (run / "checkpoints" / "new").rename(run / "checkpoints" / "0000")
    mirror.push()
    assert sent == ["checkpoints/0000.tar", "trials.jsonl"]


def test_a_model_that_the_run_has_deleted_is_deleted_in_the_store(run: Path, uri: str, tmp_path: Path) -> None:
    from raytabdl.run_folder import RunFolder

    mirror, store = Mirror(run, uri), tmp_path / "store" / "run"
    (run / "predictions" / "0001.2@3.npy").write_text("kept")
    (run / "models" / "0001.2@3").mkdir()
    (run / "models" / "0001.2@3" / "network.json").write_text("kept")
    mirror.push()
    RunFolder(run).delete("0000@1")
    mirror.push()
    assert files(store).keys() >= {"predictions/0001.2@3.npy", "models/0001.2@3/network.json", "checkpoints/0000.tar"}
    assert not {name for name in files(store) if "0000@1" in name}
    (run / "models" / "0000@1").mkdir()  # by a trial that goes on from its last checkpoint
    for name in ("models/0000@1/network.json", "predictions/0000@1.npy"):
        (run / name).write_text("anew")
    mirror.push()
    assert [files(store)[name] for name in ("models/0000@1/network.json", "predictions/0000@1.npy")] == ["anew"] * 2


def test_what_lacks_in_the_folder_without_the_run_having_deleted_it_stays_in_the_store(
    run: Path, uri: str, tmp_path: Path
) -> None:
    """As while somebody deletes the folder, whose files go in any order."""
    mirror, store = Mirror(run, uri), tmp_path / "store" / "run"
    mirror.push()
    kept = files(store)
    shutil.rmtree(run / "predictions")
    shutil.rmtree(run / "models")
    mirror.push()
    assert files(store) == kept


def test_what_was_brought_in_part_takes_nothing_from_the_store(
    run: Path, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, store = Mirror(run, uri), tmp_path / "store" / "run"
    mirror.push()
    kept = files(store)
    there = Mirror(tmp_path / "there", uri)

    def write(path: Path, content: bytes) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as full, pytest.raises(OSError, match="the disk is full"):
        full.setattr(mirrors, "write_bytes", write)
        there.pull()
    there.push()
    assert files(store).keys() == kept.keys()


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_not_sent(run: Path, uri: str) -> None:
    mirror = Mirror(run, uri)
    ((name, stamp),) = [file for file in mirror._files() if file[0].startswith("checkpoints/")]
    assert mirror._content(name, stamp) is not None
    (run / "checkpoints" / "new").mkdir()
    shutil.rmtree(run / "checkpoints" / "0000")
    (run / "checkpoints" / "new").rename(run / "checkpoints" / "0000")
    assert mirror._content(name, stamp) is None


def test_a_run_with_a_broken_checkpoint_comes_back_without_it(run: Path, uri: str, tmp_path: Path) -> None:
    Mirror(run, uri).push()
    packed = tmp_path / "store" / "run" / "checkpoints" / "0000.tar"
    packed.write_bytes(packed.read_bytes()[:700])
    with pytest.warns(UserWarning, match=r"checkpoints/0000.tar is no whole checkpoint, its trial begins anew"):
        Mirror(tmp_path / "there", uri).pull()
    shutil.rmtree(run / "checkpoints" / "0000")
    assert files(tmp_path / "there") == expected(run)


def test_members_come_back_in_the_order_of_their_age(uri: str, tmp_path: Path) -> None:
    from raytabdl.run_folder import RunFolder

    names = ["0002@1", "0000@1", "0001@1"]
    store = tmp_path / "store" / "run"
    for name in ["run.json", *(f"predictions/{name}.npy" for name in names)]:
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_text("{}")
    Mirror(tmp_path / "there", uri).pull()
    assert RunFolder(tmp_path / "there").members() == names


def test_a_store_that_holds_a_run_is_not_written_over_and_one_without_a_run_not_read(run: Path, uri: str) -> None:
    with pytest.raises(RunFolderError, match="holds no run"):
        Mirror(run, uri).pull()
    Mirror(run, uri).check_free()
    Mirror(run, uri).push()
    with pytest.raises(RunFolderError, match="holds a run"):
        Mirror(run, uri).check_free()


def test_a_store_that_cannot_be_reached_later_on_is_a_warning(
    run: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = Mirror(run, uri)

    def fail(name: str, content: bytes) -> None:
        raise OSError("the credentials have expired")

    monkeypatch.setattr(mirrors, "PUSH_SECONDS", 0.01)
    monkeypatch.setattr(mirror, "_put", fail)
    with pytest.warns(UserWarning, match=f"which is whole in {run}: the credentials have expired"), mirror:
        pass


def test_an_address_is_told_from_a_path() -> None:
    assert is_uri("s3://bucket/run?region=eu-central-1")
    assert not is_uri("/shared/runs/first")
    assert not is_uri(Path("s3://bucket"))
    with pytest.raises(RunFolderError, match="nowhere://x must be the address of a folder"):
        Mirror(Path(), "nowhere://x")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an S3 on loopback."""
    moto = pytest.importorskip("moto.server", reason="needs moto[server]")
    from pyarrow.fs import S3FileSystem

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    S3FileSystem(endpoint_override=f"127.0.0.1:{port}", scheme="http", allow_bucket_creation=True).create_dir("runs")
    yield f"s3://runs/first?endpoint_override=127.0.0.1%3A{port}&scheme=http"
    server.stop()


def test_a_run_in_s3_is_gone_on_with_on_a_machine_that_has_nothing_of_it(
    bucket: str, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = TabularClassifier(time_limit=4, run_folder=bucket).fit(*table)
    with pytest.raises(RunFolderError, match="holds a run"):
        TabularClassifier(time_limit=4, run_folder=bucket).fit(*table)
    shutil.rmtree(tmp_path / "raytabdl_runs")
    loaded = TabularClassifier.resume(bucket)
    assert (loaded.predict_proba(table[0]) == first.predict_proba(table[0])).all()
    assert set(loaded.predictor_.ensemble.weights) == set(first.predictor_.ensemble.weights)
    assert not loaded.leaderboard().empty


@pytest.mark.ray
def test_a_run_whose_head_was_lost_is_gone_on_with_from_the_store(
    ray_cluster: None, uri: str, table: Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its store is cut back to what it held in the middle of the second trial."""
    monkeypatch.chdir(tmp_path)
    options = {"time_limit": None, "n_workers": 1, "choices": Choices().only(["random_forest"])}
    TabularClassifier(n_trials=2, run_folder=uri, **options).fit(*table)
    shutil.rmtree(tmp_path / "raytabdl_runs")
    store = tmp_path / "store" / "run"
    for name in ("ensemble.json", "manifest.json"):
        (store / name).unlink()
    lines = (store / "trials.jsonl").read_text().splitlines(keepends=True)
    n_kept = 1 + next(i for i, line in enumerate(lines) if '"trial", "id": "0001"' in line)
    (store / "trials.jsonl").write_text("".join(lines[:n_kept]))

    resumed = TabularClassifier.resume(uri, choices=options["choices"])
    after = (store / "trials.jsonl").read_text().splitlines(keepends=True)
    assert after[:n_kept] == lines[:n_kept]
    assert any('"completed"' in line or '"stopped"' in line for line in after[n_kept:] if '"0001"' in line)
    assert not any('"0000"' in line and '"result"' in line for line in after[n_kept:])
    assert {"ensemble.json", "manifest.json"} <= {path.name for path in store.iterdir()}
    assert resumed.score(*table) > 0.8
