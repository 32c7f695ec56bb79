"use strict";

// Puts the plots of a run and what can be chosen together.
{
  const { choices, data } = report;
  const figures = [...document.querySelectorAll("figure.plot")];
  const plotOf = (figure) => data.plots[Number(figure.dataset.plot)];
  const isSpectrum = (figure) => figure.dataset.plot === "spectrum";

  const hiddenParts = (plot) => {
    if (!choices.hiddenParts.has(plot)) {
      choices.hiddenParts.set(plot, new Set());
    }
    return choices.hiddenParts.get(plot);
  };

  const placed = (run, steps) => steps.map((step) => report.placed(run, step));

  // The lines of a part of a plot: as reported, and smoothed above it.
  const linesOf = (run, runIndex, part, partIndex) => {
    const series = run.series[part.id];
    if (!series) {
      return [];
    }
    const common = { run: runIndex, runName: run.name, label: part.label, part: part.label };
    const looks = report.looks(runIndex, partIndex);
    const steps = run.axes[series.x];
    const raw = { ...common, ...looks, x: placed(run, steps), y: series.y };
    if (choices.smoothing === 0 || !part.id.startsWith("step:")) {
      return [raw];
    }
    // Of a long run the points are extremes, whose average is not that of the run; its means are.
    const over = series.mean_x === undefined ? steps : run.axes[series.mean_x];
    const values = series.mean_y ?? series.y;
    const smooth = report.smoothed(over, values, choices.smoothing * report.longestRun);
    return [
      { ...raw, dash: [], faint: true },
      { ...common, ...looks, x: placed(run, over), y: smooth },
    ];
  };

  const floorsOf = (plot, run, runIndex) => {
    const steps = plot.series.flatMap((part) => run.axes[run.series[part.id]?.x] ?? []);
    if (steps.length === 0) {
      return [];
    }
    const x = [0, report.placed(run, steps.reduce((a, b) => Math.max(a, b)))];
    return plot.floors
      .filter(([key]) => run.floors[key] !== undefined)
      .map(([key, label], index) => ({
        run: runIndex,
        runName: report.several ? run.name : null,
        label,
        part: label,
        floor: true,
        colour: report.several ? report.runColour(runIndex) : "ink-soft",
        dash: index === 0 ? [2, 4] : [6, 4],
        alpha: 0.8,
        x,
        y: [run.floors[key], run.floors[key]],
      }));
  };

  const marksOf = (run, runIndex) =>
    run.marks.map(([step, name]) => ({ run: runIndex, name, x: report.placed(run, step) }));

  const drawFigure = (figure) => {
    const plot = plotOf(figure);
    const lines = data.runs.flatMap((run, runIndex) => [
      ...floorsOf(plot, run, runIndex),
      ...plot.series.flatMap((part, partIndex) => linesOf(run, runIndex, part, partIndex)),
    ]);
    report.draw({
      name: plot.title,
      lines,
      marks: plot.marks ? data.runs.flatMap(marksOf) : [],
      log: choices.logarithmic.has(plot),
      unit: report.axis().unit,
      round: choices.axis === "step" ? Math.round : (value) => Math.round(value * 100) / 100,
      range: () => choices.range ?? report.fullRange(),
      zoom: report.zoom,
      isShown: (line) => !choices.hiddenRuns.has(line.run) && !hiddenParts(plot).has(line.part),
      place: figure.querySelector(".canvas"),
      sync: "course",
    });
  };

  report.redraw = () => {
    report.clear();
    for (const figure of figures) {
      if (isSpectrum(figure)) {
        report.drawSpectrum(figure);
      } else {
        drawFigure(figure);
      }
    }
  };

  let waiting = false;
  const redrawSoon = () => {
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        report.redraw();
      });
    }
  };

  const updateShown = () => {
    const [min, max] = choices.range ?? report.fullRange();
    for (const chart of report.charts) {
      chart.plot.batch(() => {
        chart.lines.forEach((line, index) => chart.plot.setSeries(index + 1, { show: chart.isShown(line) }));
        if (chart.sync) {
          chart.plot.setScale("x", { min, max });
        }
      });
      chart.plot.redraw(false);
    }
  };

  const reset = report.element("button", { type: "button", id: "reset-zoom", disabled: "" }, "Reset zoom");

  report.zoom = (range) => {
    choices.range = range;
    reset.disabled = range === null;
    updateShown();
  };

  reset.addEventListener("click", () => report.zoom(null));

  const runLegend = () => {
    const legend = report.element("div", { class: "legend", role: "group", "aria-label": "Runs that are shown" });
    data.runs.forEach((run, index) => {
      const swatch = report.element("i", { class: "swatch", "data-run": index % 8 });
      const label = report.element("span", {}, swatch, report.element("bdi", {}, run.name));
      legend.append(
        report.button(label, true, (on) => {
          choices.hiddenRuns[on ? "delete" : "add"](index);
          updateShown();
        }),
      );
    });
    return legend;
  };

  const axisChoice = () => {
    const group = report.element("fieldset", { class: "segments" });
    group.append(report.element("legend", { class: "visually-hidden" }, "Horizontal axis"));
    for (const axis of report.axes) {
      const radio = report.element("input", { type: "radio", name: "axis", value: axis.id });
      radio.checked = axis.id === choices.axis;
      radio.disabled = !axis.known;
      radio.addEventListener("change", () => {
        choices.axis = axis.id;
        choices.range = null;
        reset.disabled = true;
        report.redraw();
      });
      const title = axis.known ? "" : "Not every run has ended an epoch and told its time";
      group.append(report.element("label", { title }, radio, report.element("span", {}, axis.label)));
    }
    return group;
  };

  const smoothingChoice = () => {
    const slider = report.element("input", { type: "range", id: "smoothing", min: 0, max: 20, step: 1, value: 0 });
    const output = report.element("output", { for: "smoothing" }, "off");
    slider.addEventListener("input", () => {
      const level = Number(slider.value);
      // Finer at its start, where most of the use is.
      choices.smoothing = (level / 20) ** 2 * 0.2;
      output.textContent = level === 0 ? "off" : `${report.number(Number((choices.smoothing * 100).toFixed(2)))} % of steps`;
      redrawSoon();
    });
    return report.element("label", { class: "smoothing" }, "Smoothing ", slider, output);
  };

  // The parts of a plot, each to be hidden and shown; not for a single one, whose title says all.
  const partLegend = (figure) => {
    const plot = plotOf(figure);
    const floors = plot.floors.filter(([key]) => data.runs.some((run) => run.floors[key] !== undefined));
    const parts = [
      ...plot.series.map((part, index) => {
        const { colour, dash } = report.looks(0, index);
        return [part.label, report.several ? "ink-soft" : colour, dash];
      }),
      ...floors.map(([, label], index) => [label, "ink-soft", index === 0 ? [2, 4] : [6, 4]]),
    ];
    if (parts.length < 2) {
      return;
    }
    for (const [label, colour, dash] of parts) {
      const face = report.element("span", {}, report.swatch(colour, dash), label);
      const toggle = (on) => {
        hiddenParts(plot)[on ? "delete" : "add"](label);
        updateShown();
      };
      figure.querySelector(".parts").append(report.button(face, true, toggle));
    }
  };

  const logChoice = (figure) => {
    const plot = plotOf(figure);
    if (plot.log) {
      const toggle = (on) => {
        choices.logarithmic[on ? "add" : "delete"](plot);
        report.redraw();
      };
      const button = report.button("log", false, toggle);
      button.title = "Logarithmic axis";
      figure.querySelector(".plot-tools").append(button);
    }
  };

  const themeChoice = () => {
    const button = document.getElementById("theme");
    const other = () => (report.theme() === "dark" ? "light" : "dark");
    const update = () => {
      button.textContent = other() === "dark" ? "Dark" : "Light";
    };
    button.addEventListener("click", () => {
      document.documentElement.dataset.theme = other();
      update();
      report.redraw();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      update();
      report.redraw();
    });
    update();
  };

  document.documentElement.classList.add("has-script");
  themeChoice();
  const controls = document.getElementById("controls");
  if (controls) {
    controls.append(...(report.several ? [runLegend()] : []), axisChoice(), smoothingChoice(), reset);
  }
  for (const figure of figures) {
    if (isSpectrum(figure)) {
      report.spectrumTools(figure);
    } else {
      logChoice(figure);
      partLegend(figure);
    }
  }
  report.redraw();
  new ResizeObserver(report.resize).observe(document.getElementById("main"));
  // Paper is white.
  for (const [event, printing] of [["beforeprint", true], ["afterprint", false]]) {
    window.addEventListener(event, () => {
      document.documentElement.classList.toggle("printing", printing);
      report.redraw();
    });
  }
}
