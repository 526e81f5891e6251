// Cameras that are looked at, or film the board, as a component of NiceGUI: pictures with what the board has covered
// painted over them, and figures. Answers of /film are those of report_bytes in filming.py.
const EVERY_MS = 250;

export default {
  template: `
    <div class="mv-film" :data-reports="reports" :data-covered="covered" role="status">
      <p v-if="!cameras.length" class="mv-quiet">{{ waiting }}</p>
      <div class="mv-wall" :style="{ '--columns': Math.ceil(Math.sqrt(cameras.length)) }">
        <figure v-for="camera in cameras" :key="camera.name">
          <canvas :ref="'film ' + camera.name" :style="{ aspectRatio: camera.size[0] + ' / ' + camera.size[1] }"
                  :aria-label="'Picture of camera ' + camera.name"></canvas>
          <figcaption>
            <strong>{{ camera.name }}</strong>
            <span class="mv-figures"> {{ camera.rate_hz.toFixed(1) }} of {{ camera.expected_hz.toFixed(1) }} Hz</span>
            <span v-if="camera.dropped" class="mv-alarm"> · {{ camera.dropped }} dropped</span>
            <span v-if="camera.sharpness >= 0" class="mv-quiet mv-figures">
              · bright {{ camera.brightness.toFixed(0) }} · sharp {{ camera.sharpness.toFixed(0) }}</span>
            <div v-if="camera.cells.length" class="mv-figures">
              {{ (100 * camera.covered).toFixed(0) }} % covered, {{ camera.boards }} boards:
              <strong>{{ camera.next_step || "enough" }}</strong>
            </div>
            <div v-for="one in camera.advice" class="mv-advice">{{ one }}</div>
          </figcaption>
        </figure>
      </div>
    </div>`,
  props: { waiting: String },

  data() {
    return { cameras: [], reports: 0, covered: 0 };
  },

  mounted() {
    this.after = -1;
    this.poll();
  },

  beforeUnmount() {
    this.closed = true;
    clearTimeout(this.timer);
  },

  methods: {
    async poll() {
      try {
        if (!document.hidden) {
          const answer = await fetch(`/film?after=${this.after}`);
          if (answer.status === 200) await this.take(await answer.arrayBuffer(), +answer.headers.get("x-number"));
        }
      } catch {
        // the server is away: asked again
      }
      if (!this.closed) this.timer = setTimeout(() => this.poll(), EVERY_MS);
    },

    async take(data, number) {
      const size = new DataView(data).getUint32(0, true);
      const { cameras } = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, size)));
      this.after = number;
      let at = 4 + size;
      const pictures = [];
      for (const { bytes } of cameras) {
        const jpeg = new Blob([new Uint8Array(data, at, bytes)], { type: "image/jpeg" });
        pictures.push(bytes ? await createImageBitmap(jpeg) : null);
        at += bytes;
      }
      if (this.closed) return;
      this.cameras = cameras;
      this.covered = cameras.filter((camera) => camera.boards && !camera.next_step).length;
      this.reports++;
      await this.$nextTick();
      cameras.forEach((camera, i) => this.draw(camera, pictures[i]));
    },

    draw(camera, bitmap) {
      const canvas = [this.$refs[`film ${camera.name}`]].flat()[0];
      if (!canvas) return bitmap?.close();
      const sharp = Math.min(window.devicePixelRatio, 2);
      const width = Math.max(1, Math.round(canvas.clientWidth * sharp));
      const height = Math.max(1, Math.round((width * camera.size[1]) / camera.size[0]));
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      // Without willReadFrequently Chromium keeps every picture in its GPU process.
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.fillStyle = "#1b1f26";
      context.fillRect(0, 0, width, height);
      if (bitmap) context.drawImage(bitmap, 0, 0, width, height);
      bitmap?.close();
      const rows = camera.cells.length;
      camera.cells.forEach((row, y) => row.forEach((seen, x) => {
        context.fillStyle = seen ? "rgb(63 180 100 / 38%)" : "rgb(220 60 50 / 16%)";
        context.fillRect((x * width) / row.length, (y * height) / rows, width / row.length - 1, height / rows - 1);
      }));
      context.fillStyle = "#ffd23f";
      for (const [x, y] of camera.corners) {
        context.beginPath();
        context.arc(x * width, y * height, 2.5 * sharp, 0, 2 * Math.PI);
        context.fill();
      }
    },
  },
};
