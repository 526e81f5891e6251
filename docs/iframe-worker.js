// Browsers refuse workers to pages that are opened from a folder (file://). There, a hidden frame does the search
// worker's job; elsewhere this does nothing.
if (location.protocol === "file:") {
  window.Worker = class {
    constructor(address) {
      this.frame = document.createElement("iframe");
      this.frame.hidden = true;
      document.documentElement.append(this.frame);
      const inside = this.frame.contentWindow;
      inside.postMessage = (data) => setTimeout(() => this.onmessage?.({ data }));
      const script = inside.document.createElement("script");
      this.loaded = new Promise((resolve, reject) => Object.assign(script, { onload: resolve, onerror: reject }));
      this.loaded.catch((error) => this.onerror?.(error));
      script.src = address;
      inside.document.head.append(script);
    }
    postMessage(data) {
      this.loaded.then(() => this.frame.contentWindow?.onmessage({ data }), () => {});
    }
    terminate() {
      this.frame.remove();
    }
  };
}
