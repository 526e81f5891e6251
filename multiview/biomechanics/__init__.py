"""What movement scientists derive from joints: segment frames, joint angles, contacts, steps, centre of mass.

Nothing here is a guess: what the joints do not determine is NaN, and what they do has an uncertainty.
"""
