"""Human skeletons: joints, bones, kinematics, actors."""
