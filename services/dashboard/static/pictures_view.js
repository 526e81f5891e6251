// The cameras' pictures, in a wall or one large, as a component of NiceGUI: what each camera saw (thin), and the fused
// people over it (thick, in their colours; grey where joints were filled). Messages are those of picture_bytes in
// picture_feed.py.
import { drawFused, drawSeen, prepare } from "/own/overlay2d.js";
import { TEMPLATE, wall } from "/own/picture_wall.js";

const AGAIN_MS = [250, 500, 1000, 2000];
const LOST_MS = 3000; // without a picture for so long, it is said

export default {
  mixins: [wall],
  template: TEMPLATE,

  data() {
    return { films: false };
  },

  mounted() {
    this.attempts = this.count = 0;
    this.latest = new Map(); // not part of the reactive data
    for (const { name } of this.room.cameras) this.states[name] = "waiting for a picture ...";
    this.visible = () => (document.hidden ? this.socket?.close() : this.connect());
    document.addEventListener("visibilitychange", this.visible);
    this.watcher = setInterval(() => this.noteLost(), 1000);
    this.connect();
  },

  beforeUnmount() {
    this.closed = true;
    document.removeEventListener("visibilitychange", this.visible);
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

    changed() {
      this.ask();
      this.redraw();
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
      const canvas = this.partOf(camera, "picture");
      if (!canvas) return;
      const sheet = prepare(canvas, size), { context, width, height } = sheet;
      context.fillStyle = "#1b1f26";
      context.fillRect(0, 0, width, height);
      if (bitmap) context.drawImage(bitmap, 0, 0, width, height);
      if (joints !== this.room.joints) return;
      if (this.layers.seen) for (const person of seen) drawSeen(sheet, this.room, person, this.large);
      if (this.layers.fused) for (const person of fused) drawFused(sheet, this.room, person, this.large);
    },
  },
};
