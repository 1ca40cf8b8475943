# ruff: noqa: E501 - the documents are one line each
"""Documents as people have them: resolved byte for byte, or refused with the place; never left half done in silence."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any, SupportsIndex

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from cargoship.cli.main import main
from cargoship.cli.session import World
from cargoship.deploy import ecs
from cargoship.deploy.containers import refuse_parts
from cargoship.deploy.documents import Format, SourceFile, scan
from cargoship.deploy.handover import compose_files
from cargoship.deploy.places import Page
from cargoship.deploy.resolve import ResolvedDocument, ResolveRequest, prepare
from cargoship.deploy.tree import read_documents
from cargoship.deploy.values import value_of
from cargoship.errors import CargoshipError, DocumentInvalid, ReferenceUnknown, UsageError
from cargoship.events import Level, Note
from cargoship.plan import Selection
from support.deploying import Workplace

# name of the file, and its text, in which @@ is where an image is wanted
SHAPES: dict[str, tuple[str, str]] = {
    "deployment": ("a.yaml", "apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - image: @@\n        name: web\n"),
    "cron job": ("a.yaml", "apiVersion: batch/v1\nkind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          initContainers:\n            - {name: a, image: '@@'}\n          containers: [{name: b, image: \"@@\"}]\n"),
    "stateful set in a stream": ("a.yml", "---\nkind: Service\n---\nkind: StatefulSet\nspec: {template: {spec: {containers: [{image: @@}]}}}\n---\n"),
    "list": ("a.yaml", "apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  spec: {containers: [{image: @@}]}\n- kind: Pod\n  spec: {containers: [{image: @@}]}\n"),
    "custom resource": ("a.yaml", "apiVersion: serving.knative.dev/v1\nkind: Service\nspec:\n  template:\n    spec:\n      containers:\n        - image: @@\n"),
    "argo workflow": ("a.yaml", "kind: Workflow\nspec:\n  templates:\n  - name: a\n    container: {image: @@, command: [sh, -c], args: ['echo {{inputs.parameters.x}}']}\n"),
    "config map": ("a.yaml", 'kind: ConfigMap\ndata:\n  agents.json: |\n    {"image": "@@"}\n'),
    "pod as JSON": ("a.json", '{"kind": "Pod", "spec": {"containers": [{"image": "@@"}]}}\n'),
    "stream of JSON": ("a.json", '{"kind": "Pod", "image": "@@"}\n{"kind": "Pod", "image": "@@"}\n'),
    "stream of JSON without lines": ("a.json", '{"a": "@@"}{"b": "@@"} ["@@"]'),
    "stream of JSON on standard input": ("stdin", '{"a": "@@"}\n\n{"b": "@@"}\n'),
    "JSON with tabs in a .yaml file": ("a.yaml", '{\n\t"image": "@@",\n\t"b": [\n\t\t"@@"\n\t]\n}\n'),
    "JSON with a byte order mark on standard input": ("stdin", '\ufeff{\n\t"image": "@@"}'),
    "kustomization": ("kustomization.yaml", "images:\n- name: web\n  newName: @@#name\n  digest: @@#digest\npatches:\n- patch: |-\n    - op: replace\n      path: /spec/image\n      value: @@\n"),
    "helm values": ("values.yaml", "image:\n  repository: '@@#name'\n  digest: \"@@#digest\" # here\n  tag: ''\n"),
    "helm template of lines": ("a.yaml", "{{- if .Values.on }}\nkind: Pod\nspec:\n  containers:\n  - image: @@\n{{- end }}\n"),
    "helm template in quotes": ("a.yaml", 'name: "{{ .Values.name }}"\nimage: @@\n'),
    "helm template with a default in quotes": ("a.yaml", "image: '{{ .Values.image | default \"@@\" }}'\n"),
    "helm template that is no YAML": ("a.yaml", 'name: {{ include "x" . }}\nimage: {{ .Values.image | default "@@" | quote }}\nb: {{ .c }}-d\n'),
    "helm template by another name": ("deployment.tpl", 'image: {{ .Values.image | default "@@" | quote }}\n'),
    "compose with a reference": ("compose.yaml", 'services:\n  web:\n    image: @@\n    environment: {A: "${B:-x}"}\n    profiles: [a]\n'),
    "compose with anchors": ("compose.yaml", 'x-a: &a\n  image: @@\n  restart: always\nservices:\n  one: {<<: *a, ports: ["80"]}\n  two:\n    <<: *a\n'),
    "compose with a default": ("compose.yaml", "services:\n  web:\n    image: ${IMAGE:-@@}\n"),
    "compose of several": ("compose.yaml", "name: x\nservices:\n  web: {image: @@}\n  db: {image: 'postgres:16'}\nvolumes: {d: {}}\n"),
    "task definition": ("task.json", '{"family": "web", "containerDefinitions": [{"name": "web", "image": "@@", "essential": true}]}'),
    "task definition in YAML": ("task.yaml", "family: web\ncontainerDefinitions:\n  - name: web\n    image: @@\n    mode: 0755\n"),
    "nomad in HCL": ("web.nomad.hcl", 'job "web" {\n  task "web" {\n    driver = "docker"\n    config {\n      image = "@@"\n    }\n  }\n}\n'),
    "nomad in JSON": ("web.nomad.json", '{"Job": {"TaskGroups": [{"Tasks": [{"Config": {"image": "@@"}}]}]}}'),
    "bake in HCL": ("docker-bake.hcl", 'target "web" {\n  contexts = { app = "docker-image://@@" }\n}\n'),
    "bake in JSON": ("docker-bake.json", '{"target": {"web": {"contexts": {"app": "docker-image://@@"}}}}'),
    "terraform": ("main.tf", 'resource "x" "y" {\n  image = "@@"\n}\n'),
    "name and digest apart, in the values of an object": ("a.yaml", "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec:\n  values:\n    image: '@@#name'\n    tag: latest\n    digest: '@@#digest'\n"),
    "name in a container's variable": ("a.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: @@\n    env: [{name: image, value: '@@#name'}]\n"),
    "comment without a blank": ("a.hcl", "//@@\n"),
    "reference behind another scheme": ("a.yaml", "image: docker://@@\n"),
    "reference behind a line's end": ("a.json", '{"a": "x\\n@@"}'),
    "systemd's quadlet": ("web.container", "[Container]\nImage=@@\n"),
    "environment file": ("web.env", "IMAGE=@@\nOTHER='@@'\n"),
    "jinja": ("a.j2", "image: {{ image | default('@@') }}\n"),
    "daemon set": ("a.yaml", "kind: DaemonSet\nspec:\n  template:\n    spec:\n      containers:\n      - name: a\n        image: '@@' # each node\n"),
    "job": ("a.yaml", "kind: Job\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: '@@'}]}}}\n"),
    "replica set": ("a.yaml", "kind: ReplicaSet\nspec:\n  template:\n    spec:\n      containers:\n        - args: [--sidecar=@@]\n          image: @@\n"),
    "replication controller": ("a.json", '{"kind":"ReplicationController","spec":{"template":{"spec":{"containers":[{"image":"@@"}]}}}}'),
    "pod template": ("a.yaml", "kind: PodTemplate\ntemplate: {spec: {containers: [{image: @@}]}}\n"),
    "pod with ephemeral containers and a volume that is an image": ("a.yaml", "kind: Pod\nspec:\n  initContainers: [{name: i, image: @@, restartPolicy: Always}]\n  ephemeralContainers:\n  - {name: e, image: @@}\n  containers: [{name: c, image: @@}]\n  volumes:\n  - name: v\n    image: {reference: @@, pullPolicy: IfNotPresent}\n"),
    "argo rollout": ("a.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nspec:\n  strategy: {canary: {steps: [{setWeight: 20}, {pause: {}}]}}\n  template:\n    spec:\n      containers:\n      - image: >-\n          @@\n"),
    "knative configuration": ("a.yaml", "kind: Configuration\nspec:\n  template:\n    spec:\n      containers:\n      - &c {image: @@}\n      - {<<: *c, name: b}\n"),
    "tekton task": ("a.yaml", "kind: Task\nspec:\n  steps:\n  - image: @@\n    script: |\n      #!/bin/sh\n      echo $(params.x) @@\n"),
    "cron workflow": ("a.yaml", "kind: CronWorkflow\nspec:\n  workflowSpec:\n    templates:\n    - name: a\n      script: {image: @@, source: \"print('{{workflow.name}}')\"}\n"),
    "operator with images in variables": ("a.yaml", "kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - env:\n        - name: RELATED_IMAGE_A\n          value: '@@'\n"),
    "custom resource definition": ("a.yaml", "kind: CustomResourceDefinition\nspec:\n  versions:\n  - name: v1\n    schema: {openAPIV3Schema: {properties: {image: {type: string, default: @@}}}}\n"),
    "list of lists": ("a.yaml", "kind: List\nitems:\n- kind: DeploymentList\n  items:\n  - spec: {template: {spec: {containers: [{image: '@@'}]}}}\n"),
    "kustomization of several, and a component": ("kustomization.yaml", "kind: Kustomization\nimages:\n  - {name: a, newName: @@#name, digest: @@#digest}\n  - name: other\n    newTag: '1'\nconfigMapGenerator:\n- name: x\n  literals: [IMAGE=@@]\n---\nkind: Component\nimages: [{name: a, digest: '@@#digest'}]\n"),
    "kustomization with a chart": ("kustomization.yml", 'helmCharts:\n- name: x\n  valuesInline:\n    image: {repository: @@#name, digest: "@@#digest"}\n'),
    "flux's release": ("a.yaml", "kind: HelmRelease\nspec:\n  values:\n    image:\n      repository: @@#name\n      digest: '@@#digest'\n"),
    "helm values with sidecars": ("values.yaml", '# -- the image\nimage: @@\nsidecars:\n  - name: a\n    image: "@@"\nextra: {}\n'),
    "what helm template writes": ("a.yaml", '---\n# Source: x/templates/a.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: "release-name"\n---\n# Source: x/templates/b.yaml\nkind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n        - image: "@@"\n          imagePullPolicy:\n'),
    "helm template with range and comment": ("a.yaml", '{{- /* containers */ -}}\n{{- range $i, $e := .Values.list }}\n- image: {{ $e.image | default "@@" }}\n  name: {{ $e.name }}\n{{- end }}\n'),
    "compose with defaults of every form": ("compose.yaml", "services:\n  a: {image: '${A:-@@}'}\n  b: {image: '${A-@@}'}\n  c:\n    image: ${A:-${B:-@@}}\n  d:\n    image: \"${A:+@@}\"\n    command: echo $$HOME ${A:?no @@} ${A?}\n  e: {image: '${A+@@}', labels: {x: $A-@@}}\n"),
    "compose with anchors of tables and of images": ("compose.yaml", "x-i: &i '@@'\nx-b: &b {image: *i}\nx-c: &c\n  <<: [*b]\n  tty: true\nservices:\n  a: *c\n  b:\n    <<: [*c, *b]\n    profiles: [debug]\n"),
    "compose that includes what is not there": ("compose.yaml", "include:\n- path: none.yaml\n  env_file: x.env\n- ${WHERE}/a.yaml\n- https://github.com/a/b.git\n- oci://docker.io/a/b:1\nservices:\n  a: {image: @@}\n"),
    "compose with models, configs and jobs": ("compose.yaml", 'services:\n  a:\n    image: @@\n    develop: {watch: [{path: ., action: sync, target: /x}]}\n    deploy: {replicas: 2}\nconfigs:\n  c: {content: "image=@@"}\n'),
    "compose with the tags of overrides": ("compose.override.yaml", "services:\n  a:\n    image: @@\n    ports: !override ['80:80']\n    volumes: !reset []\n"),
    "nomad in HCL with comments and a heredoc": ("a.nomad", '# a job\njob "web" { // of one\n  /* two\n lines */\n  group "g" { task "t" { config { image = "@@" } template { data = <<EOF\nIMAGE=@@\nEOF\n } } }\n}\n'),
    "nomad with a variable": ("a.hcl", 'variable "image" {\n  default = "@@"\n}\njob "a" { group "g" { task "t" { config { image = "${var.image}" } } } }\n'),
    "nomad pack": ("web.nomad.tpl", 'job [[ template "name" . ]] {\n  image = [[ .image | default "@@" | quote ]]\n}\n'),
    "bake in HCL with a variable and a function": ("docker-bake.hcl", 'variable "BASE" { default = "docker-image://@@" }\nfunction "f" { params = [x]\n result = "${x}@@" }\ntarget "a" { contexts = { base = BASE } args = { IMAGE = "@@" } }\n'),
    "bake in JSON with a matrix": ("docker-bake.json", '{\n  "target": {"a": {"matrix": {"i": ["@@", "x"]}, "name": "a-${i}"}}\n}\n'),
    "task definition with two containers": ("task.json", '{\n\t"containerDefinitions": [\n\t\t{"image": "@@", "environment": [{"name": "SIDE", "value": "@@"}]},\n\t\t{"image": "x:1"}\n\t]\n}\r\n'),
    "cloudformation": ("a.yaml", "Resources:\n  T:\n    Properties:\n      ContainerDefinitions:\n      - Image: @@\n        Name: !Ref Name\n        Secrets: !Sub 'x${A}'\n"),
    "skaffold": ("skaffold.yaml", "manifests:\n  helm:\n    releases:\n    - setValues: {image: '@@'}\n"),
    "go template by another name": ("a.yaml.gotmpl", 'image: {{ env "IMAGE" | default "@@" }}\n'),
    "shell's template": ("a.envsubst", "image: ${IMAGE:-@@} $A\n"),
    "github's workflow": ("a.yaml", "jobs:\n  a:\n    container: {image: @@}\n    steps:\n    - run: docker run @@ ${{ github.sha }}\n"),
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path, {"app": ["app"]})


def filled(place: Workplace, text: str) -> str:
    reference = place.reference("app")
    name, _, digest = reference.partition("@")
    return text.replace("@@#name", name).replace("@@#digest", digest).replace("@@", reference)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_document_is_resolved_byte_for_byte(place: Workplace, shape: tuple[str, str]) -> None:
    name, text = shape
    (document,) = place.resolve((name, text.replace("@@", "cargoship://app").encode())).documents
    assert document.data.decode() == filled(place, text)


REFUSED: dict[str, tuple[str, str, str]] = {
    "template value without quotes": (
        "a.yaml", 'a: b\nimage: {{ .Values.image | default "cargoship://app" | quote }}\n', "a.yaml:2:11: the reference is in a template's braces",
    ),
    "template value without quotes, alone": ("a.yaml", "image: {{ cargoship://app }}\n", "a.yaml:1:11: "),
    "template in a list": ("a.yaml", 'a: [{{ x "cargoship://app" }}]\n', "a.yaml:1:8: "),
    "key in brackets": ("a.yaml", "? [cargoship://app]\n: b\n", "a.yaml:1:4: "),
    "stream of JSON that ends badly": ("a.json", '{"a": "cargoship://app"}\n{"b": \n', "a.json:3:1: this is no JSON"),
    "word after JSON": ("a.json", '{"a": "cargoship://app"} x', "a.json:1:26: this is no JSON"),
    "no JSON at all": ("a.json", "", "a.json:1:1: this is no JSON"),
    "number of many digits": ("a.json", '{"a": ' + "1" * 5000 + ', "b": "cargoship://app"}', "a.json"),
    "tab in YAML": ("a.yaml", "a:\n\tb: cargoship://app\n", "a.yaml:2:1: this is no YAML"),
    "more directives than anybody has": ("a.yaml", "".join(f"%TAG !{n}! a:{n}\n# x\n\n" for n in range(102)) + "---\na: cargoship://app\n", "a.yaml:301:1: a document begins with more than 100"),
    "anchor that never ends": ("a.yaml", "a: &a [cargoship://app, *a]\n", "a.yaml:1:25: *a is inside of &a"),
}  # fmt: skip


REFUSED |= {
    "kustomization with a whole reference for a name": ("kustomization.yaml", "images:\n- name: a\n  newName: cargoship://app\n", "kustomization.yaml:3:12: newName is no place for a whole reference"),
    "kustomization with a whole reference for a digest": ("kustomization.yaml", "images: [{name: a, digest: cargoship://app}]\n", "kustomization.yaml:1:28: digest is no place"),
    "kustomization that looks for a reference": ("kustomization.yaml", "images:\n- name: cargoship://app\n  digest: cargoship://app#digest\n", "kustomization.yaml:2:9: name is what Kustomize looks for"),
    "kustomization with a new name alone": ("kustomization.yaml", "images:\n- name: a\n  newName: cargoship://app#name\n", "kustomization.yaml:3:12: newName stands alone"),
    "kustomization with a new name and an empty tag": ("kustomization.yaml", "images: [{name: a, newName: 'cargoship://app#name', newTag: ''}]\n", "kustomization.yaml:1:29: newName stands alone"),
    "component with a reference for a tag": ("kustomization.yaml", "kind: Component\nimages:\n- name: a\n  newTag: 'cargoship://app#digest'\n", "kustomization.yaml:4:11: an image that is built has no tag"),
    "Kustomization without an ending": ("Kustomization", "images:\n- name: a\n  newName: cargoship://app\n", "Kustomization:3:12: newName is no place for a whole reference"),
    "kustomization of Flux": ("a.yaml", "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nspec:\n  images:\n  - {name: a, newName: 'cargoship://app'}\n", "a.yaml:5:24: newName is no place for a whole reference"),
    "kustomization with the digest of another image": ("kustomization.yaml", "images:\n- name: a\n  newName: cargoship://app#name\n  digest: cargoship://other#digest\n", "kustomization.yaml:4:11: this is the digest of another image"),
    "mounted image with a name alone": ("a.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  volumes:\n  - image: {reference: 'cargoship://app#name'}\n", "a.yaml:5:25: cargoship://app#name is a part"),
    "mounted image of a service with a digest alone": ("compose.yaml", "services:\n  a:\n    image: b\n    volumes:\n    - {type: image, source: 'cargoship://app#digest', target: /x}\n", "compose.yaml:5:30: cargoship://app#digest is a part"),
    "JSON with comments": ("devcontainer.json", '{\n  // the image\n  "image": "cargoship://app"\n}\n', "devcontainer.json:2:3: this is no JSON"),
    "JSON template": ("task.json", '{"image": "cargoship://app", "cpu": {{ .Cpu }}}\n', "task.json:1:38: this is no JSON"),
    "compose default with something behind it": ("compose.yaml", "services:\n  a:\n    image: ${A:-cargoship://app}/x\n", "compose.yaml:3:17: "),
    "HCL with a tag behind the reference": ("a.hcl", 'x {\n  image = "cargoship://app:1.0"\n}\n', "a.hcl:2:12: "),
    "container with a name alone": ("a.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  initContainers: [{image: 'cargoship://app'}]\n  containers:\n  - image: cargoship://app#name\n", "a.yaml:6:12: cargoship://app#name is a part of an image's name"),
    "container with a digest alone": ("a.yaml", 'apiVersion: v1\nkind: List\nitems:\n- kind: Pod\n  spec: {initContainers: [{image: !!str "cargoship://app#digest"}]}\n', "a.yaml:5:42: cargoship://app#digest is a part"),
    "container in JSON with a name alone": ("a.json", '{"apiVersion": "v1", "spec": {"containers": [{"name": "a", "image": "cargoship://app#name"}]}}', "a.json:1:70: "),
    "service with a name alone": ("compose.yaml", "services:\n  a:\n    image: cargoship://app#name\n", "compose.yaml:3:12: "),
    "task with a name alone": ("task.json", '{"family": "web", "containerDefinitions": [{"image": "cargoship://app#name"}]}', "task.json:1:55: "),
    "step of Tekton with a name alone": ("a.yaml", "apiVersion: tekton.dev/v1\nkind: Task\nspec:\n  steps:\n  - image: cargoship://app#name\n", "a.yaml:5:12: cargoship://app#name is a part"),
    "template of Tekton's steps with a name alone": ("a.yaml", "apiVersion: tekton.dev/v1\nkind: Task\nspec:\n  stepTemplate: {image: 'cargoship://app#name'}\n", "a.yaml:4:26: "),
    "script of Argo with a name alone": ("a.yaml", "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  templates:\n  - script: {image: 'cargoship://app#name'}\n", "a.yaml:5:22: "),
    "task of a stack with a name alone": ("a.yaml", "Resources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      Family: !Ref Name\n      ContainerDefinitions:\n      - Image: !Sub cargoship://app#name\n", "a.yaml:7:21: "),
    "task of a stack in JSON with a name alone": ("a.json", '{"Resources": {"T": {"Type": "AWS::ECS::TaskDefinition", "Properties": {"ContainerDefinitions": [{"Image": "cargoship://app#name"}]}}}}', "a.json:1:109: "),
    "service with a digest alone beside a tag that Compose knows": ("compose.yaml", "services:\n  a:\n    ports: !reset []\n    image: cargoship://app#digest\n", "compose.yaml:4:12: "),
    "service with a digest alone for a variable": ("compose.yaml", "services:\n  a:\n    image: ${A:-${B-cargoship://app#digest}}\n", "compose.yaml:3:21: cargoship://app#digest is a part"),
    "container with capitals for a scheme": ("a.yaml", "# CARGOSHIP://\napiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: cargoship://app\n  - image: CARGOSHIP://app\n", "a.yaml:7:12: CARGOSHIP://app is no reference to a binary"),
    "container with a slash too few": ("a.json", '{"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"image": "cargoship:/app"}]}}', "a.json:1:72: cargoship:/app is no reference to a binary"),
    "service without a colon": ("compose.yaml", "services:\n  a:\n    image: cargo-ship//app\n", "compose.yaml:3:12: cargo-ship//app is no reference to a binary"),
    "task with a colon too few": ("task.json", '{"containerDefinitions": [{"name": "a", "image": "Cargoship//"}]}', "task.json:1:51: Cargoship// is no reference to a binary"),
    "container whose image a comment has as well": ("a.yaml", "# CARGOSHIP://app\napiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: CARGOSHIP://app2\n    image: CARGOSHIP://app\n", "a.yaml:7:12: CARGOSHIP://app is no reference to a binary"),
    "task with escapes of JSON": ("task.json", '{"containerDefinitions": [{"name": "a", "image": "cargoship:\\/app"}]}', "task.json:1:51: cargoship:/app is no reference to a binary"),
    "service with a variable before a slip": ("compose.yaml", "services:\n  a:\n    image: ${A:-CARGOSHIP://app}\n", "compose.yaml:3:12: ${A:-CARGOSHIP://app} is no reference to a binary"),
    "container with two schemes, one misspelt": ("a.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  containers: [{image: 'docker://CARGOSHIP://app'}]\n", "a.yaml:4:25: docker://CARGOSHIP://app is no reference to a binary"),
    "container with a letter too few": ("a.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  containers: [{image: cargoshp://app}]\n", "a.yaml:4:24: cargoshp://app is no reference to a binary"),
    "container with a scheme before its image": ("a.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  containers: [{image: docker://cargoship://app, name: a}]\n", "a.yaml:4:33: docker://cargoship://app would be no image: cargoship://app becomes a whole name"),
    "container with words before its image": ("a.json", '{"apiVersion": "v1", "spec": {"containers": [{"image": "my cargoship://app"}]}}', "a.json:1:60: my cargoship://app would be no image"),
    "service with a variable right before its image": ("compose.yaml", "services:\n  a:\n    image: ${REGISTRY}cargoship://app # there\n", "compose.yaml:3:23: ${REGISTRY}cargoship://app would be no image"),
    "reference behind a registry": ("a.yaml", "image: ghcr.io/me/cargoship://app\n", "a.yaml:1:19: cargoship://app is behind a path"),
    "reference behind a variable": ("compose.yaml", "services:\n  a:\n    image: ${REGISTRY:-x}/cargoship://app#name\n", "compose.yaml:3:27: cargoship://app#name is behind a path"),
    "reference behind a function of CloudFormation": ("a.yaml", 'Image: !Sub "${AWS::AccountId}.dkr.ecr/cargoship://app"\n', "a.yaml:1:40: "),
    "reference behind a template's registry": ("a.tpl", 'image: "{{ .Values.registry }}/cargoship://app"\n', "a.tpl:1:32: "),
    "reference behind a slash of JSON": ("a.json", '{"image": "ghcr.io\\/cargoship://app"}', "a.json:1:21: "),
    "reference behind a slash that escapes hide": ("a.json", '{"image": "ghcr.io/cargoship:\\u002f/app"}', "a.json:1:11: "),
    "reference that is cut in two by a fold": ("a.yaml", 'a: "cargo\\\n  ship://app cargoship://app"\n', "a.yaml:1:4: escapes hide"),
    "unbalanced brackets": ("a.yaml", "a:\n- [cargoship://app, {b: [1, 2}]\n", "a.yaml:2:30: this is no YAML"),
    "brackets without end": ("a.yaml", "a: cargoship://app\nb: " + "[" * 1_000_000, "a.yaml:2:1003: this is nested too deeply"),
    "braces without end, each with a key": ("a.yaml", "a: cargoship://app\nb: " + "{a: " * 250_000, "a.yaml:2:260: this is nested too deeply"),
    "a name without end": ("a.yaml", "a: cargoship://" + "a" * 900_000, "a.yaml:1:4: cargoship://" + "a" * 40 + "... is no reference"),
    "lists without end": ("a.yaml", "a: cargoship://app\nb:\n" + "- " * 500_000, "a.yaml:3:1999: this is nested too deeply"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_a_document_is_refused_with_its_place(place: Workplace, case: tuple[str, str, str]) -> None:
    name, text, words = case
    with pytest.raises((DocumentInvalid, ReferenceUnknown)) as caught:
        place.resolve((name, text.encode()))
    assert caught.value.message.startswith(words)


def test_what_to_write_for_a_misspelt_scheme_is_said(place: Workplace) -> None:
    with pytest.raises(ReferenceUnknown) as caught:
        place.resolve(("compose.yaml", b"services:\n  a:\n    image: ${A:-Cargo-Ship:/my-app}\n"))
    assert caught.value.hint == "write cargoship://my-app"


def warnings_of(place: Workplace) -> list[str]:
    return [event.text for event in place.events if isinstance(event, Note) and event.level is Level.WARNING]


LEFT_STANDING: dict[str, tuple[str, str, str]] = {
    "values of a chart": ("values.yaml", "image:\n  repository: x\n  # CARGOSHIP://no\n  name: 'CARGOSHIP://app'\n", "values.yaml:4:10: CARGOSHIP"),
    "name in a kustomization": ("kustomization.yaml", "images:\n- {name: a, newName: 'cargoshp://app', digest: 'cargoship://app#digest'}\n", "kustomization.yaml:2:23: cargoshp"),
    "annotation in JSON": ("a.json", '{"apiVersion": "v1", "metadata": {"annotations": {"a": "cargo-ship:\\/\\/app"}}}', "a.json:1:57: cargo-ship"),
    "plain text": ("a.container", "[Container]\nImage=Cargoship://app\n", "a.container:2:7: Cargoship"),
}  # fmt: skip


@pytest.mark.parametrize("case", LEFT_STANDING.values(), ids=LEFT_STANDING)
def test_a_misspelt_scheme_elsewhere_is_left_standing_with_a_warning(
    place: Workplace, case: tuple[str, str, str]
) -> None:
    name, text, words = case
    (document,) = place.resolve((name, text.encode())).documents
    assert document.data.decode() == filled(place, text.replace("cargoship://app#digest", "@@#digest"))
    (note,) = [each for each in warnings_of(place) if "is left as it stands" in each]
    assert note == f"{words}:// is left as it stands: references begin with cargoship://"


@pytest.mark.parametrize("word", ["cargoship:/data", "ko://app", "https://cargoship.example/x//y", "s3://cargoship"])
def test_what_nobody_meant_for_a_reference_is_passed_over(place: Workplace, word: str) -> None:
    text = f"services:\n  a:\n    image: b\n    volumes: ['{word}']\n    labels: {{c: '{word}'}}\n"
    (document,) = place.resolve(("compose.yaml", text.encode())).documents
    assert document.data.decode() == text
    assert not [each for each in warnings_of(place) if "is left as it stands" in each]


SWOLLEN: dict[str, str] = {
    "lists in a list": "[" + "[]," * 20_000 + "]",
    "an anchor at every item": "[" + ", ".join(f"&a{number} b" for number in range(10_000)) + "]",
    "tables that merge each other in a row": "x:\n- &s0 {image: x}\n"
    + "".join(f"- &s{number} {{<<: *s{number - 1}}}\n" for number in range(1, 5000))
    + "services:\n"
    + "".join(f"  s{number}: *s{number}\n" for number in range(5000)),
    "a table that merges one a thousand times": "x: &x {image: x}\ny: &y {<<: ["
    + "*x," * 20_000
    + "]}\nservices:\n"
    + "".join(f"  s{number}: {{<<: *y}}\n" for number in range(2000)),
    "tables that merge two each": "x:\n- &s0 {a: x}\n"
    + "".join(f"- &s{number} {{<<: [*s{number - 1}, *s{number - 1}]}}\n" for number in range(1, 2000))
    + "services: {a: *s1999}\n",
    "aliases at the bottom of many lists": "a: &a b\nc: " + "[" * 60 + "*a, " * 20_000 + "]" * 60 + "\n",
    "one long list that many tables merge": "l: &l ["
    + ",".join(f"{{q{number}: 1}}" for number in range(10_000))
    + "]\nservices:\n"
    + "".join(f"  s{number}: {{<<: *l}}\n" for number in range(10_000)),
    "one file that is extended again and again": "services:\n"
    + "".join(f"  s{number}: {{extends: {{file: base.yaml, service: s}}}}\n" for number in range(3000)),
    "one file that is included again and again": "services: {}\ninclude: [" + "base.yaml, " * 20_000 + "]\n",
}


@pytest.mark.parametrize("text", SWOLLEN.values(), ids=SWOLLEN)
def test_a_document_that_swells_costs_what_its_text_is_long(place: Workplace, text: str) -> None:
    """Each of these took minutes, or would: the square of its length, or two to the power of it."""
    (place.root / "base.yaml").write_text(
        "services:\n" + "".join(f"  s{number}: {{image: x}}\n" for number in range(3000))
    )
    (document,) = place.resolve(("a.yaml", (text + "\n# cargoship://app\n").encode())).documents
    assert document.data.decode() == text + "\n# cargoship://app\n"


def test_a_build_that_many_services_share_is_seen_to_once(place: Workplace) -> None:
    """A minute: for each service all names from x-build on were tried again, up to one that was not there."""
    taken = "".join(f"    x-build-{number}: 1\n" for number in range(2, 4_000))
    text = f"services:\n  s: &a\n    build: app\n    x-build: 1\n{taken}"
    text += "".join(f"  s{number}: *a\n" for number in range(20_000))
    (document,) = place.resolve(("compose.yaml", text.encode())).documents
    assert document.data.decode() == text.replace(
        "build: app\n", f'image: "{place.reference("app")}"\n    x-build-4000: app\n', 1
    )


# name of the file, what it begins with, what comes again and again, what it ends with
HOSTILE: dict[str, tuple[str, str, str, str]] = {
    "dollars": ("a.yaml", "a: cargoship://app ", "$", "\n"),
    "dollars with braces": ("a.yaml", "i: cargoship://app\na: '", "${", "'\n"),
    "variables in variables": ("compose.yaml", "services:\n  w:\n    image: cargoship://app\n    command:\n", "    - ${A:-${B:-x}}\n", ""),
    "references": ("a.yaml", "", "- cargoship://app\n", ""),
    "references without end": ("a.txt", "", "cargoship://app ", ""),
    "references in JSON": ("a.json", "[", '"cargoship://app",', "1]"),
    "references hidden by escapes": ("a.yaml", "", '- "\\x63argoship://app"\n', ""),
    "what may follow a reference": ("a.txt", "cargoship://app", "}", ""),
    "parts of a name": ("a.txt", "cargoship://app ", "a.", "!"),
    "empty lists": ("a.yaml", "[cargoship://app,", "[],", "1]"),
    "lists of lists": ("a.yaml", "[cargoship://app,", "[" * 60 + "]" * 60 + ",", "1]"),
    "items": ("a.yaml", "[cargoship://app,", "a,", "1]"),
    "tables in braces": ("a.yaml", "[cargoship://app,", "{},", "1]"),
    "tables for keys": ("a.yaml", "i: cargoship://app\nb: [", "{{a}: b},", "1]"),
    "a template's braces": ("a.yaml", "i: cargoship://app\n", "a: {{ .x }}\n", ""),
    "lists in JSON": ("a.json", '["cargoship://app",', "[],", "1]"),
    "JSON after JSON": ("a.json", '"cargoship://app"', "{}", ""),
    "keys": ("a.yaml", "i: cargoship://app\n", "a: b\n", ""),
    "documents": ("a.yaml", "cargoship://app\n", "---\na\n", ""),
    "objects": ("a.yaml", "", "---\nkind: Pod\nspec: {containers: [{image: cargoship://app}]}\n", ""),
    "services": ("compose.yaml", "services:\n", "  s%d: {image: cargoship://app, platform: linux/amd64, ports: ['${A}:80']}\n", ""),
    "services that merge": ("compose.yaml", "x: &b {image: cargoship://app}\nservices:\n", "  s%d: {<<: [*b, *b]}\n", ""),
    "builds of elsewhere": ("compose.yaml", "services:\n  a: {image: cargoship://app}\n", "  s%d: {build: $X}\n", ""),
    "services that extend": ("compose.yaml", "services:\n  a: {image: cargoship://app}\n", "  s%d: {extends: {file: $X}}\n", ""),
    "anchors": ("a.yaml", "i: cargoship://app\nb:\n", "- &a%d x\n", ""),
    "aliases": ("a.yaml", "i: &a cargoship://app\nb: [", "*a,", "1]\n"),
    "anchors of lists, and aliases": ("a.yaml", "i: cargoship://app\nb:\n", "- &a%d [x]\n- *a%d\n", ""),
    "services of one anchor": ("compose.yaml", "x: &b\n  image: cargoship://app\nservices:\n", "  s%d:\n    <<: *b\n", ""),
    "images of a kustomization": ("kustomization.yaml", "images:\n", "- {name: a, newName: 'cargoship://app#name', newTag: v1}\n", ""),
    "builds": ("compose.yaml", "services:\n", "  s%d: {build: app, platform: linux/amd64}\n", ""),
    "builds of blocks, beside images": ("compose.yaml", "services:\n", "  s%d:\n    build: app\n    image: x\n", ""),
    "builds in JSON": ("compose.json", '{"services": {', '"s%d": {"build": "app"}, ', '"z": {}}}'),
    "a table that is merged again and again": ("compose.yaml", "x: &a {build: app}\nservices:\n  s: {<<: [", "*a,", "*a]}\n"),
    "empty documents": ("a.yaml", "cargoship://app\n", "---\n", ""),
    "texts in JSON": ("a.json", '["cargoship://app",', '"",', "1]"),
    "words in a template that is read as text": ("a.yaml", "i: cargoship://app\n{{ if }}\n", "${{[(", ""),
}  # fmt: skip


def _steps(place: Workplace, name: str, text: str) -> int:
    """How many functions are called to resolve a document: what it costs, on any machine."""
    count = 0

    def seen(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(seen)
    try:
        (document,) = place.resolve((name, text.encode())).documents
    finally:
        sys.setprofile(None)
    assert b"registry.example.com" in document.data
    return count


@pytest.mark.parametrize("shape", HOSTILE.values(), ids=HOSTILE)
def test_a_document_costs_what_its_text_is_long(place: Workplace, shape: tuple[str, str, str, str]) -> None:
    """A megabyte of brackets took several seconds: all of it was gone through for each question that was asked."""
    name, head, again, tail = shape

    def text(size: int) -> str:
        return head + "".join(again.replace("%d", str(number)) for number in range(size // len(again))) + tail

    _steps(place, name, text(100))
    small, large = _steps(place, name, text(4_000)), _steps(place, name, text(8_000))
    assert large < 2.2 * small
    # a million characters by this many calls is what an ordinary processor does in a second
    assert large - small < 4_000 * 10


class Copied(str):
    """A text that counts the characters that are taken out of it."""

    __slots__ = ("characters",)
    characters: int

    def __getitem__(self, which: SupportsIndex | slice) -> str:
        taken = super().__getitem__(which)
        self.characters += len(taken)
        return taken


def test_a_wrong_image_in_a_long_line_is_found_where_it_stands(tmp_path: Path) -> None:
    """Each image before it was looked at with all of the line behind it: three minutes for 20,000 of them."""

    def copied(size: int) -> int:
        pod = '{kind: Pod, apiVersion: v1, spec: {containers: [{image: "%scargoship://app"}]}}'
        text = "kind: List\napiVersion: v1\nitems: [" + f"{pod % ''}, " * size + f"{pod % 'docker://'}]\n"
        source = SourceFile("a.yaml", text.encode(), tmp_path, Path("a.yaml"))
        found = scan(source, Format.AUTO, None, lambda _: None)
        page = Copied(text)
        page.characters = 0
        with pytest.raises(DocumentInvalid, match="docker://cargoship://app would be no image"):
            refuse_parts(replace(found, page=Page("a.yaml", page)))
        return page.characters

    assert copied(400) < 2.2 * copied(200)


def test_a_large_document_is_read_once(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the time went into reading what was written, where nothing could have gone wrong."""
    read: list[str] = []

    def loader(text: str) -> yaml.CSafeLoader:
        read.append(text)
        return real(text)

    real = yaml.CSafeLoader
    monkeypatch.setattr(yaml, "CSafeLoader", loader)
    place.resolve(("a.yaml", b"image: 'cargoship://app'\nb: cargoship://app#digest\n"))
    assert len(read) == 1
    # as most people write them
    for services in (b"{app: {build: app}}", b"\n  app:\n    build: app\n    pull_policy: build\n    image: 'x'\n"):
        read.clear()
        place.resolve(("compose.yaml", b"services: " + services))
        assert len(read) == 1
    # a comment, which is no reason to refuse anything, and an escape, which could be
    for more in (b"# cargoship://app\n", b'c: "\\t"\n'):
        read.clear()
        place.resolve(("a.yaml", b"image: cargoship://app\n" + more))
        assert len(read) == 2


POD = '{"kind": "Pod", "metadata": {"labels": {"app": "%s"}}, "image": "cargoship://app"}'


def test_a_selector_takes_documents_out_of_a_stream_of_json(place: Workplace) -> None:
    stream = (POD % "web") + "\n" + (POD % "db") + "\n" + (POD % "web")
    (document,) = place.resolve(("a.json", stream.encode()), selector="app=web").documents
    assert [json.loads(line)["metadata"]["labels"]["app"] for line in document.data.splitlines()] == ["web", "web"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"kind": "List", "items": [%s]}' % (POD % "web")),
        ("a.json", "[%s]" % (POD % "web")),
        ("a.yaml", "- kind: Pod\n  metadata: {labels: {app: web}}\n"),
        ("a.yaml", "kind: PodList\nitems: []\n"),
    ],
)
def test_a_selector_refuses_what_holds_several_objects(place: Workplace, name: str, text: str) -> None:
    with pytest.raises(UsageError, match="-l cannot take a"):
        place.resolve((name, text.encode()), selector="app=web")


def test_labels_that_come_by_a_merge_key_count(place: Workplace) -> None:
    text = "x: &l {app: web, tier: a}\nkind: Pod\nmetadata: {labels: {<<: *l, tier: b}}\nimage: cargoship://app\n"
    assert place.resolve(("a.yaml", text.encode()), selector="app=web,tier=b").documents[0].data
    assert not place.resolve(("a.yaml", text.encode()), selector="tier=a").documents[0].data


COMPOSE: dict[str, tuple[str, str]] = {
    "a policy that asks for a build": (
        "services:\n  app:\n    build: app\n    pull_policy: build # x\n",
        'services:\n  app:\n    image: "%R"\n    x-build: app\n    x-pull_policy: build # x\n',
    ),
    "another policy stays": (
        "services:\n  app:\n    build: app\n    pull_policy: always\n",
        'services:\n  app:\n    image: "%R"\n    x-build: app\n    pull_policy: always\n',
    ),
    "an x-build that is there": (
        "services:\n  app:\n    x-build: old\n    x-build-2: older\n    build: app\n",
        'services:\n  app:\n    x-build: old\n    x-build-2: older\n    image: "%R"\n    x-build-3: app\n',
    ),
    "a build beside an image with a default": (
        "services:\n  app:\n    image: ${IMAGE:-me/app} # kept\n    build: {context: app}\n    profiles: [a]\n",
        "services:\n  app:\n    image: %R # kept\n    x-build: {context: app}\n    profiles: [a]\n",
    ),
    "a build that comes by two anchors": (
        "x-a: &a {build: ./app}\nx-b: &b\n  <<: *a\nservices:\n  app:\n    <<: *b\n",
        'x-a: &a {image: "%R", x-build: ./app}\nx-b: &b\n  <<: *a\nservices:\n  app:\n    <<: *b\n',
    ),
    "a service that is extended within the file": (
        "services:\n  app:\n    build: app\n  two:\n    extends: app\n",
        'services:\n  app:\n    image: "%R"\n    x-build: app\n  two:\n    extends: app\n',
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COMPOSE.values(), ids=COMPOSE)
def test_what_stands_beside_a_build(place: Workplace, case: tuple[str, str]) -> None:
    (document,) = place.resolve(("compose.yaml", case[0].encode())).documents
    assert document.data.decode() == case[1].replace("%R", place.reference("app"))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("services:\n  web:\n    extends: {file: base.yaml, service: app}\n", "compose.yaml:3:21: app is built of what base.yaml:3:5 says"),
        ("include: [base.yaml]\nservices: {}\n", "compose.yaml:1:11: app is built"),
        ("include:\n- path: [other.yaml, base.yaml]\nservices: {}\n", "compose.yaml:2:22: app is built"),
    ],
)  # fmt: skip
def test_builds_of_files_that_compose_reads_by_itself_are_not_passed_over(
    place: Workplace, text: str, where: str
) -> None:
    (place.root / "base.yaml").write_text("services:\n  app:\n    build: app\n  db: {image: x}\n")
    with pytest.raises(DocumentInvalid) as caught:
        place.resolve(("compose.yaml", text.encode()))
    assert caught.value.message.startswith(where)
    (place.root / "base.yaml").write_text("services:\n  app:\n    image: postgres\n")
    assert place.resolve(("compose.yaml", text.encode())).documents[0].data == text.encode()


OTHERS = {
    "deep.yaml": "services:\n  app:\n    build: ../app\n  quiet: {image: x}\n",
    "reference.yaml": "services:\n  app: {image: 'cargoship://app'}\n",
    "extending.yaml": "services:\n  web:\n    extends: {file: deep.yaml, service: app}\n  two: {extends: web}\n  quiet: {image: x}\n",
    "including.yaml": "include: [deep.yaml]\nservices: {}\n",
    "here.yaml": "services:\n  app: {build: app}\n",
    "round.yaml": "include: [./x/../round2.yaml]\nservices: {}\n",
    "round2.yaml": "include:\n- path: [round.yaml]\nservices: {}\n",
    "self.yaml": "services:\n  a: {extends: {file: self.yaml, service: b}}\n  b: {extends: {file: self.yaml, service: a}}\n",
    "broken.yaml": "services: [\n",
}


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("include: [sub/including.yaml]\nservices: {}\n", "compose.yaml:1:11: app is built of what sub/deep.yaml:3:5 says"),
        ("include: [sub/extending.yaml]\nservices: {}\n", "compose.yaml:1:11: app is built of what sub/deep.yaml:3:5 says"),
        ("include:\n- {path: sub/reference.yaml}\nservices: {}\n", "compose.yaml:2:10: app is built of what sub/reference.yaml:2:9 says"),
        ("services:\n  a:\n    extends: {file: ./sub/extending.yaml, service: two}\n", "compose.yaml:3:21: app is built of what sub/deep.yaml:3:5"),
        ("include:\n- path: sub/here.yaml\n  project_directory: .\nservices: {}\n", "compose.yaml:2:9: app is built of what sub/here.yaml:2:9 says"),
        ("include: [sub/round.yaml]\nservices: {}\n", "compose.yaml:1:11: this goes in a circle: sub/round.yaml -> sub/round2.yaml -> sub/round.yaml"),
        ("services:\n  a: {extends: {file: sub/self.yaml, service: a}}\n", "compose.yaml:2:23: this goes in a circle: a of sub/self.yaml -> b of sub/self.yaml -> a of"),
        ("include: [sub/broken.yaml]\nservices: {}\n", "sub/broken.yaml:2:1: this is no YAML"),
    ],
)  # fmt: skip
def test_what_compose_reads_by_itself_is_followed_through_folders(place: Workplace, text: str, where: str) -> None:
    (place.root / "sub").mkdir()
    for name, content in OTHERS.items():
        (place.root / "sub" / name).write_text(content)
    with pytest.raises(DocumentInvalid) as caught:
        place.resolve(("compose.yaml", text.encode()))
    assert caught.value.message.startswith(where)


@pytest.mark.parametrize(
    ("text", "each"),
    [
        ("include: [0.yaml]\nservices: {}\n", "include: [%d.yaml]\nservices: {}\n"),
        ("services: {a: {extends: {file: 0.yaml, service: a}}}\n", "services: {a: {extends: {file: %d.yaml, service: a}}}\n"),
    ],
)  # fmt: skip
def test_a_chain_of_files_that_is_deeper_than_pythons_stack_is_refused(place: Workplace, text: str, each: str) -> None:
    for number in range(480):
        (place.root / f"{number}.yaml").write_text(each % (number + 1))
    with pytest.raises(
        DocumentInvalid, match=r"^compose.yaml:1:\d+: this leads through more than 50 files or services"
    ):
        place.resolve(("compose.yaml", text.encode()))


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("none.yaml", "No such file"),
        ("folder.yaml", "Is a directory"),
        ("pipe.yaml", "it is no regular file"),
        ("latin1.yaml", "it is no UTF-8"),
        ("'${A}.yaml'", "its name depends on a variable"),
        ('"\\0"', "no file is called so"),
        ("/dev/zero", "it is no regular file"),
        ("../../../../../../../../dev/stdin/x", ""),
    ],
)
@pytest.mark.parametrize(
    "way", ["include: [%s]\nservices: {}\n", "services:\n  a:\n    extends: {file: %s, service: a}\n"]
)
def test_a_file_that_cannot_be_looked_into_is_reported(place: Workplace, way: str, name: str, why: str) -> None:
    (place.root / "folder.yaml").mkdir()
    os.mkfifo(place.root / "pipe.yaml")
    (place.root / "latin1.yaml").write_bytes(b"services: {a: {image: \xe9}}\n")
    text = way % name
    assert place.resolve(("compose.yaml", text.encode())).documents[0].data == text.encode()
    notes = [event.text for event in place.events if isinstance(event, Note)]
    assert any("is not looked into: " in text and why in text for text in notes), notes


@pytest.mark.parametrize(
    "build",
    ["image: cargoship://app", "build: app", "image: ${IMAGE:-cargoship://app}", "image: '${A:-${B-cargoship://app}}'"],
)
def test_a_services_platform_is_one_that_is_built(place: Workplace, build: str) -> None:
    text = f"services:\n  app:\n    {build}\n    platform: linux/%s\n"
    for platform in ("amd64", "arm64", "arm64/v8"):
        place.resolve(("compose.yaml", (text % platform).encode()))
    with pytest.raises(UsageError) as caught:
        place.resolve(("compose.yaml", (text % "s390x").encode()))
    assert caught.value.message.startswith("compose.yaml:4:15: the service runs on linux/s390x")


@pytest.mark.parametrize("platform", ["amd64", "Linux/x86_64", "aarch64", "linux", "linux/arm64/8", "arm64"])
def test_a_services_platform_may_be_written_as_containerd_takes_it(place: Workplace, platform: str) -> None:
    """An architecture or a system may stand alone: `platform: amd64` was refused."""
    text = f"services:\n  app:\n    image: cargoship://app\n    platform: {platform}\n"
    assert b"registry.example.com" in place.resolve(("compose.yaml", text.encode())).documents[0].data


@pytest.mark.parametrize("platform", ["s390x", "windows", "windows/amd64", "///", "64", "linux/arm64/v9"])
def test_another_platform_of_a_service_is_refused(place: Workplace, platform: str) -> None:
    text = f"services:\n  app:\n    image: cargoship://app\n    platform: {platform}\n"
    with pytest.raises(UsageError, match="the service runs on"):
        place.resolve(("compose.yaml", text.encode()))


def test_the_files_that_compose_would_read(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    for name in ("docker-compose.yml", "docker-compose.yaml", "compose.override.yaml", "docker-compose.override.yaml"):
        (tmp_path / name).touch()
    assert compose_files(tmp_path, {}) == ("docker-compose.yml", "compose.override.yaml")
    assert compose_files(below, {}) == tuple(
        str(tmp_path / name) for name in ("docker-compose.yml", "compose.override.yaml")
    )
    (tmp_path / ".env").write_text("# x\nexport COMPOSE_FILE='one.yaml:two.yaml'\n")
    assert compose_files(tmp_path, {}) == (str(tmp_path / "one.yaml"), str(tmp_path / "two.yaml"))
    reported = {"COMPOSE_FILE": "x.yaml;/y.yaml", "COMPOSE_PATH_SEPARATOR": ";"}
    assert compose_files(tmp_path, reported) == (str(tmp_path / "x.yaml"), "/y.yaml")


def task(place: Workplace, name: str, data: bytes) -> bytes:
    """What would be registered."""
    source = SourceFile(name, data, place.root, Path(name))
    context = place.context()
    prepared = prepare(ResolveRequest((source,), (place.root,), Selection(place.root)), context, place.builder)
    ecs.check_platforms(prepared)
    return ecs.task_input(ResolvedDocument(name, Path(name), data))


TASK = '{"containerDefinitions": [{"image": "cargoship://app"}]%s}'


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("task.json", b"\xef\xbb\xbf" + (TASK % "").encode()),
        ("task.yaml", b"\xef\xbb\xbf" + (TASK % "").encode()),
        ("task.yaml", b"\xef\xbb\xbfcontainerDefinitions:\n- image: cargoship://app\n"),
        ("task.yaml", (TASK % "").replace(" ", "\t").encode()),
        ("task.json", (TASK % ', "runtimePlatform": null, "requiresCompatibilities": null').encode()),
    ],
)
def test_a_task_definition_is_read_however_it_is_saved(place: Workplace, name: str, data: bytes) -> None:
    assert json.loads(task(place, name, data)) == json.loads(TASK % "") | {
        key: None for key in ("runtimePlatform", "requiresCompatibilities") if key.encode() in data
    }


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("task.yaml", "containerDefinitions:\n- image: cargoship://app\n  x: !Ref Y\n", "task.yaml:3:6: the tag !Ref"),
        ("task.yaml", "containerDefinitions: []\nx: !Sub {a: b}\n", "task.yaml:2:4: the tag !Sub"),
        ("task.json", TASK % ', "runtimePlatform": "ARM64"', "runtimePlatform is 'ARM64'"),
        ("task.json", TASK % ', "runtimePlatform": {"cpuArchitecture": ["ARM64"]}', "cpuArchitecture is ['ARM64']"),
        ("task.json", TASK % ', "runtimePlatform": {"operatingSystemFamily": 7}', "the task runs on 7"),
        ("task.json", TASK % ', "runtimePlatform": {"operatingSystemFamily": ["A"]}', "the task runs on ['A']"),
        ("task.json", "{}\n{}\n", "one document, and here are 2"),
        ("task.json", TASK % ', "taskDefinitionArn": "arn:x", "revision": 3', "taskDefinitionArn"),
        ("task.json", TASK % ', "status": "ACTIVE"', "registers no definition with status"),
        ("task.json", '{"taskDefinition": ' + TASK % "" + "}", "an answer of Amazon ECS"),
        ("task.txt", TASK % "", "neither JSON nor YAML"),
        ("task.yaml", "a\n", "no containerDefinitions"),
        ("task.yaml", "? [a]\n: b\ncontainerDefinitions: []\n", "task.yaml:1:3: a key that is no text"),
    ],
)
def test_a_task_definition_that_cannot_be_registered_is_refused(
    place: Workplace, name: str, text: str, words: str
) -> None:
    with pytest.raises(CargoshipError) as caught:
        task(place, name, text.encode())
    assert words in caught.value.message


def test_what_aws_would_refuse_after_a_push_is_warned_about_before(place: Workplace) -> None:
    text = TASK % ', "excutionRoleArn": "arn:x", "x-common": {}, "family": "web", "enableFaultInjection": true'
    source = SourceFile("task.json", text.encode(), place.root, Path("task.json"))
    request = ResolveRequest((source,), (place.root,), Selection(place.root))
    said = [note.text for note in ecs.warnings_of(prepare(request, place.context(), place.builder))]
    unknown = "task.json: a task definition is not known to have {}, and aws refuses what it does not know"
    meant = '; did you mean "executionRoleArn"?'
    assert said == [unknown.format("excutionRoleArn") + meant, unknown.format("x-common")]


@pytest.mark.parametrize("is_wrapped", [True, False])
def test_an_answer_of_ecs_is_told_how_it_becomes_a_definition(place: Workplace, *, is_wrapped: bool) -> None:
    answered = TASK % ', "taskDefinitionArn": "arn:x", "status": "ACTIVE"'
    with pytest.raises(DocumentInvalid) as caught:
        task(place, "task.json", (f'{{"taskDefinition": {answered}}}' if is_wrapped else answered).encode())
    taken = ".taskDefinition" if is_wrapped else "."
    assert f"jq '{taken} | del(.taskDefinitionArn, .status)' task.json" in (caught.value.hint or "")


def test_an_answer_of_ecs_that_comes_by_a_pipe_goes_on_by_one(place: Workplace) -> None:
    """The command named a file by the name of stdin."""
    with pytest.raises(DocumentInvalid) as caught:
        task(place, "stdin", (TASK % ', "status": "ACTIVE"').encode())
    assert "| jq '. | del(.status)' | cargoship deploy -f -" in (caught.value.hint or "")


def test_a_system_in_another_spelling_is_told_the_right_one(place: Workplace) -> None:
    with pytest.raises(CargoshipError) as caught:
        task(place, "task.json", (TASK % ', "runtimePlatform": {"operatingSystemFamily": "linux"}').encode())
    assert "LINUX" in (caught.value.hint or "")


def value(text: str) -> Any:  # noqa: ANN401 - whatever a document says
    (read,) = read_documents(text, "a.yaml", "cargoship://")
    return value_of(read.root, Page("a.yaml", text))


def test_values_of_yaml_reach_json_as_they_were_written() -> None:
    assert value("[0755, 22:22, on, yes, 1_000, 0x1F, 2001-01-01, .5, +1]") == [
        "0755", "22:22", "on", "yes", "1_000", "0x1F", "2001-01-01", ".5", "+1",
    ]  # fmt: skip
    assert value("[1, -2, 1.5, 1e3, true, False, null, ~, '1', !!str 1]") == [
        1, -2, 1.5, 1000.0, True, False, None, None, "1", "1",
    ]  # fmt: skip
    assert value("a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}\n") == {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}


def test_a_document_that_swells_is_refused() -> None:
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    for text in (bomb, "[" * 5000 + "]" * 5000):
        with pytest.raises(DocumentInvalid, match=r"more than is accepted|nested too deeply"):
            value(text)


PIECES = (
    "\n", " ", ":", "- ", "#", "'", '"', "[", "]", "{", "}", ",", "&a ", "*a", "!Ref ", "!!int ", "|", "\t", "\\", "%",
    "---\n", "? ", "<<: ", "cargoship://app", "runtimePlatform: ", "null", "0x", "\ufeff", "\0", "\ud7ff", "1" * 400,
)  # fmt: skip
CUTS = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 9), st.sampled_from(PIECES)), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(
    shape=st.sampled_from(sorted(SHAPES.values())),
    cuts=CUTS,
    selector=st.sampled_from([None, "app=web"]),
    name=st.sampled_from(["", "a.yaml", "a.json", "stdin", "a.txt"]),
)
def test_no_document_is_a_fault_of_ours(
    tmp_path_factory: pytest.TempPathFactory,
    shape: tuple[str, str],
    cuts: list[tuple[int, int, str]],
    selector: str | None,
    name: str,
) -> None:
    place = Workplace(tmp_path_factory.getbasetemp() / "workplace", {"app": ["app"]})
    text = shape[1].replace("@@", "cargoship://app")
    for start, length, piece in cuts:
        text = text[:start] + piece + text[start + length :]
    for work in (
        lambda: place.resolve((name or shape[0], text.encode()), selector=selector),
        lambda: task(place, name or shape[0], text.encode()),
    ):
        try:
            work()
        except CargoshipError as error:
            assert error.message  # noqa: PT017 - either outcome is right


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=60), name=st.sampled_from(["a.yaml", "a.json", "a.toml"]))
def test_no_bytes_are_a_fault_of_ours(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / name).write_bytes(data)
    for argv in (("resolve", "-f", name), ("deploy", "--print", "-f", name), ("inspect", name), ("verify", name)):
        out, err = io.StringIO(), io.StringIO()
        code = main(argv, World({"HOME": str(folder), "CARGOSHIP_CACHE_DIR": str(folder / "c")}, folder, out, err))
        assert code != 70, err.getvalue()


def test_a_format_that_is_said_is_the_one_that_counts(place: Workplace) -> None:
    text = 'image: {{ .Values.image | default "cargoship://app" | quote }}\n'
    (document,) = place.resolve(("a.yaml", text.encode()), form=Format.TEXT).documents
    assert document.data.decode() == text.replace("cargoship://app", place.reference("app"))
