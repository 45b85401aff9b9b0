// The search box completes keys, and the values that lately came with them.
(() => {
  'use strict';
  const ROWS_MAX = 8;
  let known; // the answer of the server, once asked for
  let shown = [];
  let at = -1;

  const input = () => document.querySelector('input[data-complete]');
  const list = () => document.getElementById('completions');

  // The word before the caret: quotes keep spaces together, `!` stands in front of it.
  const word = (box) => {
    const text = box.value.slice(0, box.selectionStart);
    let from = 0;
    let quoted = false;
    for (let i = 0; i < text.length; i += 1) {
      if (text[i] === '"' && text[i - 1] !== '\\') quoted = !quoted;
      else if (/\s/.test(text[i]) && !quoted) from = i + 1;
    }
    if (text[from] === '!') from += 1;
    return { from, text: text.slice(from) };
  };

  const find = (typed) => {
    if (!known) return [];
    const lower = typed.toLowerCase();
    const colon = typed.indexOf(':');
    if (colon > 0) {
      const key = known.keys.find((one) => one.key.toLowerCase() === lower.slice(0, colon));
      const value = lower.slice(colon + 1).replace(/"/g, '');
      const values = key ? key.values.filter((one) => one.text.toLowerCase().slice(colon + 1).includes(value)) : [];
      return values.filter((one) => one.text !== typed).slice(0, ROWS_MAX)
        .map((one) => ({ text: one.text, insert: `${one.text} `, note: '', count: one.count }));
    }
    const keys = known.keys.filter((one) => one.key.toLowerCase().startsWith(lower));
    return keys.slice(0, ROWS_MAX).map((one) => ({ text: `${one.key}:`, insert: `${one.key}:`, note: one.note }));
  };

  const close = () => {
    shown = [];
    at = -1;
    if (list()) list().hidden = true;
    if (input()) { input().setAttribute('aria-expanded', 'false'); input().removeAttribute('aria-activedescendant'); }
  };

  const paint = () => {
    [...list().children].forEach((row, index) => row.setAttribute('aria-selected', String(index === at)));
    if (at >= 0) input().setAttribute('aria-activedescendant', `completion-${at}`);
    else input().removeAttribute('aria-activedescendant');
  };

  const show = () => {
    const box = input();
    if (!box || document.activeElement !== box) { close(); return; }
    shown = find(word(box).text);
    at = -1;
    if (!shown.length) { close(); return; }
    list().replaceChildren(...shown.map((one, index) => {
      const row = Object.assign(document.createElement('li'), { id: `completion-${index}` });
      row.setAttribute('role', 'option');
      const [text, note, count] = ['code', 'span', 'b'].map((name) => document.createElement(name));
      text.textContent = one.text;
      note.textContent = one.note;
      count.textContent = one.count === undefined ? '' : String(one.count);
      row.append(text, note, count);
      return row;
    }));
    list().hidden = false;
    box.setAttribute('aria-expanded', 'true');
    paint();
  };

  const take = (index) => {
    const box = input();
    const { from } = word(box);
    const rest = box.value.slice(box.selectionStart);
    const insert = shown[index].insert;
    box.value = box.value.slice(0, from) + insert + rest.replace(/^\s+/, '');
    box.setSelectionRange(from + insert.length, from + insert.length);
    box.focus();
    show();
  };

  document.addEventListener('focusin', async (event) => {
    if (event.target !== input()) { if (!event.target.closest('#completions')) close(); return; }
    if (!known) {
      known = { keys: [] };
      const response = await fetch(input().dataset.complete).catch(() => null);
      if (response && response.ok) known = await response.json();
      if (input() && input().value.slice(input().selectionStart - 1) !== '') show();
    }
  });
  document.addEventListener('input', (event) => { if (event.target === input()) show(); });
  // Before the keys of the page, which take Escape and the arrows for themselves.
  document.addEventListener('keydown', (event) => {
    if (event.target !== input() || event.isComposing || list().hidden) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      at = (at + step + shown.length + 1) % (shown.length + 1);
      if (at === shown.length) at = -1;
      paint();
    } else if ((event.key === 'Enter' || event.key === 'Tab') && at >= 0) {
      take(at);
    } else if (event.key === 'Escape') {
      close();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }, true);
  document.addEventListener('mousedown', (event) => {
    const row = event.target.closest('#completions li');
    if (row) { event.preventDefault(); take([...list().children].indexOf(row)); }
  });
})();
