// Charts: draws bars again when counts change, and shows the count under the pointer.
// The geometry is that of the server (engine::histogram): whole pixels, two at least above zero.
(() => {
  'use strict';
  const page = window.firefinch;
  const SVG = 'http://www.w3.org/2000/svg';

  const scaleTop = (highest) => {
    if (highest <= 4) return 4;
    for (let power = 1; ; power *= 10) {
      for (const step of [1, 2, 4, 5, 8]) if (power * step >= highest) return power * step;
    }
  };
  const short = (n) => {
    if (n < 10000) return n.toLocaleString('en');
    const [unit, letter] = n < 1e6 ? [1e3, 'k'] : n < 1e9 ? [1e6, 'M'] : [1e9, 'G'];
    const tenths = Math.floor(n / (unit / 10));
    return tenths < 1000 ? `${Math.floor(tenths / 10)}.${tenths % 10}${letter}` : `${Math.floor(tenths / 10)}${letter}`;
  };
  page.short = short;

  const read = (figure) => ({
    start: Number(figure.dataset.start),
    span: Number(figure.dataset.span),
    bar: Number(figure.dataset.bar),
    gap: Number(figure.dataset.gap),
    height: Number(figure.dataset.height),
    accent: Number(figure.dataset.accent),
    counts: figure.dataset.counts.split(',').map(Number),
  });

  const draw = (figure, chart) => {
    const { counts, bar, gap, height, accent } = chart;
    const top = scaleTop(Math.max(...counts));
    const tall = (n) => (n === 0 ? 0 : Math.max(2, Math.min(height, Math.ceil((n * height) / top))));
    const path = (from, to) => counts.map((n, index) => {
      const h = index >= from && index < to ? tall(n) : 0;
      return h ? `M${index * (bar + gap)} ${height}v-${h}h${bar}v${h}z` : '';
    }).join('');
    figure.querySelector('.bars').setAttribute('d', path(0, accent));
    figure.querySelector('.bars-accent').setAttribute('d', path(accent, counts.length));
    figure.querySelector('.bars-zero').setAttribute('d', counts.map((n, index) =>
      (n === 0 ? `M${index * (bar + gap)} ${height}v-1h${bar}v1z` : '')).join(''));
    figure.querySelector('[data-top]').textContent = short(top);
    figure.querySelector('[data-half]').textContent = short(Math.floor(top / 2));
    figure.dataset.start = chart.start;
    figure.dataset.counts = counts.join(',');
    figure.dataset.accent = accent;
  };

  // Moves the window so that its last bar contains now.
  const advance = (chart, now) => {
    const last = Math.floor(now / chart.span) * chart.span;
    const steps = (last - chart.start) / chart.span - (chart.counts.length - 1);
    if (!(steps > 0)) return false;
    const moved = Math.min(steps, chart.counts.length);
    chart.counts.splice(0, moved);
    while (chart.counts.length < chart.size) chart.counts.push(0);
    chart.start += steps * chart.span;
    if (chart.accent > 0 && chart.accent < chart.size) chart.accent = Math.max(0, chart.accent - steps);
    return true;
  };

  // Changes a chart by a function of its counts, after moving it to now.
  page.updateChart = (figure, change) => {
    if (!figure) return null;
    const chart = read(figure);
    chart.size = chart.counts.length;
    const now = Date.now() / 1000;
    const moved = advance(chart, now);
    const index = (at) => Math.floor((at - chart.start) / chart.span);
    const changed = change ? change(chart.counts, index) : false;
    if (moved || changed) draw(figure, chart);
    if (moved) relabel(figure, chart);
    return chart;
  };

  // The labels move with the bars; one that leaves at the left comes back at the right.
  const relabel = (figure, chart) => {
    const width = chart.span * chart.counts.length;
    for (const label of figure.querySelectorAll('text[data-at]')) {
      const at = Number(label.dataset.at);
      if (at >= chart.start) label.setAttribute('x', `${(((at - chart.start) / width) * 100).toFixed(2)}%`);
      else label.remove();
    }
  };

  // ---- Old and new release in one chart: parts from the foot, a pixel of the page between two.
  const PARTS = [['old', '.bars-old'], ['rest', '.bars-rest'], ['fresh', '.bars-accent']];
  const sumOf = (part) => part[0] + part[1] + part[2];
  const readStack = (figure) => {
    const lists = PARTS.map(([name]) => figure.dataset[name].split(',').map(Number));
    const number = (name) => Number(figure.dataset[name]);
    const [start, span, bar, gap, height, usual] = ['start', 'span', 'bar', 'gap', 'height', 'usual'].map(number);
    return { start, span, bar, gap, height, usual, parts: lists[0].map((_, index) => lists.map((list) => list[index])) };
  };
  const drawStack = (figure, { parts, bar, gap, height, usual }) => {
    const top = scaleTop(Math.max(usual, ...parts.map(sumOf)));
    const tall = (n) => (n === 0 ? 0 : Math.max(2, Math.min(height, Math.ceil((n * height) / top))));
    const paths = ['', '', ''];
    parts.forEach((part, index) => {
      let [sum, foot] = [0, 0];
      part.forEach((n, of) => {
        if (n === 0) return;
        sum += n;
        const between = foot > 0 ? 1 : 0;
        const head = Math.min(height, Math.max(tall(sum), foot + 2 + between));
        const from = Math.min(height, foot + between);
        if (head > from) paths[of] += `M${index * (bar + gap)} ${height - from}v-${head - from}h${bar}v${head - from}z`;
        foot = head;
      });
    });
    PARTS.forEach(([name, selector], of) => {
      figure.querySelector(selector).setAttribute('d', paths[of]);
      figure.dataset[name] = parts.map((part) => part[of]).join(',');
    });
    // What is usual was drawn for another scale: stretched from the foot, it is at its place again.
    const scale = Number(figure.dataset.drawnTop) / top;
    figure.querySelector('.usual').setAttribute('transform', `translate(0 ${height * (1 - scale)}) scale(1 ${scale})`);
    figure.querySelector('[data-top]').textContent = short(top);
    figure.querySelector('[data-half]').textContent = short(Math.floor(top / 2));
  };
  const moveMarks = (figure, { start, span, parts }) => {
    for (const mark of figure.querySelectorAll('[data-mark]')) {
      const at = ((Number(mark.dataset.mark) - start) / (span * parts.length)) * 100;
      if (at < 0) { mark.remove(); continue; }
      const x = `${at.toFixed(2)}%`;
      if (mark.tagName === 'line') { mark.setAttribute('x1', x); mark.setAttribute('x2', x); } else mark.setAttribute('x', x);
      if (mark.tagName === 'text' && at < 25) { mark.setAttribute('text-anchor', 'start'); mark.setAttribute('dx', '6'); }
    }
  };
  // Takes bars, each a time and its parts, after moving the chart to now.
  page.updateStack = (figure, bars) => {
    if (!figure) return null;
    const chart = readStack(figure);
    const size = chart.parts.length;
    const newest = Math.max(Date.now() / 1000, ...bars.map(([at]) => at));
    const steps = Math.min(size, Math.floor(newest / chart.span) - Math.floor(chart.start / chart.span) - (size - 1));
    if (steps > 0) {
      chart.parts.splice(0, steps);
      while (chart.parts.length < size) chart.parts.push([0, 0, 0]);
      chart.start = Math.floor(newest / chart.span) * chart.span - (size - 1) * chart.span;
    }
    for (const [at, part] of bars) {
      const index = Math.floor((at - chart.start) / chart.span);
      if (index >= 0 && index < size) chart.parts[index] = part;
    }
    if (steps > 0 || bars.length) drawStack(figure, chart);
    if (steps > 0) {
      figure.dataset.start = chart.start;
      relabel(figure, { ...chart, counts: chart.parts });
      moveMarks(figure, chart);
    }
    return chart;
  };

  // ---- Hover: one hairline, the time and the count.
  let tip = null;
  const hide = () => {
    if (!tip) return;
    tip.box.remove();
    tip.line.remove();
    tip = null;
  };
  document.addEventListener('pointermove', (event) => {
    const plot = event.target.closest && event.target.closest('.chart > svg:first-child');
    if (!plot) { hide(); return; }
    const figure = plot.parentElement;
    const stack = figure.matches('.stack') ? readStack(figure) : null;
    const chart = stack ? { ...stack, counts: stack.parts.map(sumOf) } : read(figure);
    const rect = plot.getBoundingClientRect();
    const index = Math.min(chart.counts.length - 1, Math.max(0, Math.floor(((event.clientX - rect.left) / rect.width) * chart.counts.length)));
    if (tip && tip.figure !== figure) hide();
    if (!tip) {
      const box = document.createElement('div');
      box.className = 'chart-tip';
      const line = document.createElementNS(SVG, 'line');
      line.setAttribute('class', 'cursor');
      figure.append(box);
      plot.append(line);
      tip = { figure, box, line };
    }
    const x = ((index + 0.5) / chart.counts.length) * 100;
    for (const [name, value] of [['x1', `${x}%`], ['x2', `${x}%`], ['y1', 0], ['y2', chart.height]]) tip.line.setAttribute(name, value);
    const at = new Date((chart.start + index * chart.span) * 1000);
    const [old, rest, fresh] = stack ? stack.parts[index] : [];
    const told = stack && rest + fresh > 0 ? ` (before ${old}, now ${rest}${fresh ? `, new issues ${fresh}` : ''})` : '';
    const named = [...figure.querySelectorAll('[data-part]')]
      .map((part) => [part.dataset.name || 'without', Number(part.dataset.part.split(',')[index])])
      .filter(([, n]) => n > 0).map(([name, n]) => `; ${name}: ${n.toLocaleString('en')}`).join('');
    const parts = `${told}${named}`;
    tip.box.textContent = `${at.toLocaleTimeString()}${chart.span >= 3600 ? ` ${at.toLocaleDateString()}` : ''}: ${chart.counts[index].toLocaleString('en')}${parts}`;
    // Through the object model, which the content policy allows, unlike style attributes.
    tip.box.style.left = `${Math.min(rect.width - 140, Math.max(0, (x / 100) * rect.width - 40))}px`;
  });

  // ---- Drawing over a part of the time leads to it. Links do the same without a pointer.
  let drag = null;
  const drop = () => {
    if (drag) drag.shade.remove();
    drag = null;
  };
  const place = (event) => Math.min(1, Math.max(0, (event.clientX - drag.rect.left) / drag.rect.width));
  document.addEventListener('pointerdown', (event) => {
    const plot = event.button === 0 && event.target.closest && event.target.closest('.chart[data-zoom] > svg:first-child');
    if (!plot) return;
    const shade = document.createElementNS(SVG, 'rect');
    shade.setAttribute('class', 'selection');
    shade.setAttribute('height', plot.parentElement.dataset.height);
    plot.append(shade);
    drag = { figure: plot.parentElement, rect: plot.getBoundingClientRect(), shade, from: 0 };
    drag.from = place(event);
    plot.setPointerCapture(event.pointerId);
  });
  document.addEventListener('pointermove', (event) => {
    if (!drag) return;
    const to = place(event);
    drag.shade.setAttribute('x', `${Math.min(drag.from, to) * 100}%`);
    drag.shade.setAttribute('width', `${Math.abs(to - drag.from) * 100}%`);
  });
  document.addEventListener('pointerup', (event) => {
    if (!drag) return;
    const [from, to] = [drag.from, place(event)].sort((a, b) => a - b);
    const { figure, rect } = drag;
    drop();
    if ((to - from) * rect.width < 8) return;
    const chart = read(figure);
    const at = (part) => Math.round(chart.start + part * chart.span * chart.counts.length);
    window.location.assign(`?from=${at(from)}&until=${at(to)}${figure.dataset.zoom}#histogram`);
  });
  document.addEventListener('pointercancel', drop);
  document.addEventListener('keydown', (event) => { if (event.key === 'Escape') drop(); });
})();
