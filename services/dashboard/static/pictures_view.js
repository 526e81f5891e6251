// The cameras' pictures, in a wall or one large, as a component of NiceGUI: what each camera saw (thin), and the fused
// people over it (thick, in their colours; grey where joints were filled). Messages are those of picture_bytes in
// picture_feed.py.
const AGAIN_MS = [250, 500, 1000, 2000];
const LOST_MS = 3000; // without a picture for so long, it is said
const MIN_SCORE = 0.2;
const GREY = "#9a9fa8";

export default {
  template: `
    <div class="mv-pictures" tabindex="0" data-pictures="0" @keydown.esc="large = null">
      <div class="mv-picture-tools">
        <label><input type="checkbox" v-model="layers.seen"> seen by this camera</label>
        <label><input type="checkbox" v-model="layers.fused"> fused, drawn into it</label>
        <button v-if="large" type="button" class="mv-play" @click="large = null" aria-label="All cameras">▦</button>
      </div>
      <div :class="['mv-wall', large ? 'mv-one' : '']" :style="{ '--columns': columns }">
        <figure v-for="camera in shown" :key="camera.name">
          <canvas :ref="'picture ' + camera.name" tabindex="0" role="button"
                  :aria-label="large ? 'Camera ' + camera.name + ': show all' : 'Camera ' + camera.name + ': show large'"
                  :style="{ aspectRatio: camera.size[0] + ' / ' + camera.size[1] }"
                  @click="toggle(camera.name)" @keydown.enter="toggle(camera.name)"></canvas>
          <figcaption>{{ camera.name }} <span class="mv-quiet">{{ states[camera.name] }}</span></figcaption>
        </figure>
      </div>
    </div>`,
  props: { room: Object },

  data() {
    return { large: null, layers: { seen: true, fused: true }, states: {} };
  },

  computed: {
    columns() {
      return Math.ceil(Math.sqrt(this.shown.length));
    },
    shown() {
      return this.room.cameras.filter(({ name }) => !this.large || name === this.large);
    },
  },

  watch: {
    large() {
      this.ask();
      this.$nextTick(() => this.redraw());
    },
    layers: { deep: true, handler() { this.redraw(); } },
  },

  mounted() {
    this.attempts = this.count = 0;
    this.latest = new Map(); // not part of the reactive data
    for (const { name } of this.room.cameras) this.states[name] = "waiting for a picture ...";
    this.visible = () => (document.hidden ? this.socket?.close() : this.connect());
    document.addEventListener("visibilitychange", this.visible);
    this.resizer = new ResizeObserver(() => this.redraw());
    this.resizer.observe(this.$el);
    this.watcher = setInterval(() => this.noteLost(), 1000);
    this.connect();
  },

  beforeUnmount() {
    this.closed = true;
    document.removeEventListener("visibilitychange", this.visible);
    this.resizer.disconnect();
    clearInterval(this.watcher);
    clearTimeout(this.again);
    this.socket?.close();
  },

  methods: {
    connect() {
      clearTimeout(this.again);
      if (this.closed || document.hidden || (this.socket && this.socket.readyState <= WebSocket.OPEN)) return;
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      this.socket = new WebSocket(`${scheme}://${location.host}/pictures`);
      this.socket.binaryType = "arraybuffer";
      this.socket.onopen = () => {
        this.attempts = 0;
        this.ask();
      };
      this.socket.onmessage = ({ data }) => this.take(data);
      this.socket.onclose = () => {
        if (this.closed || document.hidden) return;
        this.again = setTimeout(() => this.connect(), AGAIN_MS[Math.min(this.attempts++, AGAIN_MS.length - 1)]);
      };
    },

    ask() {
      if (this.socket?.readyState !== WebSocket.OPEN) return;
      this.socket.send(JSON.stringify({ cameras: this.shown.map(({ name }) => name), large: Boolean(this.large) }));
    },

    toggle(name) {
      this.large = this.large ? null : name;
    },

    async take(data) {
      const size = new DataView(data).getUint32(0, true);
      const picture = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, size)));
      const jpeg = new Uint8Array(data, 4 + size);
      const before = this.latest.get(picture.camera);
      if (jpeg.length) picture.bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
      if (this.closed) return picture.bitmap?.close();
      picture.at = performance.now();
      this.latest.set(picture.camera, picture);
      before?.bitmap?.close();
      this.states[picture.camera] = jpeg.length ? "" : "simulated: there is no picture";
      this.draw(picture);
      this.$el.dataset.pictures = ++this.count;
      this.$el.dataset.fused = picture.fused.length;
      this.$el.dataset.seen = picture.seen.length;
    },

    noteLost() {
      for (const { name } of this.room.cameras) {
        const latest = this.latest.get(name);
        if (latest && (!this.large || this.large === name) && performance.now() - latest.at > LOST_MS) {
          this.states[name] = "no picture any more: is the studio running?";
        }
      }
    },

    redraw() {
      for (const picture of this.latest.values()) this.draw(picture);
    },

    draw({ camera, size, seen, fused, bitmap, joints }) {
      const canvas = [this.$refs[`picture ${camera}`]].flat()[0];
      if (!canvas) return;
      const sharp = Math.min(window.devicePixelRatio, 2);
      const width = Math.max(1, Math.round(canvas.clientWidth * sharp));
      const height = Math.max(1, Math.round((width * size[1]) / size[0]));
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      // Without willReadFrequently Chromium keeps every picture in its GPU process.
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.fillStyle = "#1b1f26";
      context.fillRect(0, 0, width, height);
      if (bitmap) context.drawImage(bitmap, 0, 0, width, height);
      const scale = width / size[0];
      if (this.layers.seen && joints === this.room.joints) {
        for (const person of seen) {
          const known = person.map((joint) => (joint && joint[2] >= MIN_SCORE ? joint : null));
          this.lines(context, known, scale, (this.large ? 1.5 : 1) * sharp, () => "rgb(255 255 255 / 85%)");
        }
      }
      if (!this.layers.fused) return;
      for (const { id, name, joints: places } of fused) {
        if (places.length !== this.room.joints) continue;
        const colour = this.room.palette[id % this.room.palette.length];
        this.lines(context, places, scale, (this.large ? 3 : 2) * sharp, (a, b) => (a[2] > 0.5 || b[2] > 0.5 ? GREY : colour));
        this.label(context, places, scale, name || `${id}`, colour, sharp);
      }
    },

    lines(context, joints, scale, width, colour) {
      context.lineWidth = width;
      context.lineCap = "round";
      for (const [a, b] of this.room.bones) {
        if (!joints[a] || !joints[b]) continue;
        context.strokeStyle = colour(joints[a], joints[b]);
        context.beginPath();
        context.moveTo((joints[a][0] + 0.5) * scale, (joints[a][1] + 0.5) * scale);
        context.lineTo((joints[b][0] + 0.5) * scale, (joints[b][1] + 0.5) * scale);
        context.stroke();
      }
    },

    label(context, joints, scale, text, colour, sharp) {
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
    },
  },
};
