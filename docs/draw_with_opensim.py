"""Run as a program, by make_program_pictures.py: what OpenSim makes of a model and its motion, as an npz file.

OpenSim's own window cannot be photographed without a display; this asks its model instead.

    python draw_with_opensim.py MODEL.osim MOTION.mot OUT.npz
"""

import sys

import numpy as np
import opensim

opensim.Logger.setLevelString("off")
model = opensim.Model(sys.argv[1])
state = model.initSystem()
table = opensim.TableProcessor(sys.argv[2]).processAndConvertToRadians(model)
coordinates = model.getCoordinateSet()
labels = list(table.getColumnLabels())
bodies, markers = model.getBodySet(), model.getMarkerSet()
joints = model.getJointSet()
bones, places = [], []
for row in np.linspace(0, table.getNumRows() - 1, 7).astype(int):
    values = table.getRowAtIndex(int(row))
    for name, column in ((name, k) for k, name in enumerate(labels)):
        found = [i for i in range(coordinates.getSize()) if coordinates.get(i).getName() == name.split("/")[-1]]
        if found and not coordinates.get(found[0]).getLocked(state):
            coordinates.get(found[0]).setValue(state, values[column], False)
    model.realizePosition(state)
    ends = []
    for i in range(joints.getSize()):
        child = joints.get(i).getChildFrame().findBaseFrame()
        for j in range(joints.getSize()):
            parent = joints.get(j).getParentFrame()
            if parent.findBaseFrame().getName() == child.getName():
                ends.append(
                    [
                        joints.get(i).getChildFrame().getPositionInGround(state).to_numpy(),
                        parent.getPositionInGround(state).to_numpy(),
                    ]
                )
    bones.append(ends)
    places.append([markers.get(i).getLocationInGround(state).to_numpy() for i in range(markers.getSize())])
np.savez(sys.argv[3], bones=np.array(bones), markers=np.array(places))
