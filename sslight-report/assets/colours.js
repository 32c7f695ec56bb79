"use strict";

// Colours are named in the style sheet, for light and dark. A canvas needs them resolved.
{
  const probe = report.element("span", { hidden: "" });
  document.body.append(probe);

  report.colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
}

report.runColour = (index) => `run-${index % 8}`;

// Patterns of the parts of a plot where the colour already tells the run, and of floors.
report.dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 4]];
report.floorDashes = [[2, 4], [12, 5]];

// The looks of a part of a plot: one run has a colour for each part, several have one for each run.
report.looks = (runIndex, partIndex) => ({
  colour: report.runColour(report.several ? runIndex : partIndex),
  dash: report.several ? report.dashes[partIndex % report.dashes.length] : [],
});

// A piece of a line as it is drawn.
report.swatch = (colour, dash = []) => {
  const name = "http://www.w3.org/2000/svg";
  const swatch = document.createElementNS(name, "svg");
  const line = document.createElementNS(name, "line");
  for (const [element, attributes] of [
    [swatch, { class: "line", width: 22, height: 6, "aria-hidden": "true" }],
    [line, { x1: 0, y1: 3, x2: 22, y2: 3, "stroke-width": 2, "stroke-dasharray": dash.join(" ") }],
  ]) {
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
  }
  line.style.stroke = `var(--${colour})`;
  swatch.append(line);
  return swatch;
};

// Light, dark, or what the system says. Remembered only while the page is open.
report.theme = () => {
  const chosen = document.documentElement.dataset.theme;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return chosen ?? (dark ? "dark" : "light");
};
