// The room in 3D: floor, cameras and people. z is up, metres.
import { THREE, OrbitControls } from "nicegui-scene";

const MAX_PEOPLE = 32;
const JOINT_M = 0.028, BONE_M = 0.016, FILLED = 0.55; // filled joints are thinner, and grey
const SIGMAS = 2, COVARIANCE = 3; // of the ellipsoids of uncertainty; its first column of a joint's twelve
const TRAIL_MS = 3000, TRAIL_POINTS = 200; // of each person
const FRAME_MS = 1000 / 60, PIXEL = new Uint8Array(4);
const REST_MS = 100; // at the most
const SLOW_MS = 1000 / 30; // between pictures where no graphics card draws them
const GREY = new THREE.Color(0.6, 0.62, 0.65);
const THEMES = {
  dark: { ground: 0x14171c, line: 0x3a4048, axis: 0x707d8f, camera: 0x8c9eb8 },
  light: { ground: 0xf3f4f6, line: 0xc9ced6, axis: 0x8a94a3, camera: 0x55647a },
};
const STATES = { alive: 0x5fb87a, late: 0xd9a520, missing: 0xe05a55 };

export class Room {
  // `room` as services/dashboard/room.py makes it.
  constructor(holder, room) {
    this.holder = holder;
    this.room = room;
    this.level = new THREE.Matrix3().set(...room.level); // people come in the world's axes
    this.labels = new Map();
    this.people = [];
    this.follow = null;
    this.slow = drawsInSoftware(); // edges that are smooth cost it half of its pictures
    this.renderer = new THREE.WebGLRenderer({ antialias: !this.slow, powerPreference: "high-performance" });
    this.renderer.setPixelRatio(this.slow ? 1 : Math.min(window.devicePixelRatio, 2));
    holder.append(this.renderer.domElement);
    this.renderer.domElement.setAttribute("aria-label", "3D view of the room");
    this.overlay = document.createElement("div");
    this.overlay.className = "mv-labels";
    holder.append(this.overlay);

    this.scene = new THREE.Scene();
    this.camera = new THREE.PerspectiveCamera(50, 1, 0.05, 200);
    this.camera.up.set(0, 0, 1);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.addEventListener("change", () => this.draw());
    this.scene.add(new THREE.HemisphereLight(0xffffff, 0x777788, 2.4));
    const sun = new THREE.DirectionalLight(0xffffff, 1.2);
    sun.position.set(3, -4, 8);
    this.scene.add(sun);

    this.joints = this.instances(new THREE.IcosahedronGeometry(1, 1), MAX_PEOPLE * room.joints);
    this.bones = this.instances(new THREE.CylinderGeometry(1, 1, 1, 6, 1, true), MAX_PEOPLE * room.bones.length);
    this.ellipsoids = this.instances(new THREE.IcosahedronGeometry(1, 2), MAX_PEOPLE * room.joints);
    Object.assign(this.ellipsoids.material, { transparent: true, opacity: 0.3, depthWrite: false });
    this.layers = { uncertainty: false, trails: false };
    this.trails = new Map(); // of each person, where they were: {at, place}
    this.trailLines = this.lineBuffer(2 * MAX_PEOPLE * TRAIL_POINTS);
    this.frusta = room.cameras.map((camera) => this.frustum(camera));
    this.showAll();
    this.resizer = new ResizeObserver(() => this.resize());
    this.resizer.observe(holder);
    this.setTheme(document.body.classList.contains("body--dark"));
    this.themes = new MutationObserver(() => this.setTheme(document.body.classList.contains("body--dark")));
    this.themes.observe(document.body, { attributes: true, attributeFilter: ["class"] });
    this.resize();
  }

  instances(geometry, count) {
    const mesh = new THREE.InstancedMesh(geometry, new THREE.MeshLambertMaterial(), Math.max(count, 1));
    mesh.instanceMatrix.setUsage(THREE.DynamicDrawUsage);
    mesh.setColorAt(0, GREY);
    mesh.count = 0;
    mesh.frustumCulled = false;
    this.scene.add(mesh);
    return mesh;
  }

  // Lines of which only the first are drawn.
  lineBuffer(vertices) {
    const geometry = new THREE.BufferGeometry();
    for (const name of ["position", "color"]) {
      geometry.setAttribute(name, new THREE.BufferAttribute(new Float32Array(3 * vertices), 3).setUsage(THREE.DynamicDrawUsage));
    }
    geometry.setDrawRange(0, 0);
    const lines = new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ vertexColors: true }));
    lines.frustumCulled = false;
    this.scene.add(lines);
    return lines;
  }

  frustum({ name, points, lines }) {
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.Float32BufferAttribute(points.flat(), 3));
    geometry.setIndex(lines.flat());
    const shape = new THREE.LineSegments(geometry, new THREE.LineBasicMaterial());
    this.scene.add(shape);
    return { name, shape, at: new THREE.Vector3(...points[0]), state: "" };
  }

  setTheme(dark) {
    this.theme = THEMES[dark ? "dark" : "light"];
    this.scene.background = new THREE.Color(this.theme.ground);
    if (this.floor) this.scene.remove(this.floor);
    this.floor = this.room.floor ? this.grid(...this.room.floor) : new THREE.Group();
    this.scene.add(this.floor);
    this.colourCameras();
    this.draw();
  }

  grid(x0, y0, x1, y1) {
    const places = [], colours = [];
    const line = (a, b, colour) => {
      places.push(...a, 0, ...b, 0);
      for (let i = 0; i < 2; i++) colours.push(colour.r, colour.g, colour.b);
    };
    const plain = new THREE.Color(this.theme.line), axis = new THREE.Color(this.theme.axis);
    for (let x = x0; x <= x1; x++) line([x, y0], [x, y1], x === 0 ? axis : plain);
    for (let y = y0; y <= y1; y++) line([x0, y], [x1, y], y === 0 ? axis : plain);
    const geometry = new THREE.BufferGeometry();
    geometry.setAttribute("position", new THREE.Float32BufferAttribute(places, 3));
    geometry.setAttribute("color", new THREE.Float32BufferAttribute(colours, 3));
    return new THREE.LineSegments(geometry, new THREE.LineBasicMaterial({ vertexColors: true }));
  }

  setCameraStates(states) {
    for (const one of this.frusta) one.state = states[one.name] ?? "";
    this.colourCameras();
    this.draw();
  }

  colourCameras() {
    for (const { shape, state } of this.frusta) shape.material.color.set(STATES[state] ?? this.theme.camera);
  }

  // `poses` as of decodePoses; people that have not one known joint are not drawn.
  setPeople({ people, joints, places, columns, filledColumn }) {
    const { bones, sides } = this.room;
    let balls = 0, tubes = 0, clouds = 0;
    this.people = [];
    const matrix = new THREE.Matrix4(), colour = new THREE.Color();
    const known = (at) => Number.isFinite(places[at]) && Number.isFinite(places[at + 1]) && Number.isFinite(places[at + 2]);
    people.slice(0, MAX_PEOPLE).forEach((person, index) => {
      const first = index * joints * columns;
      const at = (joint) => first + joint * columns;
      const point = (joint) => new THREE.Vector3().fromArray(places, at(joint)).applyMatrix3(this.level);
      const filled = (joint) => places[at(joint) + filledColumn] > 0.5;
      const tone = (joint) => this.tone(colour, person.id, sides[joint], filled(joint));
      const top = new THREE.Vector3(0, 0, -Infinity), middle = new THREE.Vector3();
      let seen = 0;
      for (let joint = 0; joint < joints; joint++) {
        if (!known(at(joint))) continue;
        const place = point(joint), size = JOINT_M * (filled(joint) ? FILLED : 1);
        if (place.z > top.z) top.copy(place);
        middle.add(place);
        seen++;
        matrix.makeScale(size, size, size).setPosition(place);
        this.joints.setMatrixAt(balls, matrix);
        this.joints.setColorAt(balls++, tone(joint));
        if (this.layers.uncertainty && columns > COVARIANCE + 6 && this.ellipsoid(matrix, places, at(joint), place)) {
          this.ellipsoids.setMatrixAt(clouds, matrix);
          this.ellipsoids.setColorAt(clouds++, tone(joint));
        }
      }
      for (const [a, b] of bones) {
        if (!known(at(a)) || !known(at(b))) continue;
        const weak = filled(a) || filled(b);
        this.bones.setMatrixAt(tubes, tube(matrix, point(a), point(b), BONE_M * (weak ? FILLED : 1)));
        this.bones.setColorAt(tubes++, tone(filled(a) ? a : b));
      }
      if (seen) this.people.push({ ...person, top, middle: middle.divideScalar(seen) });
    });
    for (const [mesh, count] of [[this.joints, balls], [this.bones, tubes], [this.ellipsoids, clouds]]) {
      mesh.count = count;
      mesh.instanceMatrix.needsUpdate = true;
      if (mesh.instanceColor) mesh.instanceColor.needsUpdate = true;
    }
    this.drawTrails();
    const followed = this.people.find((person) => person.id === this.follow);
    if (followed) {
      const step = followed.middle.clone().sub(this.controls.target).multiplyScalar(0.2);
      this.camera.position.add(step);
      this.controls.target.add(step);
    }
    this.draw();
  }

  // What stretches a ball to two standard deviations of a joint: a root of its covariance, by Cholesky.
  ellipsoid(matrix, places, first, place) {
    const [xx, xy, xz, yy, yz, zz] = places.subarray(first + COVARIANCE, first + COVARIANCE + 6);
    const a = Math.sqrt(xx), b = xy / a, c = xz / a;
    const d = Math.sqrt(Math.max(yy - b * b, 1e-12)), e = (yz - b * c) / d;
    const f = Math.sqrt(Math.max(zz - c * c - e * e, 1e-12));
    if (![a, b, c, d, e, f].every(Number.isFinite)) return false;
    const axes = [[a, b, c], [0, d, e], [0, 0, f]];
    const [x, y, z] = axes.map((axis) => new THREE.Vector3(...axis).applyMatrix3(this.level).multiplyScalar(SIGMAS));
    matrix.makeBasis(x, y, z).setPosition(place);
    return true;
  }

  // Where people went of late, on the floor plan of their middles.
  drawTrails() {
    const now = performance.now(), { position, color } = this.trailLines.geometry.attributes, colour = new THREE.Color();
    for (const { id, middle } of this.layers.trails ? this.people : []) {
      if (!this.trails.has(id)) this.trails.set(id, []);
      this.trails.get(id).push({ at: now, place: middle.clone() });
    }
    let vertices = 0;
    for (const [id, trail] of this.trails) {
      while (trail.length && (!this.layers.trails || now - trail[0].at > TRAIL_MS || trail.length > TRAIL_POINTS)) trail.shift();
      if (!trail.length) this.trails.delete(id);
      colour.set(this.room.palette[id % this.room.palette.length]);
      for (let i = 1; i < trail.length && vertices < position.count - 1; i++) {
        for (const { place } of [trail[i - 1], trail[i]]) {
          position.setXYZ(vertices, place.x, place.y, place.z);
          color.setXYZ(vertices++, colour.r, colour.g, colour.b);
        }
      }
    }
    this.trailLines.geometry.setDrawRange(0, vertices);
    position.needsUpdate = color.needsUpdate = true;
  }

  setLayers(layers) {
    Object.assign(this.layers, layers);
    for (const { shape } of this.frusta) shape.visible = layers.cameras ?? true;
    if (!this.layers.trails) this.drawTrails();
    if (!this.layers.uncertainty) this.ellipsoids.count = 0;
    this.draw();
  }

  tone(colour, person, side, filled) {
    if (filled) return colour.copy(GREY);
    colour.set(this.room.palette[person % this.room.palette.length]);
    if (side > 0) colour.lerp(new THREE.Color(1, 1, 1), 0.35);
    if (side < 0) colour.lerp(new THREE.Color(0, 0, 0), 0.28);
    return colour;
  }

  // The next person, then nobody again.
  followNext() {
    const ids = this.people.map((person) => person.id);
    this.follow = ids[ids.indexOf(this.follow) + 1] ?? null;
  }

  showAll() {
    const [x, y, z] = this.room.target, far = this.room.distance;
    this.look([x, y - 0.8 * far, z + 0.55 * far], [x, y, z]);
  }

  showTop() {
    const [x, y, z] = this.room.target;
    this.look([x, y - 0.001, z + this.room.distance], [x, y, z]);
  }

  showFront() {
    const [x, y, z] = this.room.target;
    this.look([x, y - this.room.distance, z], [x, y, z]);
  }

  // Through a camera, the first is 1.
  showCamera(number) {
    const camera = this.room.cameras[number - 1];
    if (!camera) return;
    const [centre, ...corners] = camera.points.map((point) => new THREE.Vector3(...point));
    const ahead = corners.slice(0, 4).reduce((sum, corner) => sum.add(corner), new THREE.Vector3()).multiplyScalar(0.25);
    const target = centre.clone().add(ahead.sub(centre).normalize().multiplyScalar(0.5 * this.room.distance));
    this.look(centre.toArray(), target.toArray());
  }

  look(from, target) {
    this.camera.position.set(...from);
    this.controls.target.set(...target);
    this.controls.update();
    this.draw();
  }

  // One picture for all that changed since the last one. Drawing rests for half as long as it took: where it is slow,
  // others share the machine, fusion perhaps among them.
  draw() {
    if (this.waiting) return;
    this.waiting = true;
    const soon = () => (this.frame = requestAnimationFrame(() => this.render()));
    const rest = (this.restUntil ?? 0) - performance.now() - FRAME_MS / 2;
    if (rest > 0) this.resting = setTimeout(soon, rest);
    else soon();
  }

  render() {
    const began = performance.now();
    try {
      this.onDraw?.();
    } catch (error) {
      console.error(error); // what cannot be read is left out; drawing goes on
    }
    this.renderer.render(this.scene, this.camera);
    if (this.slow) this.waitUntilDrawn();
    this.placeLabels();
    const now = performance.now();
    this.restUntil = Math.max(now + Math.min((now - began) / 2, REST_MS), this.slow ? began + SLOW_MS : 0);
    this.waiting = false;
    this.onDrawn?.();
  }

  // What has been drawn in software takes the machine's cores until it can be read.
  waitUntilDrawn() {
    const gl = this.renderer.getContext();
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, PIXEL);
  }

  placeLabels() {
    const shown = new Set();
    const put = (key, text, place, kind) => {
      const at = place.clone().project(this.camera);
      if (at.z > 1 || Math.abs(at.x) > 1.1 || Math.abs(at.y) > 1.1) return;
      let label = this.labels.get(key);
      if (!label) {
        label = document.createElement("span");
        label.className = `mv-label ${kind}`;
        this.overlay.append(label);
        this.labels.set(key, label);
      }
      if (label.textContent !== text) {
        label.textContent = text; // as text: names are not HTML
        label.half = label.offsetWidth / 2;
      }
      const inside = (x) => Math.min(Math.max(x, label.half), this.width - label.half);
      const x = inside(((at.x + 1) / 2) * this.width), y = ((1 - at.y) / 2) * this.height;
      label.style.transform = `translate(-50%, -100%) translate(${x.toFixed(1)}px, ${y.toFixed(1)}px)`;
      shown.add(key);
    };
    for (const { id, name, top } of this.people) {
      put(`person ${id}`, name || `${id}`, top.clone().setZ(top.z + 0.12), "mv-person");
    }
    for (const { name, at, shape } of this.frusta) if (shape.visible) put(`camera ${name}`, name, at.clone().setZ(at.z + 0.08), "mv-camera");
    for (const [key, label] of this.labels) {
      if (shown.has(key)) continue;
      label.remove();
      this.labels.delete(key);
    }
  }

  resize() {
    this.width = Math.max(this.holder.clientWidth, 1);
    this.height = Math.max(this.holder.clientHeight, 1);
    this.renderer.setSize(this.width, this.height);
    this.camera.aspect = this.width / this.height;
    this.camera.fov = this.width < this.height ? 72 : 50;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  close() {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.resting);
    this.waiting = true; // for ever
    this.resizer.disconnect();
    this.themes.disconnect();
    this.controls.dispose();
    this.renderer.dispose();
  }
}

// Whether there is no graphics card to draw with.
function drawsInSoftware() {
  const context = document.createElement("canvas").getContext("webgl2");
  const info = context?.getExtension("WEBGL_debug_renderer_info");
  const name = info ? context.getParameter(info.UNMASKED_RENDERER_WEBGL) : "";
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name);
}

// A cylinder (y is its axis) between two points.
const UP = new THREE.Vector3(0, 1, 0), TURN = new THREE.Quaternion();
function tube(matrix, a, b, radius) {
  const along = b.clone().sub(a), length = Math.max(along.length(), 1e-6);
  TURN.setFromUnitVectors(UP, along.divideScalar(length));
  return matrix.compose(a.add(b).multiplyScalar(0.5), TURN, new THREE.Vector3(radius, length, radius));
}
