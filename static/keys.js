// The keyboard: j k o e i a x (on Live r m z p, too) / ? . u [ ] y, g followed by i, l, r, p or w, and digits in an open menu.
(() => {
  'use strict';
  const page = window.firefinch;
  let cursor = null; // id of the issue under the cursor: rows may be replaced, ids stay
  let afterG = 0;

  const rows = () => [...document.querySelectorAll('[data-issue]')];
  const current = () => rows().find((row) => row.dataset.issue === cursor);

  const paint = () => {
    for (const row of rows()) row.classList.toggle('at-cursor', row.dataset.issue === cursor);
  };
  const move = (step) => {
    const all = rows();
    if (!all.length) return;
    const at = all.findIndex((row) => row.dataset.issue === cursor);
    const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
    cursor = next.dataset.issue;
    paint();
    next.querySelector('.row-title').focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
  };
  page.cursor = () => cursor;
  page.onSwap(() => { paint(); page.restoreChosen(); });
  // The cursor follows the focus, so that Tab and j lead to the same row.
  document.addEventListener('focusin', (event) => {
    const row = event.target.closest && event.target.closest('[data-issue]');
    if (row && event.target.matches(':focus-visible')) { cursor = row.dataset.issue; paint(); }
  });

  const press = (selector) => {
    const target = document.querySelector(selector);
    if (target) target.click();
    return Boolean(target);
  };
  // Acts on the chosen rows, else on the row under the cursor, else on the issue of the page.
  const act = (onPage, onList) => {
    const button = document.getElementById(onList);
    if (!button) return onPage.some((id) => press(`#${id}`));
    if (!document.querySelector('#rows .choose:checked, #list.has-chosen')) {
      const box = current() && current().querySelector('.choose');
      if (!box) return false;
      box.checked = true;
    }
    button.click();
    return true;
  };
  const choose = () => {
    const box = current() && current().querySelector('.choose');
    if (box) { box.checked = !box.checked; page.showChosen(); }
  };

  const KEYS = {
    j: () => move(1),
    k: () => move(-1),
    o: () => current() && current().querySelector('.row-title').click(),
    e: () => act(['resolve', 'reopen'], 'bulk-resolve'),
    i: () => act(['ignore'], 'bulk-ignore'),
    a: () => {
      if (!act(['assign'], 'bulk-assign')) return;
      const first = document.querySelector('details.menu[open] .menu-list button');
      if (first) first.focus();
    },
    x: choose,
    // On Live, where they are nearer to each other.
    r: () => document.querySelector('[data-live-page]') && act([], 'bulk-resolve'),
    m: () => document.querySelector('[data-live-page]') && act([], 'bulk-ignore'),
    z: () => act([], 'bulk-expect'),
    p: () => press('#pause'),
    u: () => press('#undo'),
    y: () => page.copyMarkdown(),
    '.': () => page.letIn && page.letIn(),
    '[': () => press('#older'),
    ']': () => press('#newer'),
    '/': () => { const query = document.getElementById('query'); if (query) { query.focus(); query.select(); } },
    '?': () => document.getElementById('keys').showModal(),
  };
  const GO = { i: '/issues', l: '/live', r: '/releases', p: '/projects', w: '/wall' };

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest('input:not([type=checkbox]), textarea, select, dialog')) {
      if (event.key === 'Escape') event.target.blur();
      return;
    }
    if (Date.now() - afterG < 1000 && GO[event.key]) {
      event.preventDefault();
      location.assign(GO[event.key]);
      return;
    }
    afterG = event.key === 'g' ? Date.now() : 0;
    if (/^[0-9]$/.test(event.key) && press(`details.menu[open] [data-key="${event.key}"]`)) return;
    const action = KEYS[event.key];
    if (action) { event.preventDefault(); action(); }
  });
})();
