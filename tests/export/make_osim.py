"""Run as a program: a small model as users have them, of a body of other proportions, by OpenSim's interface alone.

A program of its own, as OpenSim's objects crash a process that outlives them.

    python make_osim.py OUT.osim
"""

import os
import sys

import opensim

opensim.Logger.setLevelString("off")
model = opensim.Model()
bodies = {"ground": model.getGround()}
V = opensim.Vec3


def body(kind, name: str, parent: str, at: tuple[float, float, float], joint: str) -> None:
    bodies[name] = opensim.Body(name, 3.0, V(0.0), opensim.Inertia(0.1, 0.1, 0.1))
    model.addBody(bodies[name])
    model.addJoint(kind(joint, bodies[parent], V(*at), V(0.0), bodies[name], V(0.0), V(0.0)))


body(opensim.FreeJoint, "pelvis", "ground", (0.0, 1.0, 0.0), "ground_pelvis")
body(opensim.BallJoint, "torso", "pelvis", (-0.1, 0.1, 0.0), "back")
for side, right in (("r", 1.0), ("l", -1.0)):
    body(opensim.BallJoint, f"femur_{side}", "pelvis", (-0.07, -0.06, 0.08 * right), f"hip_{side}")
    body(opensim.PinJoint, f"tibia_{side}", f"femur_{side}", (0.0, -0.45, 0.0), f"walker_knee_{side}")
    body(opensim.PinJoint, f"talus_{side}", f"tibia_{side}", (0.0, -0.38, 0.0), f"ankle_{side}")
    body(opensim.BallJoint, f"humerus_{side}", "torso", (0.03, 0.40, 0.20 * right), f"acromial_{side}")
    body(opensim.PinJoint, f"ulna_{side}", f"humerus_{side}", (0.0, -0.26, 0.0), f"elbow_{side}")
    body(opensim.WeldJoint, f"hand_{side}", f"ulna_{side}", (0.0, -0.24, 0.0), f"radius_hand_{side}")
    model.addMarker(opensim.Marker(f"{side.upper()}Ankle", bodies[f"talus_{side}"], V(0.0)))
model.finalizeConnections()
for i in range(model.getJointSet().getSize()):
    joint = model.updJointSet().get(i)
    if joint.getConcreteClassName() == "PinJoint":
        joint.upd_coordinates(0).setName(f"{joint.getName()}_angle")
model.printToXML(sys.argv[1])
os._exit(0)
