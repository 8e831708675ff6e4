// Search without a server: browsers start no worker for a page opened from disk, so here a hidden frame plays it.
// The theme looks for a class of this name; pages from a server never get here and keep the browser's own Worker.
if (location.protocol === "file:") {
  window.IFrameWorker = class extends EventTarget {
    constructor(url) {
      super()
      this.waiting = []
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.onload = () => {
        const inside = frame.contentWindow
        inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
        const script = frame.contentDocument.createElement("script")
        script.src = url
        script.onload = () => {
          this.inside = inside
          this.waiting.splice(0).forEach(data => this.postMessage(data))
        }
        frame.contentDocument.body.append(script)
      }
      frame.srcdoc = "<!doctype html><body></body>"
      document.body.append(frame)
    }

    postMessage(data) {
      if (this.inside) this.inside.dispatchEvent(new this.inside.MessageEvent("message", { data }))
      else this.waiting.push(data)
    }

    terminate() {}
  }
  window.Worker = window.IFrameWorker
}
