// Times: keeps ages ticking and tells absolute times in the zone of the viewer.
// Everything is readable as the server sent it; this makes it current.
(() => {
  'use strict';
  const UNITS = [[31536000, 'y'], [2592000, 'mo'], [86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']];
  const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
  const two = (n) => String(n).padStart(2, '0');

  const words = (seconds, style) => {
    const s = Math.max(0, Math.floor(seconds));
    if (style === 'exact' && s >= 60 && s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    const [width, name] = UNITS.find(([w]) => s >= w) || UNITS[UNITS.length - 1];
    return `${Math.floor(s / width)} ${name}${style === 'ago' ? ' ago' : ''}`;
  };

  const age = (element) => {
    const text = words((Date.now() - Date.parse(element.dateTime)) / 1000, element.dataset.age);
    if (element.textContent !== text) element.textContent = text;
  };

  const clock = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;

  // Gives a button its span until the next such hour. Whole seconds, rounded up: 6:59 is not what it says.
  const aim = (button) => {
    const until = new Date();
    until.setHours(Number(button.dataset.until), 0, 0, 0);
    if (until <= Date.now() + 60000) until.setDate(until.getDate() + 1);
    button.value = `ignore:${Math.ceil((until - Date.now()) / 1000)}`;
    return until;
  };

  // Called for the page and for every piece that arrives later.
  const localise = (root) => {
    for (const element of root.querySelectorAll('time[datetime]')) {
      const at = new Date(element.dateTime);
      element.title = full.format(at);
      if ('clock' in element.dataset) {
        element.textContent = `${clock(at)}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}`;
      } else if ('hm' in element.dataset) {
        element.textContent = clock(at);
      } else if (element.dataset.age) {
        age(element);
      }
    }
    for (const label of root.querySelectorAll('text[data-at]')) {
      const at = new Date(Number(label.dataset.at) * 1000);
      label.textContent = label.dataset.day === '1'
        ? at.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })
        : clock(at);
    }
    for (const label of root.querySelectorAll('text[data-name]')) {
      const at = new Date(Number(label.dataset.mark) * 1000);
      label.textContent = `${label.dataset.name} ${clock(at)}:${two(at.getSeconds())}`;
    }
    // 'Ignore for 24 h' becomes 'until 7:00': a night's sleep in the zone of the person.
    for (const button of root.querySelectorAll('button[data-until]')) {
      const until = aim(button);
      const isTomorrow = until.getDate() !== new Date().getDate();
      const words = button.closest('.menu-list') ? `Until ${isTomorrow ? 'tomorrow ' : ''}` : 'Ignore until ';
      (button.querySelector('span') || button).textContent = `${words}${until.getHours()}:00`;
      button.hidden = false;
    }
    // A time zone that nobody chose yet is most likely the one of the browser.
    for (const select of root.querySelectorAll('select[data-own-zone]')) {
      const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
      if ([...select.options].some((option) => option.value === own)) select.value = own;
    }
  };

  window.firefinch = { localise, words };
  localise(document);
  // Once more when it is pressed: the page may have been open since yesterday.
  document.addEventListener('click', (event) => {
    const button = event.target.closest('button[data-until]');
    if (button) aim(button);
  }, true);
  setInterval(() => {
    if (!document.hidden) document.querySelectorAll('time[data-age]').forEach(age);
  }, 1000);
})();
