"use strict";
// Tables sort by their headings; the table of scores and its dots are drawn from the data in the page.
const DATA = JSON.parse(document.getElementById("data").textContent);
const COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#999999"];
const WITH_UNITS = ["rmse", "bias"];

function sortable(table) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.innerHTML = head.innerHTML;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("thead th").forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      const key = row => {
        const cell = row.cells[column];
        return cell.dataset.v === undefined ? cell.textContent.trim() : Number(cell.dataset.v);
      };
      const compare = (a, b) => typeof a === "number" && typeof b === "number" ? a - b
        : typeof a !== typeof b ? (typeof a === "number" ? -1 : 1) : a.localeCompare(b);
      const rows = [...table.tBodies[0].rows].sort((a, b) => (descending ? -1 : 1) * compare(key(a), key(b)));
      table.tBodies[0].append(...rows);
    });
  });
}

const chosen = axis => Number(document.getElementById("choose-" + axis).value);
const text = value => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(Math.abs(value) < 0.01 ? 2 : 3)).replace("-", "−");

function shade(metric, value, row) {
  if (metric === "sdr") return Math.max(0, 1 - Math.abs(Math.log(Math.max(value, 1e-3))));
  if (!WITH_UNITS.includes(metric)) return Math.max(0, Math.min(1, value));
  const sizes = row.filter(v => v).map(v => Math.abs(v[0]));
  return sizes.length < 2 ? 0 : Math.abs(value) === Math.min(...sizes) ? 1 : 0;
}

function redraw() {
  const metric = DATA.axes.metric[chosen("metric")][0];
  const one = chosen("experiment");
  const experiments = DATA.axes.experiment.map((e, i) => i).filter(i => one < 0 || i === one);
  const rows = DATA.pairs
    .map((pair, i) => ({ pair, values: experiments.map(e =>
      DATA.values[[e, chosen("cells"), chosen("scope"), chosen("timescale"), chosen("metric"), i].join()]) }))
    .filter(row => row.pair.truth === Boolean(chosen("against")) && row.values.some(Boolean));
  const units = WITH_UNITS.includes(metric);
  const table = document.getElementById("scores");
  table.innerHTML = "<thead><tr><th>Variable</th>"
    + experiments.map(e => `<th class="n">${DATA.axes.experiment[e][1]}</th>`).join("") + "</tr></thead><tbody>"
    + rows.map(row => `<tr><th scope="row">${row.pair.label}${units && row.pair.units ? " (" + row.pair.units + ")" : ""}</th>`
      + row.values.map(v => v ? `<td class="n" data-v="${v[0]}" style="--s:${shade(metric, v[0], row.values)}">${text(v[0])}</td>` : '<td class="n">–</td>').join("")
      + "</tr>").join("") + "</tbody>";
  sortable(table);
  document.getElementById("scores-note").textContent = rows.length === 0
    ? "There is nothing for this choice: the spatial pattern has no monthly values, and the others no mean over time."
    : units ? "Blue marks the smallest of a row. In the drawing each row has its own scale, as units differ."
      : metric === "sdr" ? "The bluer, the nearer to 1." : "The bluer, the nearer to 1; values below 0 are white, and lie at the left edge of the drawing.";
  draw(rows, experiments, metric, units);
}

function draw(rows, experiments, metric, units) {
  const left = 150, right = 500, step = Math.max(30, 13 * experiments.length + 10), top = 12 + 18 * experiments.length;
  const parts = experiments.map((e, i) =>
    `<circle cx="${left + 4}" cy="${10 + 18 * i}" r="4" fill="${COLOURS[e % COLOURS.length]}"/><text x="${left + 14}" y="${14 + 18 * i}">${DATA.axes.experiment[e][1]}</text>`);
  const range = metric === "sdr" ? [0, 2] : [0, 1];
  rows.forEach((row, r) => {
    const y = top + r * step;
    let [low, high] = range;
    if (units) {
      const all = row.values.filter(Boolean).flat();
      low = Math.min(0, ...all); high = Math.max(0, ...all);
    }
    const x = v => left + (right - left) * (Math.max(low, Math.min(high, v)) - low) / (high - low || 1);
    const name = document.createElement("span");
    name.innerHTML = row.pair.label;
    parts.push(`<text x="${left - 12}" y="${y + step / 2 + 4}" text-anchor="end">${name.textContent.length > 23 ? name.textContent.slice(0, 22) + "…" : name.textContent}</text>`,
      `<line x1="${left}" x2="${right}" y1="${y + step}" y2="${y + step}" stroke="#dfe3e8"/>`,
      `<line x1="${x(metric === "sdr" ? 1 : 0)}" x2="${x(metric === "sdr" ? 1 : 0)}" y1="${y}" y2="${y + step}" stroke="#9aa7b3"/>`);
    row.values.forEach((v, i) => {
      if (!v) return;
      const yy = y + step / 2 + 13 * (i - (experiments.length - 1) / 2), colour = COLOURS[experiments[i] % COLOURS.length];
      parts.push(`<line x1="${x(v[1])}" x2="${x(v[2])}" y1="${yy}" y2="${yy}" stroke="${colour}" stroke-width="2.5" opacity=".45"/>`,
        `<circle cx="${x(v[0])}" cy="${yy}" r="4.5" fill="${colour}"><title>${text(v[0])} (${text(v[1])} to ${text(v[2])})</title></circle>`);
    });
  });
  const bottom = top + rows.length * step;
  if (!units && rows.length) for (let i = 0; i <= 4; i++) {
    const value = range[0] + (range[1] - range[0]) * i / 4;
    parts.push(`<text class="axis" x="${left + (right - left) * i / 4}" y="${bottom + 16}" text-anchor="middle">${value}</text>`);
  }
  const svg = document.getElementById("dots");
  svg.setAttribute("viewBox", `0 0 ${right + 16} ${bottom + 24}`);
  svg.innerHTML = rows.length ? parts.join("") : "";
}

document.querySelectorAll("table.sortable:not(#scores)").forEach(sortable);
document.querySelectorAll(".choices select").forEach(select => select.addEventListener("change", () => {
  // the mean over time and the spatial pattern belong together
  const mean = DATA.axes.timescale.findIndex(t => t[0] === "mean"), pattern = DATA.axes.scope.findIndex(s => s[0] === "spatial_pattern");
  if (select.id === "choose-scope" && mean >= 0 && (chosen("scope") === pattern) !== (chosen("timescale") === mean))
    document.getElementById("choose-timescale").value = chosen("scope") === pattern ? mean : 0;
  if (select.id === "choose-timescale" && pattern >= 0 && (chosen("scope") === pattern) !== (chosen("timescale") === mean))
    document.getElementById("choose-scope").value = chosen("timescale") === mean ? pattern : 0;
  redraw();
}));
redraw();
