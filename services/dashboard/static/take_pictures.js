// A take over its videos, in a wall or one large, as a component of NiceGUI: what each camera saw (thin), and the
// fused people drawn into its picture (thick). Follows the player (take_view.js); views are those of view_bytes in
// take_views.py.
import { drawFused, drawSeen, prepare } from "/own/overlay2d.js";
import { TEMPLATE, wall } from "/own/picture_wall.js";

const APART_S = 0.15; // by which a playing video may be off
const SEEN_S = 0.1; // a picture's people are drawn no longer than this

export default {
  mixins: [wall],
  template: TEMPLATE,
  props: { folder: String },

  data() {
    return { films: true };
  },

  mounted() {
    this.views = new Map(); // not part of the reactive data
    this.drawn = 0;
    this.hear = ({ detail }) => this.follow(detail);
    window.addEventListener("mv-take-time", this.hear);
    window.dispatchEvent(new CustomEvent("mv-take-asked"));
  },

  beforeUnmount() {
    this.closed = true;
    window.removeEventListener("mv-take-time", this.hear);
  },

  methods: {
    changed() {
      this.follow();
    },

    // The player is at another moment, or shows another take: one that was edited.
    follow(at = this.at) {
      if (!at) return;
      if (at.take !== this.at?.take) this.views.clear();
      this.at = at;
      for (const camera of this.shown) {
        if (!this.views.has(camera.name)) this.read(camera.name, at.take);
        this.place(camera.name);
      }
      this.redraw();
    },

    async read(name, take) {
      this.views.set(name, null);
      this.states[name] = "reading ...";
      const answer = await fetch(`/views/${this.folder}/${encodeURIComponent(name)}`).catch(() => null);
      if (this.closed || this.at.take !== take) return;
      if (!answer?.ok) {
        this.states[name] = answer ? await answer.text() : "the server does not answer";
        return;
      }
      const buffer = await answer.arrayBuffer(), size = new DataView(buffer).getUint32(0, true);
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
      const people = take.frames.at(-1)?.end ?? 0;
      let first = 0;
      this.views.set(name, {
        ...header,
        fused: new Float32Array(buffer, 4 + size, people * take.joints * 2),
        seen: new Float32Array(buffer, 4 + size + people * take.joints * 8),
        firsts: header.counts.map((count) => (first += count) - count),
      });
      this.states[name] = header.videos.length ? "" : "no video of these moments";
      this.place(name);
      this.redraw();
    },

    // Bring a camera's video to the player's moment.
    place(name) {
      const view = this.views.get(name), video = this.partOf(name, "video");
      if (!view || !video) return;
      const { seconds, playing, speed } = this.at;
      const part = view.videos.find(({ begins, ends }) => seconds >= begins && seconds <= ends + 0.05);
      video.hidden = !part;
      if (!part) return void video.pause();
      const url = `/videos/${this.folder}/${encodeURIComponent(name)}/${part.part}`, target = seconds - part.begins;
      if (!video.src.endsWith(url)) video.src = url;
      const apart = Math.abs(video.currentTime - target);
      if (apart > (playing ? APART_S * speed : 0.001)) video.currentTime = target;
      video.playbackRate = speed;
      if (playing && video.paused) video.play().catch(() => {});
      if (!playing && !video.paused) video.pause();
      view.begins = part.begins;
    },

    // The moment of the picture that a camera's video shows.
    momentOf(name) {
      const view = this.views.get(name), video = this.partOf(name, "video");
      const plays = this.at.playing && video && !video.hidden && !video.paused && video.readyState >= 2;
      return plays ? view.begins + video.currentTime : this.at.seconds;
    },

    redraw() {
      if (!this.at || this.closed) return;
      for (const camera of this.shown) this.draw(camera);
      this.$el.dataset.drawn = ++this.drawn;
    },

    draw({ name, size }) {
      const view = this.views.get(name), canvas = this.partOf(name, "picture");
      if (!view || !canvas) return;
      const sheet = prepare(canvas, size), seconds = this.momentOf(name);
      sheet.context.clearRect(0, 0, sheet.width, sheet.height);
      const seen = this.layers.seen ? this.seenAt(view, seconds) : [];
      const fused = this.layers.fused ? this.fusedAt(view, seconds) : [];
      for (const person of seen) drawSeen(sheet, this.room, person, this.large);
      for (const person of fused) drawFused(sheet, this.room, person, this.large);
      Object.assign(canvas.dataset, { seen: seen.length, fused: fused.length });
    },

    seenAt({ times, counts, firsts, seen }, seconds) {
      const index = before(times, seconds + SEEN_S / 10);
      if (index < 0 || seconds - times[index] > SEEN_S) return [];
      const { joints } = this.at.take;
      return Array.from({ length: counts[index] }, (_, i) => points(seen, (firsts[index] + i) * joints, joints, 3));
    },

    fusedAt({ fused }, seconds) {
      const { take } = this.at, { times, frames, joints, people, names, places, width } = take;
      const index = before(times, seconds + 1e-6);
      if (index < 0 || seconds - times[index] > 2.5 * take.step) return [];
      return Array.from({ length: frames[index].count }, (_, i) => {
        const row = frames[index].row + i, filled = (joint) => places[row * width + 4 * joint + 3];
        const known = points(fused, row * joints, joints, 2).map((xy, joint) => xy && [...xy, filled(joint)]);
        return { id: people[row], name: names[people[row]] ?? "", joints: known };
      });
    },
  },
};

// The last of rising times that is not after a moment; -1 where there is none.
function before(times, seconds) {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= seconds) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

// Rows of so many columns; null where one is not known.
function points(values, first, count, columns) {
  return Array.from({ length: count }, (_, i) => {
    const row = values.subarray((first + i) * columns, (first + i + 1) * columns);
    return row.every(Number.isFinite) ? [...row] : null;
  });
}
