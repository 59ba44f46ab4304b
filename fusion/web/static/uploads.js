// Uploads: a video or a picture in; overlay, screenshots, table and summary out.
import { ask, byId, say } from "./tools.js";
import { size } from "./panels.js";

const BUSY_MS = 500;
const IDLE_MS = 5000;
const TAKEN = /\.(mp4|mov|mkv|avi|webm|m4v|jpe?g|png|webp|bmp)$/i;

export class Uploads {
  constructor(limits) {
    this.limits = limits;
    this.items = new Map();
    this.sending = [];
    this.on = false;
    say(byId("limits"), `MP4, MOV, MKV, AVI, WebM, or JPEG, PNG, WebP, BMP; up to ${size(limits.max_bytes)} each, kept for ${limits.keep_hours} hours`);
    byId("file").addEventListener("change", (event) => {
      this.add([...event.target.files]);
      event.target.value = "";
    });
    const drop = byId("drop");
    for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
      drop.addEventListener(name, (event) => {
        event.preventDefault();
        drop.dataset.over = String(over);
        if (name === "drop") this.add([...event.dataTransfer.files]);
      });
    }
  }

  shown(on) {
    this.on = on;
    if (on) this.refresh();
  }

  add(files) {
    const told = byId("upload-told");
    say(told, "");
    for (const file of files) {
      if (!file.size) say(told, `${file.name} is empty.`, "bad");
      else if (file.size > this.limits.max_bytes) say(told, `${file.name} has ${size(file.size)}: more than the ${size(this.limits.max_bytes)} that are taken.`, "bad");
      else if (!TAKEN.test(file.name)) say(told, `${file.name} is no video or picture of a kind that is taken.`, "bad");
      else this.sending.push(file);
    }
    if (!this.busy) this.next();
  }

  /** One after the other: a phone's link is shared badly by several. */
  next() {
    const file = this.sending.shift();
    this.busy = Boolean(file);
    if (!file) return;
    const told = byId("upload-told");
    const request = new XMLHttpRequest();
    request.open("POST", `/api/uploads?name=${encodeURIComponent(file.name)}`);
    request.upload.addEventListener("progress", (event) => say(told, `Sending ${file.name}: ${Math.round((100 * event.loaded) / Math.max(1, event.total))} %`));
    request.addEventListener("loadend", () => {
      let answer = {};
      try { answer = JSON.parse(request.responseText); } catch { /* broken off */ }
      if (request.status === 201) say(told, `${file.name} is there.`, "good");
      else say(told, answer.error || `${file.name} could not be sent: the connection broke off.`, "bad");
      this.refresh();
      this.next();
    });
    request.send(file);
  }

  async refresh() {
    clearTimeout(this.timer);
    if (!this.on) return;
    let uploads = [];
    try { uploads = await ask("GET", "/api/uploads"); } catch { /* asked again */ }
    const known = new Set(uploads.map((upload) => upload.id));
    for (const [id, item] of this.items) if (!known.has(id)) { item.remove(); this.items.delete(id); }
    uploads.forEach((upload) => this.show(upload));
    const busy = uploads.some((upload) => ["receiving", "waiting", "running"].includes(upload.state));
    this.timer = setTimeout(() => this.refresh(), busy ? BUSY_MS : IDLE_MS);
  }

  show(upload) {
    let item = this.items.get(upload.id);
    if (!item) {
      item = document.createElement("li");
      item.className = "upload";
      item.append(this.head(upload));
      this.items.set(upload.id, item);
      const list = byId("uploads");
      const before = [...list.children].find((other) => Number(other.dataset.began) < upload.began);
      list.insertBefore(item, before || null);
      item.dataset.began = upload.began;
    }
    const key = `${upload.state} ${upload.progress} ${upload.frames}`;
    if (item.dataset.key === key) return;
    const was = item.dataset.state;
    item.dataset.key = key;
    item.dataset.state = upload.state;
    const body = upload.state === "done" ? this.done(upload) : this.going(upload, item);
    if (body) item.replaceChildren(item.firstChild, ...body);
    if (was && was !== upload.state && ["done", "failed"].includes(upload.state)) {
      say(byId("upload-told"), upload.state === "done" ? `${upload.name} is tracked.` : upload.what, upload.state === "done" ? "good" : "bad");
    }
  }

  head(upload) {
    const head = document.createElement("div"), name = document.createElement("h3"), remove = document.createElement("button");
    head.className = "head";
    name.textContent = upload.name;
    remove.type = "button";
    remove.className = "quiet delete";
    remove.textContent = "Delete";
    remove.setAttribute("aria-label", `Delete ${upload.name} and all that came of it`);
    remove.addEventListener("click", async () => {
      remove.disabled = true;
      try {
        await ask("DELETE", `/api/uploads/${upload.id}`);
        say(byId("upload-told"), `${upload.name} is deleted.`);
      } catch (error) {
        say(byId("upload-told"), error.message, "bad");
        remove.disabled = false;
      }
      this.refresh();
    });
    head.append(name, remove);
    return head;
  }

  going(upload, item) {
    const words = {
      receiving: "coming in", waiting: "waiting for its turn", failed: upload.what, cancelled: "cancelled",
      running: upload.progress ? `tracking: ${Math.round(100 * upload.progress)} %, ${upload.frames} pictures` : upload.frames ? `tracking: ${upload.frames} pictures` : "getting ready",
    }[upload.state];
    let note = item.querySelector(".note"), bar = item.querySelector("progress");
    const fresh = [];
    if (!note) { note = document.createElement("p"); note.className = "note"; fresh.push(note); }
    say(note, words, upload.state === "failed" ? "bad" : "");
    const over = ["failed", "cancelled"].includes(upload.state);
    if (over) { bar?.remove(); return fresh.length ? fresh : null; }
    if (!bar) { bar = document.createElement("progress"); bar.max = 1; bar.setAttribute("aria-label", `Progress of ${upload.name}`); fresh.push(bar); }
    if (upload.progress) bar.value = upload.progress; else bar.removeAttribute("value");
    return fresh.length === 2 ? fresh : null;
  }

  done(upload) {
    const parts = [];
    const video = upload.files.find((file) => file.name.endsWith(".mp4"));
    const shots = upload.files.filter((file) => file.name.endsWith(".jpg"));
    if (video) {
      const film = document.createElement("video");
      film.controls = film.muted = film.playsInline = true;
      film.preload = "metadata";
      film.src = video.url;
      film.setAttribute("aria-label", `${upload.name} with the tracked skeleton`);
      parts.push(film);
    } else if (shots[0]) parts.push(picture(shots[0].url, `${upload.name} with the tracked skeleton`, "still"));
    const s = upload.summary;
    const words = document.createElement("p");
    words.className = "note summary";
    words.textContent = `${s.frames} pictures${video ? ` of ${s.seconds} s` : ""}, a person seen in ${Math.round(100 * s.seen)} %, tracked at ${s.frames_per_s} pictures/s.`;
    parts.push(words);
    if (video && shots.length) {
      const strip = document.createElement("div");
      strip.className = "shots";
      strip.tabIndex = 0;
      strip.setAttribute("role", "group");
      strip.setAttribute("aria-label", "Screenshots");
      for (const shot of shots) {
        const link = document.createElement("a");
        link.href = shot.url;
        link.append(picture(shot.url, `Screenshot ${shot.name}`, ""));
        strip.append(link);
      }
      parts.push(strip);
    }
    const files = document.createElement("div");
    files.className = "files";
    for (const file of upload.files.filter((one) => !one.name.endsWith(".jpg") || !video)) {
      const link = document.createElement("a");
      link.href = `${file.url}?download=true`;
      link.download = file.name;
      link.textContent = `↓ ${kindOf(file.name)} (${size(file.bytes)})`;
      files.append(link);
    }
    parts.push(files);
    return parts;
  }
}

function picture(url, words, name) {
  const image = document.createElement("img");
  image.src = url;
  image.alt = words;
  image.className = name;
  image.loading = "lazy";
  return image;
}

const kindOf = (name) => ({ mp4: "Overlay video", csv: "Poses (CSV)", json: "Summary (JSON)", zip: "Everything (ZIP)", jpg: "Picture" })[name.split(".").pop()] || name;
