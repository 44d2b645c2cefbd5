// The values of a figure where the pointer is, and the switch between logarithmic and linear axes.
for (const figure of document.querySelectorAll("figure")) {
  const drawing = figure.querySelector(".drawing"), tip = figure.querySelector(".tip");
  const ring = figure.querySelector(".ring"), button = figure.querySelector("button");
  const images = drawing.querySelectorAll("img"), spots = [...images].map(image => JSON.parse(image.dataset.spots));
  let shown = 0;
  const hide = () => { tip.hidden = ring.hidden = true; };
  const show = event => {
    const box = drawing.getBoundingClientRect();
    const away = ([x, y]) => Math.hypot(box.left + x * box.width - event.clientX, box.top + y * box.height - event.clientY);
    const nearest = spots[shown].reduce((best, spot) => !best || away(spot) < away(best) ? spot : best, null);
    if (!nearest || away(nearest) > 30) return hide();
    const [x, y] = nearest;
    const near = spots[shown].filter(spot => Math.hypot((spot[0] - x) * box.width, (spot[1] - y) * box.height) < 4);
    tip.textContent = [...new Set(near.map(spot => spot[2]))].slice(0, 4).join("\n\n");
    for (const element of [tip, ring]) {
      element.style.left = `${100 * x}%`;
      element.style.top = `${100 * y}%`;
      element.hidden = false;
    }
    tip.style.transform = `translate(${x > 0.5 ? "calc(-100% - 10px)" : "10px"}, ${y > 0.5 ? "-100%" : "0"})`;
  };
  drawing.addEventListener("pointermove", show);
  drawing.addEventListener("pointerdown", show);
  drawing.addEventListener("pointerleave", hide);
  if (button) {
    button.hidden = false;
    button.addEventListener("click", () => {
      hide();
      images[shown].hidden = true;
      shown = 1 - shown;
      images[shown].hidden = false;
      button.textContent = shown ? button.dataset.back : button.dataset.to;
    });
  }
}
