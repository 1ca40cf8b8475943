"""What will be done, decided before anything is: pure functions from a project, settings and a request to a Plan.

Everything that can be refused without compiling is refused here. No file is read and no process started.
"""

from __future__ import annotations

from cargoship.plan.choose import Group, choose_packages, without_skipped
from cargoship.plan.facts import ProjectFacts
from cargoship.plan.make import choose_epoch, make_plan
from cargoship.plan.model import BIN_DIR, Cluster, ClusterTool, ImagePlan, Output, OutputKind, Plan, Selection
from cargoship.plan.render import plan_to_json

__all__ = [
    "BIN_DIR",
    "Cluster",
    "ClusterTool",
    "Group",
    "ImagePlan",
    "Output",
    "OutputKind",
    "Plan",
    "ProjectFacts",
    "Selection",
    "choose_epoch",
    "choose_packages",
    "make_plan",
    "plan_to_json",
    "without_skipped",
]
