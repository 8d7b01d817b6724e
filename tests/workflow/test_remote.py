"""What is built here is there after a pull: of the remote that is not a folder, a real S3 server on this machine."""

import pytest

pytest.importorskip("dvc_s3", reason="pip install dvc-s3: DVC cannot speak to S3 without it")
server = pytest.importorskip(
    "moto.server", reason="pip install 'moto[s3]' flask flask-cors: no S3 server to speak to"
)


@pytest.fixture
def bucket(monkeypatch):
    """An empty bucket of a server on a free port of loopback; its settings as DVC takes them."""
    import boto3

    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="store")
    yield address
    running.stop()


def test_a_clone_pulls_from_s3_and_trains_nothing(copy, clone, bucket):
    """Neither tool; reports are drawn again, byte by byte, after which neither has anything to do."""
    for tree in (copy, clone):
        tree.dvc("remote", "add", "--default", "--force", "store", "s3://store/pcl")
        tree.dvc("remote", "modify", "store", "endpointurl", bucket)
    copy.dvc("push")
    clone.dvc("pull")
    shared = [path.relative_to(copy.path) for path in (copy / "results").rglob("*.safetensors")]
    assert shared and all((clone / path).read_bytes() == (copy / path).read_bytes() for path in shared)
    assert not clone.snakemake().training
    assert not clone.dvc("repro").training
    for tool in ("snakemake", "dvc repro"):
        assert not clone.run(*tool.split()).jobs, tool
    drawn = [path.relative_to(copy.path) for path in (copy / "reports").rglob("*") if path.is_file()]
    assert len(drawn) > 20 and all((clone / path).read_bytes() == (copy / path).read_bytes() for path in drawn)
