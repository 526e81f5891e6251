// A take in 3D with its time line, as a component of NiceGUI. The poses are those of playback_bytes in take_list.py.
import { Room } from "/own/scene3d.js";

const COLUMNS = 4, ROW_PX = 12;
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
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
        <span v-if="errors" class="mv-row mv-worst">
          <button type="button" aria-label="Go to a moment with larger errors (B)" @click="seekWorst">Next bad moment</button>
        </span>
        <span v-if="edits" class="mv-row mv-span">Span to edit:
          <button type="button" aria-label="The span begins here (I)" @click="mark('from')">From here</button>
          <button type="button" aria-label="The span ends here (O)" @click="mark('to')">To here</button>
        </span>
        <span class="mv-quiet mv-keys-line">Space: play · ←/→: a second · ↑/↓: speed · , and . : a frame · B: bad moment · A T F P 1-9: view{{
          edits ? " · I, O, W: span · Ctrl-Z, Ctrl-Y: undo, redo" : "" }}</span>
      </div>
      <div v-show="loaded" class="mv-timeline">
        <canvas ref="presence" title="Who was there, and how much of them cameras measured" @pointerdown="pick"></canvas>
        <canvas v-show="errors" ref="errors" class="mv-errors" title="Reprojection error: the higher, the worse" @pointerdown="pick"></canvas>
        <div v-if="span.to !== null || span.from !== null" class="mv-marked" :style="marked"></div>
        <input type="range" min="0" :max="duration" step="any" :value="now" aria-label="Time" @input="seek($event.target.valueAsNumber)">
      </div>
    </div>`,
  props: { room: Object, url: String, errorsUrl: String, edits: Boolean },
  emits: ["span", "undo", "redo"],

  data() {
    return { now: 0, duration: 0, playing: false, loaded: false, fault: "", speed: 1, speeds: SPEEDS, errors: null,
      span: { from: null, to: null } };
  },

  computed: {
    // Where the span lies under the time line.
    marked() {
      const percent = (seconds) => `${(100 * seconds) / Math.max(this.duration, 1e-6)}%`;
      const from = this.span.from ?? 0, to = this.span.to ?? this.duration;
      return { left: percent(from), width: percent(Math.max(to - from, 0)) };
    },
  },

  async mounted() {
    try {
      this.view = new Room(this.$refs.stage, this.room);
    } catch (error) {
      this.fault = error.message;
      return;
    }
    this.asked = () => this.loaded && this.tell();
    window.addEventListener("mv-take-asked", this.asked);
    await this.reload();
    this.resizer = new ResizeObserver(() => this.drawStrips());
    this.resizer.observe(this.$el);
  },

  beforeUnmount() {
    cancelAnimationFrame(this.tick);
    window.removeEventListener("mv-take-asked", this.asked);
    this.resizer?.disconnect();
    this.view?.close();
  },

  methods: {
    // The take as it is now: at first, and after each edit.
    async reload() {
      try {
        const answer = await fetch(this.url);
        if (!answer.ok) throw new Error(await answer.text());
        this.read(await answer.arrayBuffer());
      } catch (error) {
        this.fault = error.message;
        return;
      }
      this.shown = null;
      this.seek(this.loaded ? this.now : (this.take.times[0] ?? 0));
      this.loaded = true;
      this.$el.dataset.version = Number(this.$el.dataset.version ?? 0) + 1;
      this.$nextTick(() => this.drawStrips());
      await this.readErrors();
    },

    // They take longer than the poses, and the page does without them.
    async readErrors() {
      const answer = this.errorsUrl ? await fetch(this.errorsUrl).catch(() => null) : null;
      const found = answer?.ok ? await answer.json() : { px: [] };
      this.errors = found.px.some((px) => px !== null) ? found : null;
      this.$nextTick(() => this.drawStrips());
    },

    setSpan(from, to) {
      this.span = { from, to };
    },

    mark(end) {
      this.span = { ...this.span, [end]: Math.round(this.now * 1000) / 1000 };
      if (this.span.from !== null && this.span.to !== null && this.span.to <= this.span.from) {
        this.span = { from: end === "from" ? this.span.from : null, to: end === "to" ? this.span.to : null };
      }
      this.$emit("span", this.span);
    },

    unmark() {
      this.span = { from: null, to: null };
      this.$emit("span", this.span);
    },

    changeSpeed(steps) {
      this.speed = SPEEDS[Math.min(Math.max(SPEEDS.indexOf(this.speed) + steps, 0), SPEEDS.length - 1)];
    },

    // The next stretch, after now and round again, whose error is far above the take's median.
    seekWorst() {
      if (!this.errors) return;
      const { px, edges } = this.errors, known = px.filter((one) => one !== null).sort((a, b) => a - b);
      const bad = Math.max(1.5 * known[known.length >> 1], known[Math.floor(0.9 * (known.length - 1))]);
      const at = px.flatMap((one, i) => (one !== null && one >= bad && !(px[i - 1] >= bad) ? [edges[i]] : []));
      this.playing = false;
      if (at.length) this.seek(at.find((seconds) => seconds > this.now + 1e-3) ?? at[0]);
    },

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
        step: median(header.times.slice(1).map((time, i) => time - header.times[i])) ?? 1,
      };
      this.duration = header.times.at(-1) ?? 0;
      this.fault = header.times.length ? "" : "Nobody is in this take.";
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

    // Whether a frame is of this time: between frames that were cut, or where nobody was, there is none.
    isThere(index, seconds) {
      const since = seconds - this.take.times[index];
      return since > -1e-6 && since < 2.5 * this.take.step;
    },

    // A frame, or nobody for -1.
    show(index) {
      const { frames, people, names, joints, places, width } = this.take;
      const { row, count, end } = frames[index] ?? { row: 0, count: 0, end: 0 };
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
      this.index = this.frameAt(this.now);
      const shown = this.isThere(this.index, this.now) ? this.index : -1;
      if (shown !== this.shown) this.show(shown);
      this.shown = shown;
      this.tell();
    },

    // Where the pictures of the take should be (take_pictures.js).
    tell() {
      const { take, now: seconds, playing, speed } = this;
      window.dispatchEvent(new CustomEvent("mv-take-time", { detail: { take, seconds, playing, speed } }));
    },

    step(frames) {
      this.playing = false;
      const { times } = this.take;
      this.seek(times[Math.min(Math.max(this.index + frames, 0), times.length - 1)]);
    },

    toggle() {
      this.playing = !this.playing;
      if (this.playing && this.now >= this.duration) this.seek(this.take.times[0] ?? 0);
      this.before = performance.now();
      if (this.playing) this.run();
      else this.tell();
    },

    run() {
      this.tick = requestAnimationFrame((at) => {
        if (!this.playing) return;
        this.seek(this.now + (Math.max(at - this.before, 0) / 1000) * this.speed);
        this.before = at;
        if (this.now < this.duration) return this.run();
        this.playing = false;
        this.tell();
      });
    },

    drawStrips() {
      this.drawPresence();
      this.drawErrors();
    },

    drawErrors() {
      const canvas = this.$refs.errors;
      if (!canvas || !this.errors) return;
      const { px, edges } = this.errors, known = px.filter((one) => one !== null).sort((a, b) => a - b);
      const top = 3 * known[known.length >> 1], height = 28;
      canvas.width = Math.max(canvas.clientWidth, 1);
      canvas.height = height;
      canvas.style.height = `${height}px`;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      const x = (seconds) => (seconds / Math.max(this.duration, 1e-6)) * canvas.width;
      px.forEach((one, i) => {
        if (one === null) return;
        const share = Math.min(one / top, 1);
        context.fillStyle = `hsl(${120 - 120 * share} 60% 50%)`;
        context.fillRect(x(edges[i]), height * (1 - share), Math.max(x(edges[i + 1]) - x(edges[i]), 1), height * share);
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
        const seconds = ((x + 0.5) / columns) * this.duration, index = this.frameAt(seconds);
        if (!this.isThere(index, seconds)) continue;
        const { row, end } = frames[index];
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
      if (!this.loaded || event.altKey) return;
      if (event.ctrlKey || event.metaKey) {
        const redo = event.key === "y" || (event.shiftKey && event.key.toLowerCase() === "z");
        if (!this.edits || !(redo || event.key === "z")) return;
        event.preventDefault();
        this.$emit(redo ? "redo" : "undo");
        return;
      }
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
        ArrowUp: () => this.changeSpeed(1),
        ArrowDown: () => this.changeSpeed(-1),
        w: () => this.edits && this.unmark(),
        b: () => this.seekWorst(),
        i: () => this.edits && this.mark("from"),
        o: () => this.edits && this.mark("to"),
      };
      if (/^[1-9]$/.test(event.key)) this.view.showCamera(Number(event.key));
      const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!action || event.target.tagName === "SELECT") return;
      if (!onButton) event.preventDefault();
      action();
    },
  },
};
