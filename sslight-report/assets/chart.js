"use strict";

// Draws lines into the place of a figure. What the reader chooses makes new charts: it is fast enough, and nothing old stays.
report.charts = [];

{
  const HEIGHT = 230;
  // With fewer points each is marked.
  const FEW = 45;

  const axis = (label, more) => ({
    stroke: report.colour("ink-soft"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: report.colour("rule-faint"), width: 1 },
    ticks: { stroke: report.colour("rule-faint"), width: 1, size: 4 },
    gap: 4,
    label,
    labelSize: label ? 18 : 0,
    labelGap: 0,
    labelFont: "11px system-ui, sans-serif",
    ...more,
  });

  const tickLabels = (u, ticks) => ticks.map((tick) => (tick === null ? "" : report.number(tick)));

  // The whole multiples of a power of ten around the values; ticks begin at the lower one.
  const logarithmicRange = (u, low, high) => {
    if (low === null) {
      return [0.1, 10];
    }
    const power = (value) => 10 ** Math.floor(Math.log10(value));
    const from = Math.floor(low / power(low)) * power(low);
    const to = Math.ceil(high / power(high)) * power(high);
    return to > from ? [from, to] : [from / 2, to * 2];
  };

  // Of a logarithmic axis over several powers of ten only these have a line.
  const powers = (u, ticks) => {
    const isPower = (tick) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9;
    return ticks.filter(isPower).length > 2 ? ticks.map((tick) => (isPower(tick) ? tick : null)) : ticks;
  };

  // The nearest place at which a line has a value: lines of several runs share few.
  const nearest = (values, index) => {
    for (let away = 0; away < values.length; away += 1) {
      for (const at of [index - away, index + away]) {
        if (values[at] !== null && values[at] !== undefined) {
          return at;
        }
      }
    }
    return null;
  };

  // Runs that ended before the cursor have no value there, short of a small part of the plot.
  const pointed = (chart) => (u, seriesIndex, index, x) => {
    if (seriesIndex === 0) {
      return index;
    }
    if (chart.lines[seriesIndex - 1].floor) {
      return null;
    }
    const at = nearest(chart.values[seriesIndex], index);
    const { min, max } = u.scales.x;
    const reach = Math.max((max - min) * 0.04, chart.lines[seriesIndex - 1].spacing);
    return at !== null && Math.abs(chart.values[0][at] - x) <= reach ? at : null;
  };

  const seriesOf = (chart) => (line) => ({
    label: line.label,
    stroke: report.colour(line.colour),
    alpha: line.faint ? 0.32 : (line.alpha ?? 1),
    width: line.faint ? 1 : line.floor ? 1.5 : 1.75,
    dash: line.dash,
    pxAlign: 0,
    show: chart.isShown(line),
    points: { show: !line.floor && line.count <= FEW, size: 5, fill: report.colour(line.colour) },
  });

  const drawMarks = (chart) => (u) => {
    const { ctx, bbox } = u;
    ctx.save();
    for (const mark of chart.marks) {
      const x = Math.round(u.valToPos(mark.x, "x", true));
      if (report.choices.hiddenRuns.has(mark.run) || x < bbox.left || x > bbox.left + bbox.width) {
        continue;
      }
      ctx.strokeStyle = report.colour(report.several ? report.runColour(mark.run) : "bad");
      ctx.fillStyle = ctx.strokeStyle;
      ctx.lineWidth = devicePixelRatio;
      ctx.setLineDash([3 * devicePixelRatio, 3 * devicePixelRatio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      const half = 4 * devicePixelRatio;
      ctx.beginPath();
      ctx.moveTo(x - half, bbox.top);
      ctx.lineTo(x + half, bbox.top);
      ctx.lineTo(x, bbox.top + 1.5 * half);
      ctx.fill();
    }
    ctx.restore();
  };

  const zoomed = (chart) => (u) => {
    const { left, width } = u.select;
    u.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    if (width > 0) {
      chart.zoom([u.posToVal(left, "x"), u.posToVal(left + width, "x")]);
    }
  };

  const count = (values) => values.reduce((sum, value) => sum + (value !== null), 0);

  // `chart`: lines, marks, log, unit, range, zoom, isShown, round, place, words; `sync` if its cursor follows the others.
  report.draw = (chart) => {
    for (const line of chart.lines) {
      line.count = count(line.y);
      line.spacing = line.x.length > 1 ? (line.x.at(-1) - line.x[0]) / (line.x.length - 1) : Infinity;
    }
    const positive = (values) => (chart.log ? values.map((value) => (value > 0 ? value : null)) : values);
    chart.values =
      chart.lines.length > 0 ? uPlot.join(chart.lines.map((line) => [line.x, positive(line.y)])) : [[]];
    const [min, max] = chart.range();
    const options = {
      width: chart.place.clientWidth,
      height: HEIGHT,
      legend: { show: false },
      padding: [8, 24, 0, 0],
      scales: {
        x: { time: false, min, max, range: (u, low, high) => [low, high] },
        y: chart.log ? { distr: 3, range: logarithmicRange } : {},
      },
      axes: [
        axis(chart.unit, { size: 24, values: tickLabels, space: 60 }),
        axis("", { size: 54, values: tickLabels }),
      ],
      series: [{}, ...chart.lines.map(seriesOf(chart))],
      cursor: {
        drag: { x: true, y: false, setScale: false, dist: 6 },
        dataIdx: pointed(chart),
        points: { size: 7, width: 1.5 },
        bind: { dblclick: () => () => chart.zoom(null) },
        ...(chart.sync && {
          sync: {
            key: chart.sync,
            scales: ["x", null],
            filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
          },
        }),
      },
      hooks: { draw: [drawMarks(chart)], setSelect: [zoomed(chart)] },
      plugins: [report.tooltip(chart)],
    };
    if (chart.log) {
      Object.assign(options.axes[1].grid, { filter: powers });
      Object.assign(options.axes[1].ticks, { filter: powers });
    }
    const words = chart.place.querySelector(".words");
    words?.classList.add("visually-hidden");
    chart.plot = new uPlot(options, chart.values, chart.place);
    chart.plot.root.setAttribute("aria-hidden", "true");
    report.charts.push(chart);
    return chart;
  };

  report.clear = () => {
    for (const chart of report.charts.splice(0)) {
      chart.plot.destroy();
    }
  };

  report.resize = () => {
    for (const chart of report.charts) {
      const width = chart.place.clientWidth;
      if (width > 0 && width !== chart.plot.width) {
        chart.plot.setSize({ width, height: HEIGHT });
      }
    }
  };
}
