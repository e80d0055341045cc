"use strict";

const at = (id) => document.getElementById(id);
const make = (tag, name, text) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
};
const read = (id) => { const found = at(id); return found ? JSON.parse(found.textContent) : null; };
const short = (text, length) => {
  const line = text.replace(/\s+/g, " ");
  return line.length > length ? `${line.slice(0, length - 1)}…` : line;
};
const options = (select, labels, chosen) => {
  select.replaceChildren(...labels.map(([value, text]) => {
    const option = make("option", "", text);
    option.value = String(value);
    option.selected = value === chosen;
    return option;
  }));
};

// Sorting: the button in a column's head sorts the first body; rows without a value stay last; bodies below stay put.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    const raw = cell.dataset.sort ?? (heads[column].classList.contains("num") ? "" : cell.textContent.trim());
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
    at("status").textContent = `Sorted by ${head.textContent.trim().replace(/\s+/g, " ")}, ${order}.`;
  };
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => sort(head, column)));
}

// What stands behind a number: its row of scores, its protocol, and the command and environment that made it.
const behind = at("behind");
const terms = (pairs) => {
  const list = make("dl", "fields");
  for (const [name, value] of pairs) {
    const item = make("div"), term = make("dt", "", name), text = make("dd", "", value);
    item.append(term, text);
    list.append(item);
  }
  return list;
};
const explain = (row) => {
  const block = row.closest(".block"), heads = [...row.closest("table").tHead.rows[0].cells];
  const origin = [...document.querySelectorAll(".origin")].find((each) => each.dataset.source === block.dataset.source);
  at("behind-title").textContent = row.cells[0].textContent;
  const protocol = make("p", "kicker");
  protocol.append(...[...block.querySelector("summary").childNodes].map((node) => node.cloneNode(true)));
  const own = [...row.cells].slice(1).map((cell, index) => [heads[index + 1].textContent, cell.textContent.trim()]);
  const parts = [protocol, terms(own)];
  parts.push(make("h3", "", "Command"), origin.querySelector(".command").cloneNode(true));
  parts.push(make("h3", "", "Protocol"), block.querySelector(".fields").cloneNode(true));
  parts.push(make("h3", "", "Environment"), ...[...origin.querySelectorAll(".environment")].map((each) => each.cloneNode(true)));
  at("behind-body").replaceChildren(...parts);
  behind.showModal();
};
document.addEventListener("click", (event) => {
  if (event.target === behind) behind.close();
  const link = event.target.closest?.("a.to-score");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  explain(at(link.hash.slice(1)));
});
const unfold = () => {
  const target = location.hash && at(decodeURIComponent(location.hash.slice(1)));
  const folded = target && target.closest("details:not([open])");
  if (folded) { folded.open = true; target.scrollIntoView(); }
};
addEventListener("hashchange", unfold);
unfold();

// Clips: one clock for all of them, so that every cell shows the same moment.
const data = read("gallery-data");
const clips = { gallery: [], extremes: [] };
const pictures = new Map();
const picture = (index, then) => {
  if (!pictures.has(index)) {
    const image = new Image();
    pictures.set(index, image);
    image.src = data.images[index];
  }
  const image = pictures.get(index);
  if (image.complete) then(image);
  else image.addEventListener("load", () => then(image), { once: true });
};
const canvasOf = (width, height, name) => {
  const canvas = make("canvas");
  Object.assign(canvas, { width, height });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", name);
  return canvas;
};
const clock = { time: 0, playing: false, last: null, seconds: 1, fps: 1, ticks: 1, hold: 0.4, changed: () => {} };
const living = () => [...clips.gallery, ...clips.extremes];
const paint = (clip) => {
  const moment = Math.min(clock.time, clock.seconds - 1e-6);
  const frame = Math.max(0, Math.min(clip.frames - 1, Math.floor(moment * clip.fps + 1e-6)));
  if (!clip.picture || clip.painted === frame) return;
  clip.pen.drawImage(clip.picture, frame * clip.width, 0, clip.width, clip.height, 0, 0, clip.width, clip.height);
  clip.painted = frame;
  clip.canvas.dataset.frame = String(frame);
};
const draw = () => {
  for (const clip of living()) paint(clip);
  clock.changed();
};
const measureClock = () => {
  clock.seconds = Math.max(1e-3, ...living().map((clip) => clip.frames / clip.fps));
  clock.fps = Math.max(1, ...living().map((clip) => clip.fps));
  clock.ticks = Math.max(1, Math.round(clock.seconds * clock.fps));
};
const tickNow = () => {
  const moment = Math.min(clock.time, clock.seconds - 1e-6);
  return Math.max(0, Math.min(clock.ticks - 1, Math.floor(moment * clock.fps + 1e-6)));
};
const run = (now) => {
  if (!clock.playing) return;
  if (clock.last !== null) clock.time += Math.min(0.25, (now - clock.last) / 1000) * Number(at("speed").value);
  clock.last = now;
  if (clock.time >= clock.seconds + clock.hold) clock.time = 0;
  draw();
  requestAnimationFrame(run);
};
const play = (wanted) => {
  if (wanted === clock.playing) return;
  clock.playing = wanted;
  for (const button of document.querySelectorAll("button.play, #play")) button.textContent = wanted ? "Pause" : "Play";
  if (!wanted) return;
  if (clock.time >= clock.seconds) clock.time = 0;
  clock.last = null;
  requestAnimationFrame(run);
};
const seek = (tick) => {
  play(false);
  clock.time = (Math.max(0, Math.min(clock.ticks - 1, tick)) + 0.001) / clock.fps;
  draw();
};
const step = (by) => seek((tickNow() + by + clock.ticks) % clock.ticks);
const living_clip = (record, name, list) => {
  const canvas = canvasOf(record.width, record.height, name);
  const clip = { ...record, canvas, pen: canvas.getContext("2d"), picture: null, painted: -1 };
  list.push(clip);
  picture(record.image, (image) => { clip.picture = image; paint(clip); });
  return canvas;
};
const promptLabel = (prompt, length) =>
  `${prompt.index + 1}. ${short(prompt.text, length)}${prompt.sample ? ` (${prompt.sample + 1})` : ""}`;

let showPrompt = () => {};
if (data) {
  const gallery = at("gallery"), scrub = at("scrub"), picker = at("prompt"), stacks = at("stacks");
  const shown = data.rows.map((row) => row.shown);
  let first = 0;

  clock.changed = () => {
    const tick = tickNow();
    if (scrub.value !== String(tick)) scrub.value = String(tick);
    scrub.setAttribute("aria-valuetext", `frame ${tick + 1} of ${clock.ticks}`);
    at("where").textContent = `${tick + 1} / ${clock.ticks} · ${(tick / clock.fps).toFixed(2)} s`;
  };
  const figure = (record, row) => {
    const item = make("li", data.rows[row].truth ? "clip reference" : "clip"), name = data.rows[row].label;
    item.dataset.row = String(row);
    if (!record) {
      item.append(make("div", "blank", "no sample"), make("p", "name", name));
      return item;
    }
    item.append(living_clip(record, `Sample of ${name}`, clips.gallery), make("p", "name", name));
    const scores = make("p", "scores");
    for (const [metric, value] of record.scores) scores.append(make("span", "", `${metric} ${value}`), " ");
    if (record.scores.length) item.append(scores);
    return item;
  };
  const stack = (prompt) => {
    const whole = make("div", "stack"), text = make("p", "prompt", prompt.text), list = make("ul", "clips");
    text.tabIndex = 0;
    text.setAttribute("role", "group");
    text.setAttribute("aria-label", `Prompt ${prompt.index + 1} in full`);
    list.append(...prompt.clips.map((clip, row) => [clip, row]).filter(([, row]) => shown[row]).map(([clip, row]) => figure(clip, row)));
    whole.append(text, list);
    return whole;
  };
  const show = (index) => {
    first = index;
    picker.value = String(index);
    clips.gallery = [];
    const many = Math.min(Number(at("many").value), data.prompts.length);
    const wanted = Array.from({ length: many }, (_, place) => data.prompts[(index + place) % data.prompts.length]);
    stacks.replaceChildren(...wanted.map(stack));
    at("shown-count").textContent = `${shown.filter(Boolean).length} of ${shown.length}`;
    measureClock();
    scrub.max = String(clock.ticks - 1);
    if (!clock.playing) clock.time = 0;
    draw();
  };
  const turn = (by) => {
    const count = data.prompts.length;
    show((first + by * Math.min(Number(at("many").value), count) + count) % count);
  };
  showPrompt = (text) => {
    const index = data.prompts.findIndex((prompt) => prompt.text === text);
    if (index < 0) return;
    show(index);
    gallery.scrollIntoView({ block: "start" });
    gallery.focus({ preventScroll: true });
  };

  options(picker, data.prompts.map((prompt, index) => [index, promptLabel(prompt, 90)]), 0);
  const boxes = data.rows.map((row, place) => {
    const label = make("label"), box = make("input");
    Object.assign(box, { type: "checkbox", checked: shown[place] });
    box.addEventListener("change", () => { shown[place] = box.checked; show(first); });
    label.append(box, ` ${row.label}`);
    at("shown").append(label);
    return box;
  });
  const all = (wanted) => {
    shown.fill(wanted);
    for (const box of boxes) box.checked = wanted;
    show(first);
  };
  at("all-cells").addEventListener("click", () => all(true));
  at("no-cells").addEventListener("click", () => all(false));
  picker.addEventListener("change", () => show(Number(picker.value)));
  at("many").addEventListener("change", () => show(first));
  at("previous").addEventListener("click", () => turn(-1));
  at("next").addEventListener("click", () => turn(1));
  at("play").addEventListener("click", () => play(!clock.playing));
  at("back").addEventListener("click", () => step(-1));
  at("forward").addEventListener("click", () => step(1));
  scrub.addEventListener("input", () => seek(Number(scrub.value)));
  const keys = {
    ArrowLeft: () => step(-1),
    ArrowRight: () => step(1),
    Home: () => seek(0),
    End: () => seek(clock.ticks - 1),
    PageUp: () => turn(-1),
    PageDown: () => turn(1),
    " ": () => play(!clock.playing),
  };
  gallery.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("select, details, .prompt")) return;
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
  const touch = () => { touched = true; };
  document.addEventListener("pointerdown", touch, { once: true });
  gallery.addEventListener("keydown", touch, { once: true });
  new IntersectionObserver(([entry]) => {
    if (entry.isIntersecting && !touched && !still.matches) play(true);
    if (!entry.isIntersecting && !touched) play(false);
  }).observe(stacks);
}

// The prompts on which two cells differ most.
const differences = read("pairs-data");
if (differences) {
  const { texts, pairs } = differences;
  const byText = new Map((data?.prompts ?? []).map((prompt) => [prompt.text, prompt]));
  const rowOf = new Map((data?.rows ?? []).map((row, index) => [row.label, index]));
  const chosen = { metric: at("pair-metric"), a: at("pair-a"), b: at("pair-b") };
  const svg = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    return element;
  };
  const signed = (value, digits) => {
    const text = Math.abs(value).toFixed(digits);
    return Number(text) === 0 ? text : `${value > 0 ? "+" : "−"}${text}`;
  };
  const bars = (values, pair) => {
    const width = 1000, height = 150, room = 6, each = width / values.length, gap = each > 6 ? 0.18 * each : 0;
    const high = Math.max(0, ...values), low = Math.min(0, ...values), span = high - low || 1;
    const y = (value) => room + ((high - value) / span) * (height - 2 * room);
    const ends = values.length ? `, from ${signed(values[0], pair.digits)} to ${signed(values.at(-1), pair.digits)}` : "";
    const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img", "aria-label": `Differences of ${values.length} prompts${ends}` });
    values.forEach((value, index) => {
      const top = y(Math.max(0, value)), box = { x: index * each + gap / 2, width: each - gap, y: top, height: y(Math.min(0, value)) - top };
      chart.append(svg("rect", { ...box, class: (pair.higher ? value : -value) > 0 ? "favours" : "against" }));
    });
    chart.append(svg("line", { x1: 0, x2: width, y1: y(0), y2: y(0), class: "zero" }));
    return chart;
  };
  const mini = (text, label, caption) => {
    const prompt = byText.get(text), record = prompt && rowOf.has(label) ? prompt.clips[rowOf.get(label)] : null;
    if (!record) return null;
    const figure = make("figure", "mini");
    figure.append(living_clip(record, `Sample of ${label}`, clips.extremes), make("figcaption", "", caption));
    return figure;
  };
  const entry = ([place, value], pair) => {
    const item = make("li"), text = texts[place], words = make("p", "words", short(text, 280));
    words.prepend(make("b", "amount", `${signed(value, pair.digits)}${pair.unit && ` ${pair.unit}`}`), " ");
    item.append(words);
    const sides = [mini(text, pair.a, "first"), mini(text, pair.b, "second")].filter(Boolean);
    if (sides.length) {
      const row = make("div", "minis"), button = make("button", "quiet", "In the gallery");
      button.type = "button";
      button.addEventListener("click", () => showPrompt(text));
      row.append(...sides, button);
      item.append(row);
    }
    return item;
  };
  const render = (pair) => {
    clips.extremes = [];
    const gain = ([, value]) => (pair.higher ? value : -value);
    const sorted = [...pair.values].sort((x, y) => gain(y) - gain(x) || x[0] - y[0]);
    const most = Math.min(5, Math.ceil(sorted.length / 2)), best = sorted.slice(0, most);
    const worst = sorted.slice(most).slice(-5).reverse();
    const [value, low, high] = pair.all.map((end) => signed(end, pair.precision));
    const ends = `[${low.replace("+", "")}, ${high.replace("+", "")}]`;
    at("pair-sum").replaceChildren(make("b", "", `${value}${pair.unit && ` ${pair.unit}`}`), ` ${ends} over all ${pair.values.length} prompts, first minus second; ${pair.higher ? "higher" : "lower"} is better.`);
    at("pair-bars").replaceChildren(bars(sorted.map(([, value]) => value), pair));
    at("pair-best").replaceChildren(...best.map((each) => entry(each, pair)));
    at("pair-worst").replaceChildren(...worst.map((each) => entry(each, pair)));
    const carried = [...best, ...worst].some(([place]) => !byText.has(texts[place]));
    at("pair-note").textContent = carried ? "Clips stand beside the prompts that the gallery has." : "";
    measureClock();
    draw();
  };
  const unique = (list) => [...new Set(list)];
  const choose = (metric, a, b) => {
    const metrics = unique(pairs.map((pair) => pair.metric));
    const own = pairs.filter((pair) => pair.metric === metric);
    const flipped = own.map((pair) => ({ ...pair, a: pair.b, b: pair.a, flip: true }));
    const both = [...own, ...flipped], firsts = unique(both.map((pair) => pair.a));
    const first = firsts.includes(a) ? a : firsts[0];
    const seconds = unique(both.filter((pair) => pair.a === first).map((pair) => pair.b));
    const second = seconds.includes(b) ? b : seconds[0];
    options(chosen.metric, metrics.map((name) => [name, name]), metric);
    options(chosen.a, firsts.map((name) => [name, name]), first);
    options(chosen.b, seconds.map((name) => [name, name]), second);
    render(turned(both.find((pair) => pair.a === first && pair.b === second)));
  };
  const turned = (pair) => {
    if (!pair.flip) return pair;
    const [value, low, high] = pair.all;
    return { ...pair, all: [-value, -high, -low], values: pair.values.map(([place, each]) => [place, -each]) };
  };
  chosen.metric.addEventListener("change", () => choose(chosen.metric.value, chosen.a.value, chosen.b.value));
  chosen.a.addEventListener("change", () => choose(chosen.metric.value, chosen.a.value, chosen.b.value));
  chosen.b.addEventListener("change", () => choose(chosen.metric.value, chosen.a.value, chosen.b.value));
  const lead = pairs[differences.first], better = lead.higher === lead.all[0] >= 0;
  choose(lead.metric, better ? lead.a : lead.b, better ? lead.b : lead.a);
  at("pairs").hidden = false;
}

// Stage tables: one cell's at a time, or every cell's.
for (const group of document.querySelectorAll(".stage-group")) {
  const bar = group.querySelector(".one-of"), bodies = [...group.querySelector("table").tBodies];
  const select = bar.querySelector("select"), button = bar.querySelector("button");
  const show = (every) => {
    button.setAttribute("aria-pressed", String(every));
    bodies.forEach((body, index) => {
      body.hidden = !every && index !== Number(select.value);
      body.rows[0].hidden = !every;
    });
  };
  options(select, bodies.map((body, index) => [index, body.dataset.label]), 0);
  select.addEventListener("change", () => show(false));
  button.addEventListener("click", () => show(button.getAttribute("aria-pressed") !== "true"));
  bar.hidden = bodies.length < 2;
  show(false);
}

// One sample stage by stage, every frame at its moment.
if (at("strips")) {
  const rows = at("strip-rows"), cell = at("strip-cell"), prompt = at("strip-prompt");
  const staged = (clip) => Boolean(clip && clip.stages.length);
  const cells = data.rows.map((row, index) => [index, row.label]).filter(([index]) => data.prompts.some((each) => staged(each.clips[index])));
  const prompts = (row) => data.prompts.map((each, index) => [index, each]).filter(([, each]) => staged(each.clips[row]));
  const strip = (record, name, detail, seconds) => {
    const row = make("div", "strip"), frames = make("div", "frames");
    const canvases = Array.from({ length: record.frames }, (_, frame) => {
      const canvas = canvasOf(record.width, record.height, `${name}, frame ${frame + 1} of ${record.frames}`);
      canvas.style.gridColumnStart = String(1 + Math.round((frame / record.fps) * seconds.fps));
      frames.append(canvas);
      return canvas;
    });
    frames.style.gridTemplateColumns = `repeat(${seconds.columns}, minmax(0, 1fr))`;
    picture(record.image, (image) => canvases.forEach((canvas, frame) => {
      canvas.getContext("2d").drawImage(image, frame * record.width, 0, record.width, record.height, 0, 0, record.width, record.height);
      canvas.dataset.drawn = "yes";
    }));
    const label = make("p", "strip-name");
    label.append(make("b", "", name), make("span", "", detail));
    row.append(label, frames);
    return row;
  };
  const show = () => {
    const clip = data.prompts[Number(prompt.value)].clips[Number(cell.value)];
    const all = [...clip.stages, clip];
    const fps = Math.max(...all.map((each) => each.fps));
    const columns = Math.max(...all.map((each) => Math.round((each.frames / each.fps) * fps)));
    rows.replaceChildren(...all.map((each) => strip(each, each.stage, `${each.frames} × ${each.height} × ${each.width}, ${each.fps} fps`, { fps, columns })));
  };
  const choose = () => {
    const able = prompts(Number(cell.value)), before = Number(prompt.value);
    options(prompt, able.map(([index, each]) => [index, promptLabel(each, 80)]), able.some(([index]) => index === before) ? before : able[0][0]);
    show();
  };
  if (cells.length) {
    options(cell, cells, cells[0][0]);
    cell.addEventListener("change", choose);
    prompt.addEventListener("change", show);
    at("strips").hidden = false;
    choose();
  }
}

// On paper, everything on demand is shown.
let opened = [], hidden = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open]):not(.cells)")];
  for (const each of opened) each.open = true;
  hidden = [...document.querySelectorAll("table.stages tbody[hidden], table.stages tr[hidden]")];
  for (const each of hidden) each.hidden = false;
});
addEventListener("afterprint", () => {
  for (const each of opened) each.open = false;
  for (const each of hidden) each.hidden = true;
});
