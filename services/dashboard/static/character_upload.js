// A file of the browser's machine, sent to the studio as it is, as a component of NiceGUI.
export default {
  template: `
    <label class="mv-upload">
      <input type="file" :accept="suffixes" :disabled="busy" :aria-label="words" @change="send">
      <span>{{ busy ? "Sending ..." : words }}</span>
    </label>`,
  props: { words: String, suffixes: String, most: Number },
  emits: ["kept", "fault"],

  data() {
    return { busy: false };
  },

  methods: {
    async send({ target }) {
      const file = target.files[0];
      if (!file) return;
      if (file.size > this.most) {
        target.value = "";
        return this.$emit("fault", `${file.name} is larger than ${Math.round(this.most / 1e6)} MB`);
      }
      this.busy = true;
      try {
        const answer = await fetch(`/characters/${encodeURIComponent(file.name)}`, { method: "POST", body: file });
        const words = await answer.text();
        if (answer.ok) this.$emit("kept", words);
        else this.$emit("fault", answer.status === 422 ? words : `The studio did not take it (${answer.status}).`);
      } catch (error) {
        this.$emit("fault", error.message);
      }
      this.busy = false;
      target.value = ""; // so that the same file can be chosen again
    },
  },
};
