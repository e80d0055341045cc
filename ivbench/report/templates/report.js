"use strict";

// Sorting: the button in a column's head sorts the first body; rows without a value stay last; bodies below stay put.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    const raw = cell.dataset.sort ?? (column < heads.length && heads[column].classList.contains("num") ? "" : cell.textContent.trim());
    return raw === "" ? null : raw;
  };
  const compare = (a, b) => {
    const x = Number(a), y = Number(b);
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b, "en", { numeric: true }) : x - y;
  };
  const sort = (head, column) => {
    const first = head.dataset.first ?? "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    for (const each of heads) each.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", order);
    const sign = order === "ascending" ? 1 : -1;
    const rows = [...table.tBodies[0].rows].map((row) => [key(row, column), row]);
    rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : sign * compare(a, b)));
    table.tBodies[0].append(...rows.map(([, row]) => row));
    document.getElementById("status").textContent = `Sorted by ${head.textContent.trim()}, ${order}.`;
  };
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => sort(head, column)));
}

// Gallery: one clock for all clips, so that every cell shows the same moment.
const source = document.getElementById("gallery-data");
if (source) {
  const data = JSON.parse(source.textContent);
  const at = (id) => document.getElementById(id);
  const gallery = at("gallery"), scrub = at("scrub"), picker = at("prompt"), list = at("clips");
  const hold = 0.4;
  let clips = [], seconds = 1, fps = 1, ticks = 1, time = 0, playing = false, last = null, loads = 0;

  const make = (tag, name, text) => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const short = (text, length) => {
    const line = text.replace(/\s+/g, " ");
    return line.length > length ? `${line.slice(0, length - 1)}…` : line;
  };

  const draw = () => {
    const moment = Math.min(time, seconds - 1e-6);
    for (const clip of clips) {
      const frame = Math.max(0, Math.min(clip.frames - 1, Math.floor(moment * clip.fps + 1e-6)));
      if (clip.image && clip.shown !== frame) {
        clip.pen.drawImage(clip.image, frame * clip.width, 0, clip.width, clip.height, 0, 0, clip.width, clip.height);
        clip.shown = frame;
        clip.canvas.dataset.frame = String(frame);
      }
    }
    const tick = Math.max(0, Math.min(ticks - 1, Math.floor(moment * fps + 1e-6)));
    if (scrub.value !== String(tick) || at("where").textContent === "") scrub.value = String(tick);
    scrub.setAttribute("aria-valuetext", `frame ${tick + 1} of ${ticks}`);
    at("where").textContent = `${tick + 1} / ${ticks} · ${(tick / fps).toFixed(2)} s`;
  };
  const run = (now) => {
    if (!playing) return;
    if (last !== null) time += Math.min(0.25, (now - last) / 1000) * Number(at("speed").value);
    last = now;
    if (time >= seconds + hold) time = 0;
    draw();
    requestAnimationFrame(run);
  };
  const play = (wanted) => {
    if (wanted === playing) return;
    playing = wanted;
    at("play").textContent = playing ? "Pause" : "Play";
    if (!playing) return;
    if (time >= seconds) time = 0;
    last = null;
    requestAnimationFrame(run);
  };
  const seek = (tick) => {
    play(false);
    time = (Math.max(0, Math.min(ticks - 1, tick)) + 0.001) / fps;
    draw();
  };
  const step = (by) => seek((Number(scrub.value) + by + ticks) % ticks);

  const figure = (clip, row) => {
    const item = make("li", "clip");
    item.dataset.row = String(row);
    item.hidden = !at("shown").querySelectorAll("input")[row].checked;
    if (row === data.rows.length - 1 && data.reference) item.classList.add("reference");
    if (!clip) {
      item.append(make("div", "blank", "no sample"), make("p", "name", data.rows[row]));
      return item;
    }
    const canvas = make("canvas");
    Object.assign(canvas, { width: clip.width, height: clip.height });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Sample of ${data.rows[row]}`);
    const live = { ...clip, canvas, pen: canvas.getContext("2d"), image: null, shown: -1 };
    clips.push(live);
    item.append(canvas, make("p", "name", data.rows[row]));
    if (clip.scores.length) item.append(make("p", "scores", clip.scores.map(([name, value]) => `${name} ${value}`).join(" · ")));
    return item;
  };
  const show = (index) => {
    const prompt = data.prompts[index], load = ++loads;
    picker.value = String(index);
    at("prompt-text").textContent = prompt.text;
    clips = [];
    list.replaceChildren(...prompt.clips.map(figure));
    seconds = Math.max(1e-3, ...clips.map((clip) => clip.frames / clip.fps));
    fps = Math.max(1, ...clips.map((clip) => clip.fps));
    ticks = Math.max(1, Math.round(seconds * fps));
    scrub.max = String(ticks - 1);
    time = 0;
    for (const clip of clips) {
      const image = new Image();
      image.addEventListener("load", () => {
        if (load !== loads) return;
        clip.image = image;
        draw();
      });
      image.src = data.images[clip.image_index];
    }
    draw();
  };
  const turn = (by) => show((Number(picker.value) + by + data.prompts.length) % data.prompts.length);

  data.prompts.forEach((prompt, index) => {
    const option = make("option", "", `${prompt.index + 1}. ${short(prompt.text, 90)}${prompt.sample ? ` (${prompt.sample + 1})` : ""}`);
    option.value = String(index);
    picker.append(option);
  });
  data.rows.forEach((name, row) => {
    const label = make("label"), box = make("input");
    Object.assign(box, { type: "checkbox", checked: true });
    box.addEventListener("change", () => {
      for (const item of list.children) if (item.dataset.row === String(row)) item.hidden = !box.checked;
    });
    label.append(box, ` ${name}`);
    at("shown").append(label);
  });
  picker.addEventListener("change", () => show(Number(picker.value)));
  at("previous").addEventListener("click", () => turn(-1));
  at("next").addEventListener("click", () => turn(1));
  at("play").addEventListener("click", () => play(!playing));
  at("back").addEventListener("click", () => step(-1));
  at("forward").addEventListener("click", () => step(1));
  scrub.addEventListener("input", () => seek(Number(scrub.value)));
  const keys = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    Home: () => seek(0),
    End: () => seek(ticks - 1),
    PageUp: () => turn(-1),
    PageDown: () => turn(1),
    " ": () => play(!playing),
  };
  gallery.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("select, details, #prompt-text")) return;
    if (event.key === " " && event.target.closest("button")) return;
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  });

  gallery.hidden = false;
  show(0);
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  still.addEventListener("change", () => still.matches && play(false));
  let touched = false;
  gallery.addEventListener("pointerdown", () => { touched = true; }, { once: true });
  gallery.addEventListener("keydown", () => { touched = true; }, { once: true });
  new IntersectionObserver(([entry]) => {
    if (entry.isIntersecting && !touched && !still.matches) play(true);
    if (!entry.isIntersecting) play(false);
  }).observe(list);
}

// On paper, everything on demand is shown.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open]):not(.cells)")];
  for (const each of opened) each.open = true;
});
addEventListener("afterprint", () => { for (const each of opened) each.open = false; });
