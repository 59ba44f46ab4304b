// The camera's picture, the skeleton that was found in it, and its heatmaps.
import { choose, colourOfPerson, nameOf, personAt } from "./people.js";
import { byId, say } from "./tools.js";

const SEEN = 0.05;

export function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return { left: of("left"), right: of("right"), middle: of("middle"), grid: of("grid"), text: of("text"), soft: of("soft"), accent: of("accent"), warn: of("warn") };
}

export function sideOf(a, b = a) {
  if (a.startsWith("left_") && b.startsWith("left_")) return "left";
  if (a.startsWith("right_") && b.startsWith("right_")) return "right";
  return "middle";
}

// On pictures the colours are those of overlay.mp4 in dark and light alike.
const ON_PICTURE = { left: "#28a0ff", right: "#ff8c28", middle: "#78e65a" };

export class Picture {
  constructor(about, changed) {
    this.about = about;
    this.canvas = byId("picture");
    this.context = this.canvas.getContext("2d");
    this.private = about.live.private;
    this.cameras = about.live.streams.some((stream) => stream.kind === "camera");
    this.shows = { picture: !this.private, skeleton: true, heat: false };
    this.bitmap = null;
    this.heat = [];
    this.count = 0;
    byId("private").hidden = !this.private;
    byId("show-picture").disabled = this.private;
    byId("show-picture").setAttribute("aria-pressed", String(this.shows.picture));
    for (const name of ["picture", "skeleton", "heat"]) {
      const button = byId(`show-${name}`);
      button.addEventListener("click", () => {
        this.shows[name] = !this.shows[name];
        button.setAttribute("aria-pressed", String(this.shows[name]));
        if (name === "heat" && !this.shows.heat) this.heat = [];
        changed();
        this.draw();
      });
    }
    if (!this.cameras) say(byId("pictures"), "no camera");
    this.several = about.live.people > 1;
    if (this.several) {
      this.canvas.classList.add("clickable");
      this.canvas.addEventListener("click", (event) => this.clicked(event));
    }
  }

  async take(view, jpeg) {
    const bitmap = await createImageBitmap(jpeg);
    this.bitmap?.close();
    this.bitmap = bitmap;
    this.view = view;
    this.count += 1;
    this.canvas.dataset.pictures = this.count;
    this.size(bitmap.width, bitmap.height);
    this.draw();
  }

  takeHeat(maps) {
    this.heat = maps.map((map) => ({ image: heatImage(map), to: map.to_picture }));
    this.canvas.dataset.heatmaps = maps.length;
    this.draw();
  }

  /** Without pictures the skeleton is drawn alone, as often as there are poses. */
  pose(pose) {
    this.newest = pose.people;
    if (this.shows.picture && this.bitmap) return;
    this.view = { people: pose.people, size: this.view?.size ?? [640, 480] };
    const xs = pose.people.flatMap((person) => person.keypoints).filter(Boolean);
    if (!this.bitmap && xs.length) {
      const reach = Math.max(...xs.map((point) => point[0] / 4), ...xs.map((point) => point[1] / 3)) * 4;
      if (reach > this.view.size[0]) this.view.size = [Math.ceil(reach), Math.ceil((reach * 3) / 4)];
    }
    this.draw();
  }

  size(width, height) {
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
  }

  draw() {
    const { context, canvas, view } = this;
    if (this.several && view) this.describe(view.people);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#05070a";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!view) return;
    if (this.shows.picture && this.bitmap) context.drawImage(this.bitmap, 0, 0);
    const scale = canvas.width / view.size[0];
    if (this.shows.heat) this.drawHeat(scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    if (!this.shows.skeleton) return;
    for (const person of view.people) {
      if (this.several && !person.seen) continue; // where somebody out of view was last tells nothing
      this.skeleton(person.keypoints, view.size[0], this.several ? colourOfPerson(person.person) : null);
      if (this.several) this.name(person, view.size[0]);
    }
  }

  /** A person's number above the head; that of who wears the sensors is framed. */
  name(person, width) {
    const points = person.keypoints.filter((point) => point && point[2] >= SEEN);
    if (!points.length) return;
    const { context } = this;
    const [x, y] = points.reduce((a, b) => (b[1] < a[1] ? b : a));
    const size = width / 28, words = person.wears ? `${person.person} ◉` : `${person.person}`;
    context.font = `700 ${size}px system-ui, sans-serif`;
    context.textAlign = "center";
    const wide = context.measureText(words).width + size * 0.7, top = Math.max(size * 0.2, y - size * 2.1);
    context.fillStyle = colourOfPerson(person.person);
    context.fillRect(x - wide / 2, top, wide, size * 1.35);
    if (person.wears) {
      context.strokeStyle = "#fff";
      context.lineWidth = size / 7;
      context.strokeRect(x - wide / 2, top, wide, size * 1.35);
    }
    context.fillStyle = "#05070a";
    context.fillText(words, x, top + size * 1.03);
  }

  clicked(event) {
    if (!this.view) return;
    const { canvas, view } = this;
    const box = canvas.getBoundingClientRect();
    const shown = Math.min(box.width / canvas.width, box.height / canvas.height); // object-fit: contain
    const scale = view.size[0] / canvas.width;
    const x = ((event.clientX - box.left - (box.width - canvas.width * shown) / 2) / shown) * scale;
    const y = ((event.clientY - box.top - (box.height - canvas.height * shown) / 2) / shown) * scale;
    const person = personAt(view.people.filter((each) => each.seen), x, y, view.size[0] / 25);
    if (person !== null) choose(person);
  }

  describe(people) {
    const seen = people.filter((person) => person.seen).map((person) => nameOf(person.person) + (person.wears ? " with the sensors" : ""));
    const words = `The camera's picture with ${seen.length ? seen.join(", ") : "nobody"}`;
    if (this.canvas.getAttribute("aria-label") !== words) this.canvas.setAttribute("aria-label", words);
    this.canvas.dataset.people = people.filter((person) => person.seen).map((person) => person.person).sort((a, b) => a - b).join(" ");
  }

  drawHeat(scale) {
    for (const { image, to } of this.heat) {
      // A cell's centre (column, row) is at to * [column, row, 1]; an image's pixel reaches from there half a cell.
      this.context.setTransform(scale * to[0][0], scale * to[1][0], scale * to[0][1], scale * to[1][1],
        scale * (to[0][2] - to[0][0] / 2 - to[0][1] / 2), scale * (to[1][2] - to[1][0] / 2 - to[1][1] / 2));
      this.context.drawImage(image, 0, 0);
    }
  }

  skeleton(points, width, own) {
    const { context } = this;
    const joints = this.about.joints;
    const seen = (point) => point && point[2] >= SEEN;
    context.lineCap = "round";
    for (const [a, b] of this.about.bones) {
      if (!seen(points[a]) || !seen(points[b])) continue;
      context.globalAlpha = 0.35 + 0.65 * Math.min(points[a][2], points[b][2]);
      context.strokeStyle = own ?? ON_PICTURE[sideOf(joints[a], joints[b])];
      context.lineWidth = width / 130;
      context.beginPath();
      context.moveTo(points[a][0], points[a][1]);
      context.lineTo(points[b][0], points[b][1]);
      context.stroke();
    }
    points.forEach((point, i) => {
      if (!seen(point)) return;
      context.globalAlpha = 0.35 + 0.65 * point[2];
      context.fillStyle = own ?? ON_PICTURE[sideOf(joints[i])];
      context.beginPath();
      context.arc(point[0], point[1], width / 110, 0, 2 * Math.PI);
      context.fill();
    });
    context.globalAlpha = 1;
  }
}

/** Evidence as colour: from nothing over violet and orange to white. */
function heatImage({ shape: [height, width], cells }) {
  const image = new OffscreenCanvas(width, height);
  const pixels = new ImageData(width, height);
  for (let i = 0; i < cells.length; i++) {
    const heat = cells[i] / 255;
    pixels.data[4 * i] = 255 * Math.min(1, 0.35 + 1.2 * heat);
    pixels.data[4 * i + 1] = 255 * Math.max(0, 1.3 * heat - 0.3);
    pixels.data[4 * i + 2] = 255 * Math.max(0, 0.75 - heat);
    pixels.data[4 * i + 3] = 210 * Math.min(1, 1.6 * heat);
  }
  image.getContext("2d").putImageData(pixels, 0, 0);
  return image;
}
