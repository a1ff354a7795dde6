"""What kubectl makes of deploy/kubernetes and of the guide's examples. `make kubectl` fetches one where there is none."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

Document = dict[str, Any]
ROOT = Path(__file__).parents[3]
KUBECTL = shutil.which("kubectl") or shutil.which("kubectl", path=Path(sys.executable).parent)
GUIDE = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "kubernetes.md").read_text(), re.S)
WAZUH = """\
apiVersion: apps/v1
kind: StatefulSet
metadata: {{ name: wazuh-manager-{node}, namespace: wazuh }}
spec:
  serviceName: wazuh-cluster
  selector: {{ matchLabels: {{ app: wazuh-manager, node-type: {node} }} }}
  template:
    metadata: {{ labels: {{ app: wazuh-manager, node-type: {node} }} }}
    spec:
      securityContext: {{ fsGroup: 101 }}
      volumes: [{{ name: config, configMap: {{ name: wazuh-conf }} }}]
      containers:
        - name: wazuh-manager
          image: wazuh/wazuh-manager:4.14.7
          volumeMounts:
            - {{ name: wazuh-manager-{node}, mountPath: /var/ossec/queue, subPath: wazuh/var/ossec/queue }}
  volumeClaimTemplates:
    - metadata: {{ name: wazuh-manager-{node} }}
      spec: {{ accessModes: [ReadWriteOnce], resources: {{ requests: {{ storage: 500Mi }} }} }}
"""

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl: `make kubectl` fetches one")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory as the guide has it: a checkout of ours, one of wazuh-kubernetes, as far as it matters."""
    shutil.copytree(ROOT / "deploy", tmp_path / "cwpipe" / "deploy")
    wazuh = tmp_path / "wazuh-kubernetes" / "envs" / "eks"
    wazuh.mkdir(parents=True)
    (wazuh / "kustomization.yml").write_text("resources: [master.yaml, worker.yaml]\n")
    for node in ("master", "worker"):
        (wazuh / f"{node}.yaml").write_text(WAZUH.format(node=node))
    return tmp_path


def kustomize(directory: Path) -> dict[tuple[str, str], Document]:
    """Return what kubectl would apply, by kind and name; fail on a document that is not valid."""
    assert KUBECTL
    done = subprocess.run([KUBECTL, "kustomize", str(directory)], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    found = [document for document in yaml.safe_load_all(done.stdout) if document]
    for document in found:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    return {(document["kind"], document["metadata"]["name"]): document for document in found}


def pod(document: Document) -> Document:
    spec: Document = document["spec"]["template"]["spec"]
    return spec


def test_a_copy_of_the_example_brings_the_settings_of_the_copy_to_every_role(site: Path) -> None:
    """Under a name that changes with them, in our namespace, with images of the registry."""
    kubernetes = site / "cwpipe" / "deploy" / "kubernetes"
    shutil.copytree(kubernetes / "example", kubernetes / "mine")
    settings = (kubernetes / "mine" / "settings.toml").read_text() + "# mine\n"
    (kubernetes / "mine" / "settings.toml").write_text(settings)
    found = kustomize(kubernetes / "mine")
    (name,) = [name for kind, name in found if kind == "ConfigMap"]

    assert settings == found["ConfigMap", name]["data"]["cwpipe.toml"]
    assert name not in {name for _, name in kustomize(kubernetes / "example")}
    for role in ("fetcher", "normalizer"):
        spec = pod(found["Deployment", f"cwpipe-{role}"])
        assert name in {volume.get("configMap", {}).get("name") for volume in spec["volumes"]}
        assert "registry.example.com/cwpipe:0.1" == spec["containers"][0]["image"]
    assert {"cwpipe"} == {d["metadata"].get("namespace", "cwpipe") for d in found.values()}
    assert "eks.amazonaws.com/role-arn" in found["ServiceAccount", "cwpipe-fetcher"]["metadata"]["annotations"]


def test_all_components_go_together(site: Path) -> None:
    """The keys of AWS reach the fetchers beside what they have already."""
    mine = site / "cwpipe" / "deploy" / "kubernetes" / "mine"
    mine.mkdir()
    components = ["redis", "aws-keys", "dashboard"]
    mine.joinpath("kustomization.yaml").write_text(
        yaml.safe_dump({"resources": ["../base"], "components": [f"../components/{name}" for name in components]})
    )
    found = kustomize(mine)
    spec = pod(found["Deployment", "cwpipe-fetcher"])
    (container,) = spec["containers"]

    assert {"AWS_SHARED_CREDENTIALS_FILE", "CWPIPE_CONFIG"} <= {variable["name"] for variable in container["env"]}
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]}
    assert {"aws", "settings", "redis-password", "tmp"} == {volume["name"] for volume in spec["volumes"]}
    assert ("StatefulSet", "cwpipe-redis") in found
    assert ("Deployment", "cwpipe-dashboard") in found


def test_the_guides_component_puts_a_forwarder_beside_each_manager(site: Path) -> None:
    """And changes nothing of the manager, which stays the container that kubectl speaks to."""
    (site / "mine").mkdir()
    (site / "mine" / "kustomization.yaml").write_text(GUIDE[0])
    found = kustomize(site / "mine")

    for node in ("master", "worker"):
        document = found["StatefulSet", f"wazuh-manager-{node}"]
        before = yaml.safe_load(WAZUH.format(node=node))
        containers = {container["name"]: container for container in pod(document)["containers"]}
        annotations = document["spec"]["template"]["metadata"]["annotations"]

        assert {"wazuh-manager", "cwpipe-forwarder"} == containers.keys()
        assert pod(before)["containers"] == [containers["wazuh-manager"]]
        assert "registry.example.com/cwpipe:0.1" == containers["cwpipe-forwarder"]["image"]
        assert "wazuh-manager" == annotations["kubectl.kubernetes.io/default-container"]
        assert {"fsGroup": 101} == pod(document)["securityContext"]
        assert pod(before)["volumes"][0] in pod(document)["volumes"]


def test_the_guides_other_redis_reaches_every_role(site: Path) -> None:
    """By a patch of a list, by place; and scaling by its few lines."""
    replicas, other, policy = GUIDE[1:4]
    mine = site / "cwpipe" / "deploy" / "kubernetes" / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(other + replicas)
    (mine / "to-redis.yaml").write_text(policy)
    found = kustomize(mine)

    assert 4 == found["Deployment", "cwpipe-normalizer"]["spec"]["replicas"]
    for role in ("fetcher", "normalizer"):
        (container,) = pod(found["Deployment", f"cwpipe-{role}"])["containers"]
        values = {variable["name"]: variable["value"] for variable in container["env"]}
        assert "rediss://redis.example.com:6379/0" == values["CWPIPE_REDIS_URL"]
        assert "/etc/cwpipe/cwpipe.toml" == values["CWPIPE_CONFIG"]
