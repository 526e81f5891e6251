// The live 3D view, as a component of NiceGUI: draws what /stream sends, and reconnects by itself.
import { Room } from "/own/scene3d.js";
import { decodePoses } from "/own/wire.js";

const REPLY_MS = 500; // how often the server learns how late pictures are
const AGAIN_MS = [250, 500, 1000, 2000];
const GONE_MS = 1500; // poses older than this are no longer people in the room
const KEYS = { a: "showAll", t: "showTop", f: "showFront", p: "followNext" };
const LAYERS = { trails: "Trails", uncertainty: "Uncertainty", cameras: "Cameras" };

export default {
  template: `
    <div class="mv-view" tabindex="0" data-drawn="0" @keydown="key">
      <div class="mv-layers">
        <label v-for="(words, name) in names" :key="name" :title="hints[name]">
          <input type="checkbox" v-model="layers[name]"> {{ words }}</label>
      </div>
    </div>`,
  props: { room: Object, states: Object },

  data() {
    return {
      names: LAYERS,
      layers: { trails: false, uncertainty: false, cameras: true },
      hints: { trails: "Where people went in the last 3 s", uncertainty: "Where each joint is with 2 standard deviations (U)" },
    };
  },

  watch: {
    layers: {
      deep: true,
      handler(value) {
        this.view?.setLayers({ ...value });
        if (this.latest && this.seen) this.view?.setPeople(this.latest);
        this.noteLayers();
      },
    },
  },

  mounted() {
    this.attempts = 0;
    this.drawn = this.drawnBefore = 0;
    this.newest = this.latest = this.shown = null;
    this.since = performance.now();
    try {
      this.view = new Room(this.$el, this.room);
    } catch (error) {
      this.$el.textContent = `This browser cannot draw in 3D (WebGL): ${error.message}`;
      return;
    }
    this.view.setCameraStates(this.states ?? {});
    this.view.onDraw = () => this.bring();
    this.view.onDrawn = () => this.noteDrawn();
    this.visible = () => (document.hidden ? this.socket?.close() : this.connect());
    document.addEventListener("visibilitychange", this.visible);
    this.connect();
    this.watcher = setInterval(() => this.forgetOld(), 500);
  },

  beforeUnmount() {
    this.closed = true;
    document.removeEventListener("visibilitychange", this.visible);
    clearInterval(this.watcher);
    clearTimeout(this.again);
    this.socket?.close();
    this.view?.close();
  },

  methods: {
    // Nobody looks at a page that is hidden: it gets no poses.
    connect() {
      clearTimeout(this.again);
      if (this.closed || document.hidden || this.socket?.readyState <= WebSocket.OPEN) return;
      const scheme = location.protocol === "https:" ? "wss" : "ws";
      this.socket = new WebSocket(`${scheme}://${location.host}/stream`);
      this.socket.binaryType = "arraybuffer";
      this.socket.onopen = () => (this.attempts = 0);
      this.socket.onmessage = ({ data }) => this.take(data);
      this.socket.onclose = () => {
        if (this.closed || document.hidden) return;
        this.again = setTimeout(() => this.connect(), AGAIN_MS[Math.min(this.attempts++, AGAIN_MS.length - 1)]);
      };
    },

    // Called by the server (live_view.py).
    showStates(states) {
      this.view?.setCameraStates(states);
    },

    take(data) {
      this.newest = data;
      this.seen = performance.now();
      this.view.draw();
    },

    // Only what is drawn is read: poses come more often than that.
    bring() {
      if (!this.newest) return;
      this.latest = decodePoses(this.newest);
      this.newest = null;
      if (this.latest.joints === this.room.joints) this.view.setPeople(this.latest);
    },

    forgetOld() {
      if (!this.seen || performance.now() - this.seen < GONE_MS) return;
      this.seen = 0;
      this.view.setPeople({ people: [], joints: 0, places: [], columns: 12, filledColumn: 11 });
    },

    noteDrawn() {
      if (this.latest === null || this.latest === this.shown) return;
      this.shown = this.latest;
      this.$el.dataset.drawn = ++this.drawn;
      this.$el.dataset.people = this.view.people.length;
      this.noteLayers();
      const now = performance.now();
      if (now < (this.nextReply ?? 0) || this.socket.readyState !== WebSocket.OPEN) return;
      this.nextReply = now + REPLY_MS;
      const rate = (1000 * (this.drawn - this.drawnBefore)) / (now - this.since);
      [this.since, this.drawnBefore] = [now, this.drawn];
      this.socket.send(`${this.shown.arrivalMs} ${rate.toFixed(1)}${this.view.slow ? " software" : ""}`);
    },

    // For whoever tests the page.
    noteLayers() {
      this.$el.dataset.ellipsoids = this.view?.ellipsoids.count ?? 0;
      this.$el.dataset.trails = this.view?.trails.size ?? 0;
    },

    key(event) {
      if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key.toLowerCase() === "u") this.layers.uncertainty = !this.layers.uncertainty;
      if (/^[1-9]$/.test(event.key)) this.view.showCamera(Number(event.key));
      const action = KEYS[event.key.toLowerCase()];
      if (action) this.view[action]();
    },
  },
};
