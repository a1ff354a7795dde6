"""deploy/kubernetes: valid for the schemas of Kubernetes, whole, and shut in; without a cluster and without kustomize."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml

from services.forwarder.forward import CONFIRM_ON_STOP_SECONDS
from shared.aws.sessions import _CONFIG as CONFIG_OF_CALLS
from shared.liveness import STUCK_SECONDS
from shared.settings.environment import EXTRA
from shared.settings.fields import variables
from shared.settings.load import load

Document = dict[str, Any]
ROOT = Path(__file__).parents[3]
DIRECTORY = ROOT / "deploy" / "kubernetes"
KUSTOMIZATIONS = sorted(DIRECTORY.rglob("kustomization.yaml"))
FILES = sorted(path for path in DIRECTORY.rglob("*.yaml") if path.name != "kustomization.yaml")
#: The oldest that is in use and the newest that is known: `policy/v1` and the rest are in both.
VERSIONS = ("1.27.0", kubernetes_validate.latest_version())
COMPOSE: Document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
#: What the patches of the sidecar are for: as in wazuh-kubernetes 4.14.7, less what no patch touches.
WAZUH = {"wazuh-manager-master", "wazuh-manager-worker"}
GRACE_SECONDS = 30
"""Of a pod that does not say, as the manager's."""


def documents(path: Path) -> list[Document]:
    """Return the documents of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def kustomization(path: Path) -> Document:
    (document,) = documents(path)
    return document


def patches() -> list[tuple[Path, Document]]:
    """Return the documents that are patches, with their files."""
    return [
        (path.parent / patch["path"], document)
        for path in KUSTOMIZATIONS
        for patch in kustomization(path).get("patches", [])
        for document in documents(path.parent / patch["path"])
    ]


PATCHES = {path for path, _ in patches()}
RESOURCES = [(path, document) for path in FILES if path not in PATCHES for document in documents(path)]


def pods(*, patched: bool = True) -> Iterator[tuple[str, Document]]:
    """Yield name and pod of each workload, those of patches too."""
    for _, document in [*RESOURCES, *(patches() if patched else [])]:
        if "template" in document.get("spec", {}):
            yield document["metadata"]["name"], document["spec"]["template"]["spec"]


OURS = dict(pods(patched=False))
PODS = {**dict(pods()), **OURS}
CONTAINERS = [
    (f"{name}-{container['name']}", pod, container)
    for name, pod in pods()
    for container in pod["containers"]
    if "image" in container  # what a patch only adds to has its image elsewhere
]
each_container = pytest.mark.parametrize(
    ("name", "pod", "container"), CONTAINERS, ids=[name for name, _, _ in CONTAINERS]
)
CWPIPE = [found for found in CONTAINERS if found[2]["image"] == "cwpipe"]
each_of_cwpipe = pytest.mark.parametrize(("name", "pod", "container"), CWPIPE, ids=[name for name, _, _ in CWPIPE])


def whole(document: Document) -> Document:
    """Return a patch with what its target has and the schema asks for."""
    if "template" not in document.get("spec", {}):
        return document
    labels = {"app": "wazuh-manager"}
    template = {"metadata": {"labels": labels}, **document["spec"]["template"]}
    spec = {
        "selector": {"matchLabels": labels},
        "serviceName": "wazuh-cluster",
        **document["spec"],
        "template": template,
    }
    if document["kind"] == "Deployment":
        del spec["serviceName"]
    return {**document, "spec": spec}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DIRECTORY)))
def test_every_document_is_valid(path: Path, version: str) -> None:
    """Strictly: a key that nobody knows would be ignored, or refused."""
    found = documents(path)

    assert found
    for document in found:
        kubernetes_validate.validate(whole(document) if path in PATCHES else document, version, strict=True)


@pytest.mark.parametrize("path", KUSTOMIZATIONS, ids=lambda path: path.parent.name)
def test_what_a_kustomization_names_is_there(path: Path) -> None:
    """Of the kind that is wanted there; nothing beside it is forgotten."""
    what, here = kustomization(path), path.parent
    files = {
        *(name for name in what.get("resources", []) if name.endswith(".yaml")),
        *(patch["path"] for patch in what.get("patches", [])),
        *(name.partition("=")[2] for generator in what.get("configMapGenerator", []) for name in generator["files"]),
    }

    assert {"kustomization.yaml", *files} == {entry.name for entry in here.iterdir()}
    for name in set(what.get("resources", [])) - files:
        assert "Kustomization" == kustomization(here / name / "kustomization.yaml")["kind"]
    for name in what.get("components", []):
        assert "Component" == kustomization(here / name / "kustomization.yaml")["kind"]


def test_every_patch_has_its_target() -> None:
    """One that fits nothing is an error of kustomize's, found in front of the cluster."""
    ours = {(document["kind"], document["metadata"]["name"]) for _, document in RESOURCES}
    theirs = {("StatefulSet", name) for name in WAZUH}
    named = {(document["kind"], document["metadata"]["name"]) for _, document in patches()}

    assert named
    assert set() == named - ours - theirs
    assert theirs <= named


def test_every_container_that_a_patch_adds_to_is_in_its_target() -> None:
    """Of another name, it would be a second container without an image."""
    for _, document in patches():
        for container in document["spec"]["template"]["spec"]["containers"] if "spec" in document else []:
            if "image" not in container:
                target = OURS[document["metadata"]["name"]]
                assert container["name"] in {found["name"] for found in target["containers"]}


@each_container
def test_a_container_can_do_no_more_than_it_has_to(name: str, pod: Document, container: Document) -> None:
    """By itself or by its pod: the manager's pod says nothing of the sort."""
    context = pod.get("securityContext", {}) | container["securityContext"]

    assert context["runAsNonRoot"]
    assert context["runAsUser"] > 0
    assert context["readOnlyRootFilesystem"]
    assert context["allowPrivilegeEscalation"] is False
    assert {"drop": ["ALL"]} == context["capabilities"]
    assert {"type": "RuntimeDefault"} == context["seccompProfile"]
    assert {"cpu", "memory"} == container["resources"]["requests"].keys()
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", OURS)
def test_no_pod_of_ours_speaks_to_the_cluster(name: str) -> None:
    """None needs to. Variables of all Services of the namespace are of no use to it either."""
    pod = OURS[name]

    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert not [volume for volume in pod["volumes"] if "hostPath" in volume]


@each_container
def test_what_a_container_mounts_is_a_volume_of_its_pod(name: str, pod: Document, container: Document) -> None:
    """The sidecar mounts the claim of the manager too, which is of the StatefulSet, under its name."""
    templates = {"data", *WAZUH}
    mounted = {mount["name"] for mount in container["volumeMounts"]}

    assert mounted <= {volume["name"] for volume in pod["volumes"]} | templates


@each_of_cwpipe
def test_every_variable_is_a_setting_and_none_holds_a_secret(name: str, pod: Document, container: Document) -> None:
    """An unknown one keeps the role from starting. Secrets are files."""
    given = {variable["name"]: variable["value"] for variable in container["env"]}

    assert set() == {name for name in given if name.startswith("CWPIPE_")} - {*variables(), *EXTRA}
    assert not re.search(r"://[^/]*@", given["CWPIPE_REDIS_URL"])
    assert {"CWPIPE_REDIS_PASSWORD_FILE"} == {name for name in given if "REDIS_PASSWORD" in name}


@each_of_cwpipe
def test_every_file_that_a_variable_names_is_in_a_volume(name: str, pod: Document, container: Document) -> None:
    """A name that is wrong by a letter is found when the pod starts, again and again."""
    places = tuple(f"{mount['mountPath']}/" for mount in container["volumeMounts"])
    files = [variable["value"] for variable in container["env"] if variable["value"].startswith("/")]

    assert files
    assert all(file.startswith(places) for file in files), files


@each_of_cwpipe
def test_a_stuck_role_is_found_in_two_minutes(name: str, pod: Document, container: Document) -> None:
    """As in the compose stack: by its last sign of life."""
    if container["name"] == "dashboard":  # shows no signs of life
        return
    probe = container["livenessProbe"]

    assert ["cwpipe", "health"] == probe["exec"]["command"]
    assert STUCK_SECONDS + probe["failureThreshold"] * probe["periodSeconds"] <= 120
    assert "CWPIPE_ALIVE_FILE" in {variable["name"] for variable in container["env"]}


def test_a_stop_has_the_time_it_takes() -> None:
    """The manager's pod is not ours to change: a forwarder needs less than what it has."""
    call = CONFIG_OF_CALLS.connect_timeout + CONFIG_OF_CALLS.read_timeout  # type: ignore[attr-defined]

    for name in ("cwpipe-fetcher", "cwpipe-normalizer"):
        assert PODS[name]["terminationGracePeriodSeconds"] > call + 10
    assert all("terminationGracePeriodSeconds" not in PODS[name] for name in WAZUH)
    assert GRACE_SECONDS > CONFIRM_ON_STOP_SECONDS + 10


@pytest.mark.parametrize("name", sorted(WAZUH))
def test_the_sidecar_changes_nothing_of_the_manager(name: str) -> None:
    """It reads the directory of the sockets, never writes into it, and ends without ending the pod's readiness."""
    pod = PODS[name]
    (container,) = pod["containers"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["mountPath"].startswith("/var/ossec")]

    assert {"containers", "volumes"} == pod.keys()
    assert (name, "wazuh/var/ossec/queue", True) == (mount["name"], mount["subPath"], mount["readOnly"])
    assert "readinessProbe" not in container
    assert "startupProbe" not in container


def test_both_sidecars_are_the_same_but_for_the_volume() -> None:
    """None is forgotten when one is changed."""
    master, worker = (
        (DIRECTORY / f"components/forwarder-sidecar/{name}.yaml").read_text() for name in ("master", "worker")
    )

    assert master.replace("wazuh-manager-master", "wazuh-manager-worker") == worker


def test_redis_is_as_in_the_compose_stack() -> None:
    """The same durability, bounds and user."""
    (container,) = PODS["cwpipe-redis"]["containers"]
    compose = COMPOSE["redis"]
    command = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word) for word in compose["command"]]

    assert command == [*container["command"], *container["args"]]
    assert compose["user"].partition(":")[0] == str(PODS["cwpipe-redis"]["securityContext"]["runAsUser"])
    assert re.search(r":-(\S+)\}", compose["image"])[1] == container["image"]  # type: ignore[index]
    assert compose["healthcheck"]["test"][1] == container["livenessProbe"]["exec"]["command"][2]


def test_policies_and_budgets_are_about_pods_that_are_there() -> None:
    """A selector that fits nothing protects nothing."""
    labels = [
        document["spec"]["template"]["metadata"]["labels"]
        for _, document in RESOURCES
        if "template" in document.get("spec", {})
    ]
    selectors = [
        document["spec"].get("podSelector", document["spec"].get("selector"))["matchLabels"]
        for _, document in RESOURCES
        if document["kind"] in ("NetworkPolicy", "PodDisruptionBudget")
        and document["metadata"]["name"] != "cwpipe-nothing"
    ]

    assert len(selectors) > 4
    for selector in selectors:
        assert any(selector.items() <= found.items() for found in labels), selector


def test_everything_is_closed_that_is_not_opened() -> None:
    """Only the fetchers reach the world."""
    policies = {d["metadata"]["name"]: d["spec"] for _, d in RESOURCES if d["kind"] == "NetworkPolicy"}
    outside = [
        name
        for name, spec in policies.items()
        if any("ipBlock" in peer for rule in spec.get("egress", []) for peer in rule["to"])
    ]

    assert {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]} == policies["cwpipe-nothing"]
    assert ["cwpipe-aws"] == outside
    assert {"app.kubernetes.io/name": "cwpipe-fetcher"} == policies["cwpipe-aws"]["podSelector"]["matchLabels"]


@pytest.mark.parametrize("path", sorted(DIRECTORY.rglob("*.toml")), ids=lambda path: path.parent.name)
def test_the_settings_are_settings(path: Path) -> None:
    """As the fetcher reads them."""
    assert load(path, {}).settings.sources
