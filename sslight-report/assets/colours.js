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

// Patterns of the parts of a plot where the colour already tells the run.
report.dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 4]];

// The looks of a part of a plot: one run has a colour for each part, several have one for each run.
report.looks = (runIndex, partIndex) => ({
  colour: report.runColour(report.several ? runIndex : partIndex),
  dash: report.several ? report.dashes[partIndex % report.dashes.length] : [],
});

report.swatch = (colour, dash = []) => {
  const pattern = dash.length === 0 ? "solid" : dash[0] < 4 ? "dotted" : "dashed";
  const swatch = report.element("i", { class: "line", "aria-hidden": "true" });
  swatch.style.borderTop = `2px ${pattern} var(--${colour})`;
  return swatch;
};

// Light, dark, or what the system says. Remembered only while the page is open.
report.theme = () => {
  const chosen = document.documentElement.dataset.theme;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  return chosen ?? (dark ? "dark" : "light");
};
