"use strict";

// What the reader can choose for one plot: its parts, and a logarithmic axis.
{
  const { choices, data } = report;

  // With several runs a plot begins with its first part, so that the runs can be told apart. A run that lacks that part
  // is shown by the next one.
  const hiddenAtFirst = (plot) => {
    const hidden = new Set();
    if (report.several) {
      plot.series.forEach((part, index) => {
        const shown = plot.series.slice(0, index).filter((earlier) => !hidden.has(earlier.label));
        const isShown = (run) => shown.some((earlier) => run.series[earlier.id]);
        if (data.runs.every((run) => !run.series[part.id] || isShown(run))) {
          hidden.add(part.label);
        }
      });
    }
    return hidden;
  };

  // The labels of the parts of a plot that are hidden.
  report.hiddenParts = (plot) => {
    if (!choices.hiddenParts.has(plot)) {
      choices.hiddenParts.set(plot, hiddenAtFirst(plot));
    }
    return choices.hiddenParts.get(plot);
  };

  // The parts, each to be hidden and shown; not for a single one, whose title says all.
  const legend = (figure, plot) => {
    const hidden = report.hiddenParts(plot);
    const floors = plot.floors.filter(([key]) => data.runs.some((run) => run.floors[key] !== undefined));
    const parts = [
      ...plot.series.map((part, index) => {
        const { colour, dash } = report.looks(0, index);
        return [part.label, report.several ? "ink-soft" : colour, dash];
      }),
      ...floors.map(([, label]) => {
        const index = plot.floors.findIndex((floor) => floor[1] === label);
        return [label, "ink-soft", report.floorDashes[index % 2]];
      }),
    ];
    if (parts.length < 2) {
      return;
    }
    for (const [label, colour, dash] of parts) {
      const face = report.element("span", {}, report.swatch(colour, dash), label);
      const toggle = (on) => {
        hidden[on ? "delete" : "add"](label);
        report.updateShown();
      };
      figure.querySelector(".parts").append(report.button(face, !hidden.has(label), toggle));
    }
  };

  report.plotTools = (figure) => {
    const plot = report.plotOf(figure);
    if (plot.log) {
      const toggle = (on) => {
        choices.logarithmic[on ? "add" : "delete"](plot);
        report.redraw();
      };
      const button = report.button("log", false, toggle);
      button.title = "Logarithmic axis";
      figure.querySelector(".plot-tools").append(button);
    }
    legend(figure, plot);
  };
}
