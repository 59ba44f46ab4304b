// The page: what there is to show, its two parts, and dark or light.
import { Live } from "./live.js";
import { ask, byId, say } from "./tools.js";
import { Uploads } from "./uploads.js";

function theme() {
  const chosen = localStorage.getItem("theme");
  const system = matchMedia("(prefers-color-scheme: light)");
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    document.dispatchEvent(new Event("theme"));
  };
  set(chosen || (system.matches ? "light" : "dark"));
  system.addEventListener("change", () => {
    if (!localStorage.getItem("theme")) set(system.matches ? "light" : "dark");
  });
  byId("theme").addEventListener("click", () => {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    localStorage.setItem("theme", next);
    set(next);
  });
}

function tabs(parts, first) {
  const buttons = parts.map((part) => byId(`tab-${part.name}`));
  const show = (index, focus) => {
    parts.forEach((part, i) => {
      const chosen = i === index;
      byId(part.name).hidden = !chosen;
      buttons[i].setAttribute("aria-selected", String(chosen));
      buttons[i].tabIndex = chosen ? 0 : -1;
      part.shown(chosen);
    });
    if (focus) buttons[index].focus();
  };
  buttons.forEach((button, i) => {
    button.addEventListener("click", () => show(i, false));
    button.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) show((i + step + buttons.length) % buttons.length, true);
    });
  });
  show(first, false);
}

theme();
const about = await ask("GET", "/api/about");
const uploads = new Uploads(about.uploads);
if (about.live) {
  const live = new Live(about);
  tabs([{ name: "live", shown: (on) => live.shown(on) }, { name: "videos", shown: (on) => uploads.shown(on) }], 0);
} else {
  document.querySelector(".tabs").hidden = true;
  byId("link").dataset.state = "none";
  say(byId("link"), "ready");
  byId("videos").hidden = false;
  byId("videos").removeAttribute("aria-labelledby");
  byId("videos").setAttribute("aria-label", "Videos");
  uploads.shown(true);
}
document.documentElement.dataset.ready = "true";
