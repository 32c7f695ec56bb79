"use strict";

// What the reader can choose for all plots: runs, axis, smoothing, colours.
{
  const { choices, data } = report;
  const reset = report.element("button", { type: "button", id: "reset-zoom", disabled: "" }, "Reset zoom");

  report.zoom = (range) => {
    choices.range = range;
    reset.disabled = range === null;
    report.updateShown();
  };

  reset.addEventListener("click", () => report.zoom(null));

  const runLegend = () => {
    const legend = report.element("div", { class: "legend", role: "group", "aria-label": "Runs that are shown" });
    data.runs.forEach((run, index) => {
      const swatch = report.element("i", { class: "swatch", "data-run": index % 8 });
      const label = report.element("span", {}, swatch, report.element("bdi", { title: run.name }, run.name));
      const toggle = (on) => {
        choices.hiddenRuns[on ? "delete" : "add"](index);
        report.updateShown();
      };
      legend.append(report.button(label, true, toggle));
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

  // Redraws once a frame, however fast the slider moves.
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

  const smoothingChoice = () => {
    const slider = report.element("input", { type: "range", id: "smoothing", min: 0, max: 20, step: 1, value: 0 });
    const output = report.element("output", { for: "smoothing" }, "off");
    slider.addEventListener("input", () => {
      const level = Number(slider.value);
      // Finer at its start, where most of the use is.
      choices.smoothing = (level / 20) ** 2 * 0.2;
      const percent = report.number(Number((choices.smoothing * 100).toFixed(2)));
      output.textContent = level === 0 ? "off" : `${percent} % of steps`;
      redrawSoon();
    });
    return report.element("label", { class: "smoothing" }, "Smoothing ", slider, output);
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

  report.controls = () => {
    themeChoice();
    const legend = report.several ? [runLegend()] : [];
    document.getElementById("controls")?.append(...legend, axisChoice(), smoothingChoice(), reset);
  };
}
