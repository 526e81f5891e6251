// Skeletons drawn over a camera's picture: thin what the camera itself saw, thick the fused people drawn into it.
const MIN_SCORE = 0.2;
const GREY = "#9a9fa8";
const SEEN = "rgb(255 255 255 / 85%)";

// A canvas as wide as it is shown, sharp on fine screens; gives its context and how many of its pixels one px is.
export function prepare(canvas, size) {
  const sharp = Math.min(window.devicePixelRatio, 2);
  const width = Math.max(1, Math.round(canvas.clientWidth * sharp));
  const height = Math.max(1, Math.round((width * size[1]) / size[0]));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  // Without willReadFrequently Chromium keeps every picture in its GPU process.
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return { context, width, height, sharp, scale: width / size[0] };
}

// One person as a camera saw it: [x, y, score] of each joint, null where it saw none.
export function drawSeen({ context, scale, sharp }, room, joints, large) {
  const known = joints.map((joint) => (joint && joint[2] >= MIN_SCORE ? joint : null));
  lines(context, room, known, scale, (large ? 1.5 : 1) * sharp, () => SEEN);
}

// One fused person: [x, y, 1 where filled] of each joint, null where it is not known.
export function drawFused({ context, scale, sharp }, room, { id, name, joints }, large) {
  const colour = room.palette[id % room.palette.length];
  const tone = (a, b) => (a[2] > 0.5 || b[2] > 0.5 ? GREY : colour);
  lines(context, room, joints, scale, (large ? 3 : 2) * sharp, tone);
  label(context, joints, scale, name || `${id}`, colour, sharp);
}

function lines(context, room, joints, scale, width, colour) {
  context.lineWidth = width;
  context.lineCap = "round";
  for (const [a, b] of room.bones) {
    if (!joints[a] || !joints[b]) continue;
    context.strokeStyle = colour(joints[a], joints[b]);
    context.beginPath();
    context.moveTo((joints[a][0] + 0.5) * scale, (joints[a][1] + 0.5) * scale);
    context.lineTo((joints[b][0] + 0.5) * scale, (joints[b][1] + 0.5) * scale);
    context.stroke();
  }
}

function label(context, joints, scale, text, colour, sharp) {
  const known = joints.filter(Boolean);
  if (!known.length) return;
  const top = known.reduce((best, joint) => (joint[1] < best[1] ? joint : best));
  context.font = `600 ${12 * sharp}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.lineWidth = 3 * sharp;
  context.strokeStyle = "rgb(0 0 0 / 70%)";
  context.fillStyle = colour;
  const x = top[0] * scale, y = top[1] * scale - 8 * sharp;
  context.strokeText(text, x, y);
  context.fillText(text, x, y);
}
