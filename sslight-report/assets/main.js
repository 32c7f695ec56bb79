"use strict";

// Turns the runs into lines, the lines into plots, and draws anew what a choice changes.
{
  const { choices, data } = report;
  const figures = [...document.querySelectorAll("figure.plot")];
  const isSpectrum = (figure) => figure.dataset.plot === "spectrum";

  report.plotOf = (figure) => data.plots[Number(figure.dataset.plot)];

  const placed = (run, steps) => steps.map((step) => report.placed(run, step));

  // The lines of a part of a plot. One that is a mean or smoothed has what was reported behind it.
  const linesOf = (plot, run, runIndex, part, partIndex) => {
    const series = run.series[part.id];
    if (!series) {
      return [];
    }
    const common = { run: runIndex, runName: run.name, label: part.label, single: plot.series.length === 1 };
    const looks = report.looks(runIndex, partIndex);
    const steps = run.axes[series.x];
    const raw = { ...common, ...looks, x: placed(run, steps), y: series.y };
    const smooths = choices.smoothing > 0 && part.id.startsWith("step:");
    if (!smooths && series.mean_y === undefined) {
      return [raw];
    }
    // Of a long run the points are extremes, whose average is not that of the run; its means are.
    const over = series.mean_x === undefined ? steps : run.axes[series.mean_x];
    const means = series.mean_y ?? series.y;
    const y = smooths ? report.smoothed(over, means, choices.smoothing * report.longestRun) : means;
    return [
      { ...raw, dash: [], faint: true },
      { ...common, ...looks, x: placed(run, over), y },
    ];
  };

  const endOf = (plot, run) => {
    const steps = plot.series.flatMap((part) => run.axes[run.series[part.id]?.x] ?? []);
    return steps.length === 0 ? null : report.placed(run, steps.reduce((a, b) => Math.max(a, b)));
  };

  // A floor that all runs share is one line, over the whole plot.
  const floorsOf = (plot) =>
    plot.floors.flatMap(([key, label], index) => {
      const runs = data.runs
        .map((run, runIndex) => ({ run, runIndex, end: endOf(plot, run), value: run.floors[key] }))
        .filter(({ end, value }) => end !== null && value !== undefined);
      const line = { label, floor: true, dash: report.floorDashes[index % 2] };
      if (runs.length > 0 && runs.every(({ value }) => value === runs[0].value)) {
        const x = [0, Math.max(...runs.map(({ end }) => end))];
        return [{ ...line, run: null, colour: "ink-soft", x, y: [runs[0].value, runs[0].value] }];
      }
      return runs.map(({ run, runIndex, end, value }) => ({
        ...line,
        run: runIndex,
        runName: run.name,
        colour: report.runColour(runIndex),
        x: [0, end],
        y: [value, value],
      }));
    });

  const marksOf = (run, runIndex) =>
    run.marks.map(([step, name]) => ({ run: runIndex, runName: run.name, name, step, x: report.placed(run, step) }));

  const drawFigure = (figure) => {
    const plot = report.plotOf(figure);
    const lines = data.runs.flatMap((run, runIndex) =>
      plot.series.flatMap((part, partIndex) => linesOf(plot, run, runIndex, part, partIndex)));
    const hidden = report.hiddenParts(plot);
    report.draw({
      name: plot.title,
      lines: [...floorsOf(plot), ...lines.filter((line) => line.faint), ...lines.filter((line) => !line.faint)],
      marks: plot.marks ? data.runs.flatMap(marksOf) : [],
      log: choices.logarithmic.has(plot),
      unit: report.axis().unit,
      round: choices.axis === "step" ? Math.round : (value) => Math.round(value * 100) / 100,
      range: () => choices.range ?? report.fullRange(),
      zoom: report.zoom,
      isShown: (line) => !choices.hiddenRuns.has(line.run) && !hidden.has(line.label),
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

  // Shows and hides lines, and zooms, without making the charts anew.
  report.updateShown = () => {
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

  document.documentElement.classList.add("has-script");
  report.controls();
  for (const figure of figures) {
    if (isSpectrum(figure)) {
      report.spectrumTools(figure);
    } else {
      report.plotTools(figure);
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
