"use strict";

// The singular values of the features over their index, of the epochs that are chosen.
report.drawSpectrum = (figure) => {
  const { choices, data } = report;
  const name = "spectrum";

  const chosen = (spectra) => {
    switch (choices.spectrum) {
      case "ends":
        return spectra.filter((_, index) => index === 0 || index === spectra.length - 1);
      case "all":
        return spectra;
      default:
        return spectra.filter((spectrum) => String(spectrum.epoch) === choices.spectrum);
    }
  };

  const lines = data.runs.flatMap((run, runIndex) => {
    const spectra = chosen(run.spectra);
    return spectra.map((spectrum, index) => ({
      run: runIndex,
      runName: run.name,
      label: `epoch ${spectrum.epoch}`,
      part: "",
      x: spectrum.x,
      y: spectrum.y,
      colour: report.runColour(runIndex),
      dash: index === spectra.length - 1 ? [] : [7, 4],
      alpha: spectra.length > 2 ? 0.3 + (0.7 * index) / (spectra.length - 1) : 1,
    }));
  });

  const most = Math.max(1, ...lines.map((line) => line.x.at(-1) ?? 1));
  report.draw({
    name,
    lines,
    marks: [],
    log: !choices.logarithmic.has("linear spectrum"),
    unit: "index",
    round: Math.round,
    range: () => report.spectrumRange ?? [1, most],
    zoom: (range) => {
      report.spectrumRange = range;
      report.redraw();
    },
    isShown: (line) => !choices.hiddenRuns.has(line.run),
    place: figure.querySelector(".canvas"),
  });
};

// What can be chosen, beside the title of the figure.
report.spectrumTools = (figure) => {
  const { choices, data } = report;
  const epochs = [...new Set(data.runs.flatMap((run) => run.spectra.map((spectrum) => spectrum.epoch)))];
  const option = (value, label) => report.element("option", { value }, label);
  const select = report.element("select", { "aria-label": "Epochs of the spectrum" });
  select.append(option("ends", "First and last epoch"), option("all", "All epochs"));
  select.append(...epochs.sort((a, b) => a - b).map((epoch) => option(String(epoch), `Epoch ${epoch}`)));
  select.value = choices.spectrum;
  select.addEventListener("change", () => {
    choices.spectrum = select.value;
    report.redraw();
  });
  const log = report.button("log", true, (on) => {
    choices.logarithmic[on ? "delete" : "add"]("linear spectrum");
    report.redraw();
  });
  figure.querySelector(".plot-tools").append(select, log);
};
