"use strict";
// Charts: each drawing of the page is replaced by one that can be zoomed, read at a point and put on a logarithmic
// axis. The figures stand beside the drawing as JSON, and every text of them is set as text.
const charts = (() => {
  const live = new Map(); // name of a chart -> its panels, which are kept when the page is refreshed
  const dashes = { dashed: [6, 4], dotted: [2, 3], long: [10, 4] };
  const NEAR = 16; // pixels within which the value of another step is read out, with that step beside it
  const SMOOTH_FROM = 80; // points of a noisy line from which on its running mean is drawn over it
  const STEPS = [...Array(8).keys()].flatMap((n) => [1, 2, 5].map((one) => one * 10 ** n));
  const locale = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

  // A colour as the canvas takes it: custom properties and light-dark() are resolved by an element.
  function colour(element, name) {
    const probe = document.createElement("i");
    probe.className = `c-${name}`;
    element.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  const faint = (rgb, share) => rgb.replace(/^rgba?\(([^)]+)\)$/, (_, parts) => {
    const [r, g, b] = parts.split(",").map((part) => part.trim());
    return `rgba(${r}, ${g}, ${b}, ${share})`;
  });

  const power = (value) => value.toExponential(2).replace(/\.?0+e/, "e");

  function number(value) {
    if (value === null || value === undefined) return "";
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e7) return locale.format(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return power(value);
    return value.toPrecision(4).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
  }

  // The value of a line where the pointer is, with its own step where that is another one.
  function reading(plot, value, i, at, words = number(value)) {
    if (value === null || value === undefined) return "";
    return at === plot.cursor.idx || plot.cursor.idx === null ? words : `${words} at ${number(plot.data[0][at])}`;
  }

  // A mean over neighbours on both sides; near the ends over fewer, so that the line is not shifted.
  function smooth(values, reach) {
    const sums = [0], counts = [0];
    for (const value of values) {
      sums.push(sums.at(-1) + (value ?? 0));
      counts.push(counts.at(-1) + (value === null ? 0 : 1));
    }
    return values.map((value, i) => {
      if (value === null) return null;
      const side = Math.min(i, values.length - 1 - i, reach);
      return (sums[i + side + 1] - sums[i - side]) / (counts[i + side + 1] - counts[i - side]);
    });
  }

  // The sign of a line in the legend, as it is drawn: its width, its dashes and the marks at its points.
  function sign({ ink, width = 2, dash, points }) {
    const [on, off] = dash ?? [1, 0];
    const dashed = `repeating-linear-gradient(90deg, ${ink} 0 ${on}px, transparent ${on}px ${on + off}px)`;
    const line = `${dash ? dashed : `linear-gradient(${ink}, ${ink})`} center / 100% ${width}px no-repeat`;
    const size = points?.show ? points.size / 2 : 0;
    const mark = `radial-gradient(circle, ${ink} ${size}px, transparent ${size + 0.5}px) center / 100% 100% no-repeat`;
    return size ? `${mark}, ${line}` : line;
  }

  // The lines of a panel on one axis of steps, and what each of them looks like.
  function table(panel, box) {
    const tables = [], series = [{ label: panel.x.name, value: (_, value) => number(value) }];
    const bands = [];
    for (const line of panel.lines) {
      const stroke = colour(box, line.style);
      const many = line.noisy && line.y.length >= SMOOTH_FROM;
      const width = line.noisy ? (many ? 1 : 1.25) : 2;
      const dash = dashes[line.dash];
      const points = { show: Boolean(line.mark) || line.y.length === 1, size: line.mark === "dot" ? 5 : 7, fill: stroke };
      tables.push([line.x, line.y]);
      series.push({
        label: line.name, ink: stroke, sign: { ink: stroke, width: many ? 2 : width, dash, points }, points, stroke: many ? faint(stroke, 0.35) : stroke, width, dash, value: reading,
      });
      if (many) {
        tables.push([line.x, smooth(line.y, Math.max(3, Math.floor(line.y.length / 50)))]);
        series.push({ label: "", class: "follows", stroke, width: 2, value: (_, value) => number(value), points: { show: false } });
      }
    }
    if (panel.band) {
      const { x, low, high, name } = panel.band;
      const tint = colour(box, "band");
      const edge = { ink: tint, stroke: faint(tint, 0.7), width: 1, points: { show: x.length === 1 } };
      const ends = (plot, value, i, at) => reading(plot, value, i, at, `${number(plot.data[i + 1][at])} to ${number(value)}`);
      tables.push([x, high], [x, low]);
      series.push({ ...edge, label: name, value: ends }, { ...edge, label: "", class: "follows" });
      bands.push({ series: [series.length - 2, series.length - 1], fill: faint(tint, 0.22) });
    }
    const data = tables.length ? uPlot.join(tables.map(([x, y]) => [x, y]), tables.map(() => [0, 2])) : [[]];
    return { data, series, bands };
  }

  const weight = (mark) => ({ fail: 0, warn: 1 })[mark.style] ?? 2; // the worst is named first, where there is least room

  // The row and the side of its line where a name of this width covers no other one; null where there is none.
  function room(x, width, bbox, taken) {
    const sides = x > bbox.left + bbox.width * 0.75 ? [true, false] : [false, true];
    for (const row of [0, 1, 2]) {
      for (const right of sides) {
        const from = right ? x - width : x, to = from + width;
        if (from < bbox.left || to > bbox.left + bbox.width) continue;
        if (taken.some((one) => one.row === row && from < one.to && one.from < to)) continue;
        taken.push({ row, from, to });
        return { row, right };
      }
    }
    return null;
  }

  // An interval that is known at one step alone: there is no area to fill.
  function bar(panel, box, plot) {
    if (panel.band?.x.length !== 1) return;
    const { ctx } = plot;
    const at = plot.valToPos(panel.band.x[0], "x", true);
    ctx.strokeStyle = colour(box, "band");
    ctx.lineWidth = 3 * (devicePixelRatio || 1);
    ctx.beginPath();
    for (const end of ["low", "high"]) ctx.lineTo(at, plot.valToPos(panel.band[end][0], "y", true));
    ctx.stroke();
  }

  // Findings as thin lines with a flag on top; limits as dashed lines with their name.
  function annotate(panel, box) {
    return (plot) => {
      const { ctx, bbox } = plot;
      const ratio = devicePixelRatio || 1;
      ctx.save();
      bar(panel, box, plot);
      ctx.font = `600 ${11 * ratio}px system-ui, sans-serif`;
      const lines = panel.marks.map((one) => ({ ...one, x: Math.round(plot.valToPos(one.x, "x", true)) }));
      const seen = lines.filter(({ x }) => x >= bbox.left && x <= bbox.left + bbox.width);
      const taken = [];
      for (const one of seen.sort((a, b) => weight(a) - weight(b) || a.x - b.x)) {
        ctx.strokeStyle = ctx.fillStyle = colour(box, one.style);
        ctx.lineWidth = ratio;
        ctx.setLineDash(one.text ? [3 * ratio, 3 * ratio] : []);
        ctx.beginPath();
        ctx.moveTo(one.x, bbox.top);
        ctx.lineTo(one.x, bbox.top + bbox.height);
        ctx.stroke();
        const place = one.label && room(one.x, ctx.measureText(one.label).width + 10 * ratio, bbox, taken);
        if (!place) continue;
        ctx.textAlign = place.right ? "right" : "left";
        ctx.fillText(one.label, one.x + (place.right ? -5 : 5) * ratio, bbox.top + (11 + 14 * place.row) * ratio);
      }
      for (const one of panel.limits) {
        const y = Math.round(plot.valToPos(one.value, "y", true));
        if (!(y >= bbox.top && y <= bbox.top + bbox.height)) continue;
        ctx.strokeStyle = ctx.fillStyle = colour(box, "limit");
        ctx.lineWidth = ratio;
        ctx.setLineDash([5 * ratio, 4 * ratio]);
        ctx.beginPath();
        ctx.moveTo(bbox.left, y);
        ctx.lineTo(bbox.left + bbox.width, y);
        ctx.stroke();
        ctx.textAlign = "right";
        ctx.fillText(one.text, bbox.left + bbox.width, y - 6 * ratio);
      }
      ctx.restore();
    };
  }

  const spread = (low, high, log) => {
    if (log) return [low * 0.85, high * 1.18];
    const room = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
    return [low - room, high + room];
  };

  // The range of the values that can be seen. At first a few far ones do not flatten the rest; after a zoom all count.
  function range(panel, state) {
    return (plot, low, high) => {
      if (low === null || high === null) return [0, 1];
      const zoomed = state.zoomed;
      const floor = state.log && panel.y.clipped ? panel.y.low : Math.min(low, panel.y.low);
      const [least, most] = zoomed ? [low, high] : [floor, panel.y.high];
      if (!state.log) return spread(least, most > least ? most : least + 1, false);
      const positive = least > 0 ? least : Math.min(...plot.data.slice(1).flatMap((one) => one.filter((value) => value > 0)), most) || 1e-9;
      return spread(positive, Math.max(most, positive * 1.01), true);
    };
  }

  // Round values between two ends: about four of them, and where a round step leaves less than three, finer ones.
  function even(low, high) {
    const rough = (high - low) / 4;
    if (!(rough > 0)) return [low];
    const power = 10 ** Math.floor(Math.log10(rough));
    const first = [1, 2, 5, 10].find((factor) => power * factor >= rough * 0.999);
    let found = [];
    for (const step of [10, 5, 2.5, 2, 1, 0.5].filter((factor) => factor <= first).map((factor) => factor * power)) {
      found = [];
      for (let n = Math.ceil(low / step - 1e-9); n <= Math.floor(high / step + 1e-9); n++) found.push(Number((n * step).toPrecision(12)));
      if (found.length > 2) break;
    }
    return found;
  }

  // Powers of ten between two ends, where they are few multiples of them, and between near ends any round values.
  function powers(low, high) {
    if (!(low > 0)) return [];
    let found = [];
    for (const factors of [[1, 2, 5], [1, 3], [1]]) {
      found = [];
      for (let n = Math.floor(Math.log10(low)); n <= Math.log10(high); n++)
        for (const factor of factors) found.push(Number((factor * 10 ** n).toPrecision(12)));
      found = found.filter((value) => value >= low && value <= high);
      if (found.length <= 5) break;
    }
    return found.length > 2 ? found : even(low, high);
  }

  // The steps that can be seen: all that are planned, or those of a zoom.
  const along = (panel) => (plot, low, high) => {
    const steps = plot.data[0];
    if (panel.x.log) return [low / 1.4, high * 1.4 || 1];
    const whole = low <= steps[0] && high >= steps.at(-1);
    return whole ? [Math.min(low, panel.x.low), Math.max(high, panel.x.high)] : [low, high];
  };

  const SIGN = 6.5, BETWEEN = 8; // pixels of a sign below a chart, at most, and between two numbers

  // Of the values on a logarithmic axis those whose numbers leave each other room: the marked ones first, then the ends.
  const apart = (panel) => (plot, i, low, high) => {
    const marked = new Set(panel.marks.map((one) => one.x));
    const all = [...new Set(panel.lines.flatMap((one) => one.x))].filter((value) => value >= low && value <= high).sort((a, b) => a - b);
    const rank = (value) => (marked.has(value) ? 0 : value === all[0] || value === all.at(-1) ? 1 : 2);
    const width = plot.bbox.width / (devicePixelRatio || 1), scale = width / Math.log(high / low);
    const side = (value) => (power(value).length * SIGN + BETWEEN) / 2;
    const shown = [];
    for (const value of [...all].sort((a, b) => rank(a) - rank(b) || a - b))
      if (shown.every((one) => Math.abs(Math.log(value / one)) * scale >= side(value) + side(one))) shown.push(value);
    return shown.sort((a, b) => a - b);
  };

  function options(panel, box, shape, state, sync) {
    const ink = colour(box, "ink"), line = colour(box, "grid");
    const axis = { filter: (_, all) => all, stroke: ink, font: "11px system-ui, sans-serif", ticks: { show: false }, border: { show: false } };
    const { series, bands } = shape;
    return {
      width: Math.max(120, box.clientWidth), height: Number(box.dataset.height), series, bands,
      padding: [8, 20, 0, 0],
      scales: {
        x: { time: false, distr: panel.x.log ? 3 : 1, range: along(panel) },
        y: { distr: state.log ? 3 : 1, range: range(panel, state) },
      },
      axes: [
        { ...axis, grid: { show: false }, size: 16, gap: 3, incrs: STEPS, splits: panel.x.log ? apart(panel) : undefined, values: (_, all) => all.map((value) => (panel.x.log ? power : number)(value)) },
        { ...axis, grid: { stroke: line, width: 1 }, size: 40, gap: 5, splits: (_, i, low, high) => (state.log ? powers(low, high) : even(low, high)), values: (_, all) => all.map((value) => number(value)) },
      ],
      cursor: { y: false, hover: { prox: NEAR }, drag: { x: true, y: false, setScale: true }, sync: sync ? { key: sync } : undefined, points: { size: 7 } },
      legend: { show: true, live: true, markers: { width: 0, fill: (plot, i) => (plot.series[i].sign ? sign(plot.series[i].sign) : plot.series[i].ink ?? ink) } },
      hooks: {
        draw: [annotate(panel, box)],
        // The running mean goes with its line, and the lower end of an interval with the upper one.
        setSeries: [(plot, i, change) => {
          if (change.show !== undefined && plot.series[i + 1]?.class === "follows") plot.setSeries(i + 1, { show: change.show });
        }],
        setScale: [(plot, key) => key === "x" && state.onZoom?.(plot)],
      },
    };
  }

  function heights(box, panel) {
    const first = box.closest(".overview");
    if (box.classList.contains("main")) return first ? 130 : panel.y.name === "loss" ? 300 : 130;
    if (box.classList.contains("wide")) return panel.y.name === "loss" ? 260 : 130;
    return first ? 94 : 200;
  }

  // One panel: its chart, and buttons that a line of figures needs.
  function build(panel, box, several, sync) {
    const state = { log: panel.y.log, zoomed: false };
    const holder = document.createElement("div");
    holder.className = "canvas";
    const tools = document.createElement("p");
    tools.className = "chart-tools";
    holder.dataset.height = heights(box, panel);
    box.append(tools, holder);
    if (several) {
      const title = document.createElement("b");
      title.textContent = panel.y.name;
      tools.append(title);
    }
    let plot = null;

    const button = (text, title, action) => {
      const one = document.createElement("button");
      one.type = "button";
      one.textContent = text;
      one.title = title;
      one.addEventListener("click", action);
      tools.append(one);
      return one;
    };
    const reset = button("Whole", "Show all steps again (or click twice into the chart)", () => whole());
    const log = button("Log", "Logarithmic axis of values", () => {
      state.log = !state.log;
      draw();
    });
    const positive = panel.lines.some((line) => line.y.some((value) => value > 0));
    if (!positive) log.remove();

    function whole() {
      state.zoomed = false;
      if (plot) plot.setData(plot.data, true);
      reset.hidden = true;
    }
    state.onZoom = (one) => {
      const x = one.data[0];
      const { min, max } = one.scales.x;
      const zoomed = x.length > 1 && (min > x[0] || max < x.at(-1)) && !panel.x.log;
      if (zoomed !== state.zoomed) {
        state.zoomed = zoomed;
        reset.hidden = !zoomed;
        queueMicrotask(() => one.redraw(true, true));
      }
    };
    function draw() {
      const kept = state.zoomed && plot ? { min: plot.scales.x.min, max: plot.scales.x.max } : null;
      plot?.destroy();
      const shape = table(panel, holder); // the box is another one after a refresh of the page
      plot = new uPlot(options(panel, holder, shape, state, sync), shape.data, holder);
      log.setAttribute("aria-pressed", String(state.log));
      reset.hidden = !kept;
      if (kept) plot.setScale("x", kept);
    }
    function update(next) {
      const followed = !state.zoomed;
      panel = next;
      const kept = { min: plot.scales.x.min, max: plot.scales.x.max };
      draw();
      if (!followed) plot.setScale("x", kept);
    }
    draw();
    new ResizeObserver(() => {
      const width = Math.max(120, holder.clientWidth);
      if (plot && holder.isConnected && holder.clientWidth && plot.width !== width)
        plot.setSize({ width, height: plot.height });
    }).observe(holder);
    return { update, draw, tools, holder };
  }

  function upgrade(box) {
    const source = box.querySelector("script[type='application/json']");
    if (!source || !box.checkVisibility()) return;
    const chart = JSON.parse(source.textContent);
    const name = box.dataset.chart;
    const known = live.get(name);
    box.replaceChildren();
    box.classList.add("drawn");
    if (known && known.length === chart.panels.length) {
      known.forEach((panel, i) => {
        box.append(panel.tools, panel.holder);
        panel.update(chart.panels[i]);
      });
      return;
    }
    const several = chart.panels.length > 1;
    live.set(name, chart.panels.map((panel) => build(panel, box, several, several ? name : null)));
  }

  const waiting = () => [...document.querySelectorAll(".chart:not(.drawn)")];
  const refresh = () => waiting().forEach(upgrade);
  const redraw = () => { for (const panels of live.values()) for (const one of panels) if (one.holder.isConnected) one.draw(); };
  return { refresh, redraw };
})();

if (typeof uPlot !== "undefined") {
  charts.refresh();
  // What is folded has no width yet: it is drawn when it is opened.
  document.addEventListener("toggle", () => charts.refresh(), true);
}
