// A take in 3D with its time line, as a component of NiceGUI. The poses are those of playback_bytes in take_list.py.
import { Room } from "/own/scene3d.js";

const COLUMNS = 4, ROW_PX = 12;
const SPEEDS = [0.25, 0.5, 1, 2, 4];

export default {
  template: `
    <div class="mv-player" tabindex="0" @keydown="key">
      <div ref="stage" class="mv-stage"></div>
      <p v-if="fault" class="mv-alarm" role="alert">{{ fault }}</p>
      <p v-else-if="!loaded" class="mv-quiet" role="status">Reading the take ...</p>
      <div v-show="loaded" class="mv-row mv-transport">
        <button type="button" class="mv-play" :aria-label="playing ? 'Pause' : 'Play'" @click="toggle">
          {{ playing ? "❚❚" : "▶" }}
        </button>
        <output class="mv-figures">{{ now.toFixed(2) }} / {{ duration.toFixed(2) }} s</output>
        <select v-model.number="speed" aria-label="Speed">
          <option v-for="one in speeds" :value="one">{{ one }} ×</option>
        </select>
        <span class="mv-quiet mv-keys-line">Space: play · ←/→: a second · , and . : a frame · A T F P: view</span>
      </div>
      <div v-show="loaded" class="mv-timeline">
        <canvas ref="presence" title="Who was there, and how much of them cameras measured" @pointerdown="pick"></canvas>
        <input type="range" min="0" :max="duration" step="any" :value="now" aria-label="Time" @input="seek($event.target.valueAsNumber)">
      </div>
    </div>`,
  props: { room: Object, url: String },

  data() {
    return { now: 0, duration: 0, playing: false, loaded: false, fault: "", speed: 1, speeds: SPEEDS };
  },

  async mounted() {
    try {
      this.view = new Room(this.$refs.stage, this.room);
      const answer = await fetch(this.url);
      if (!answer.ok) throw new Error(await answer.text());
      this.read(await answer.arrayBuffer());
    } catch (error) {
      this.fault = error.message;
      return;
    }
    this.loaded = true;
    this.seek(0);
    this.$nextTick(() => this.drawPresence());
    this.resizer = new ResizeObserver(() => this.drawPresence());
    this.resizer.observe(this.$el);
  },

  beforeUnmount() {
    cancelAnimationFrame(this.tick);
    this.resizer?.disconnect();
    this.view?.close();
  },

  methods: {
    read(buffer) {
      const size = new DataView(buffer).getUint32(0, true);
      const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
      const places = new Float32Array(buffer, 4 + size);
      let row = 0;
      // Not part of the reactive data: Vue would watch every number.
      this.take = {
        ...header,
        frames: header.counts.map((count) => ({ row, count, end: (row += count) })),
        places,
        width: header.joints * COLUMNS,
      };
      this.duration = header.times.at(-1) ?? 0;
      if (!header.times.length) this.fault = "Nobody is in this take.";
    },

    frameAt(seconds) {
      const { times } = this.take;
      let low = 0, high = times.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (times[middle] <= seconds + 1e-6) low = middle;
        else high = middle - 1;
      }
      return low;
    },

    show(index) {
      const { frames, people, names, joints, places, width } = this.take;
      if (!frames.length) return;
      const { row, count, end } = frames[index];
      this.$el.dataset.frame = index;
      this.$el.dataset.people = count;
      this.view.setPeople({
        people: people.slice(row, end).map((id) => ({ id, name: names[id] ?? "" })),
        joints,
        places: places.subarray(row * width, end * width),
        columns: COLUMNS,
        filledColumn: 3,
      });
    },

    seek(seconds) {
      this.now = Math.min(Math.max(seconds, 0), this.duration);
      const index = this.frameAt(this.now);
      if (index !== this.shown) this.show(index);
      this.shown = index;
    },

    step(frames) {
      this.playing = false;
      const { times } = this.take;
      this.seek(times[Math.min(Math.max(this.shown + frames, 0), times.length - 1)]);
    },

    toggle() {
      this.playing = !this.playing;
      if (this.playing && this.now >= this.duration) this.seek(0);
      this.before = performance.now();
      if (this.playing) this.run();
    },

    run() {
      this.tick = requestAnimationFrame((at) => {
        if (!this.playing) return;
        this.seek(this.now + (Math.max(at - this.before, 0) / 1000) * this.speed);
        this.before = at;
        if (this.now >= this.duration) this.playing = false;
        else this.run();
      });
    },

    // One row for each person; pale where joints were filled or unknown.
    drawPresence() {
      if (!this.take || !this.$refs.presence) return;
      const canvas = this.$refs.presence, { frames, people, joints, places, width, times } = this.take;
      const ids = [...new Set(people)].sort((a, b) => a - b);
      const columns = Math.max(canvas.clientWidth, 1);
      canvas.width = columns;
      canvas.height = Math.max(ids.length, 1) * ROW_PX;
      canvas.style.height = `${canvas.height}px`;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      for (let x = 0; x < columns; x++) {
        const { row, end } = frames[this.frameAt(((x + 0.5) / columns) * this.duration)] ?? { row: 0, end: 0 };
        for (let at = row; at < end; at++) {
          let measured = 0;
          for (let j = 0; j < joints; j++) {
            const place = at * width + j * COLUMNS;
            if (Number.isFinite(places[place]) && places[place + 3] < 0.5) measured++;
          }
          context.fillStyle = this.room.palette[people[at] % this.room.palette.length];
          context.globalAlpha = 0.15 + 0.85 * (measured / joints);
          context.fillRect(x, ids.indexOf(people[at]) * ROW_PX + 1, 1, ROW_PX - 2);
        }
      }
    },

    pick(event) {
      const { left, width } = this.$refs.presence.getBoundingClientRect();
      this.seek(((event.clientX - left) / width) * this.duration);
    },

    key(event) {
      if (!this.loaded || event.ctrlKey || event.metaKey || event.altKey) return;
      const onButton = event.target.tagName === "BUTTON";
      const actions = {
        " ": () => onButton || this.toggle(),
        ArrowLeft: () => this.seek(this.now - 1),
        ArrowRight: () => this.seek(this.now + 1),
        ",": () => this.step(-1),
        ".": () => this.step(1),
        a: () => this.view.showAll(),
        t: () => this.view.showTop(),
        f: () => this.view.showFront(),
        p: () => this.view.followNext(),
      };
      const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!action || event.target.tagName === "SELECT") return;
      if (!onButton) event.preventDefault();
      action();
    },
  },
};
