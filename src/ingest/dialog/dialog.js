// The dialog in which a person says what happened, on a page of somebody else.
//
// Nothing of that page is taken for granted, and nothing of it is touched: a shadow root keeps its style sheets out; a
// constructed style sheet, and elements instead of markup, pass its content security policy; the browser's own modal dialog
// keeps the keyboard inside, closes on Escape and gives the focus back.
//
// `address` is where the form is posted to, and what this script was loaded from.
function showReportDialog(address, { css, lang, texts, name, email, charsMax }) {
  // Longer than a mobile network stalls, shorter than anybody waits.
  const SENDING_MS_MAX = 30_000;
  const MARK = "data-firefinch-report-dialog";

  // What somebody writes in one that is open must not be lost to a second error.
  if (document.querySelector(`[${MARK}]`)) return;

  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [attribute, value] of Object.entries(attributes)) element.setAttribute(attribute, value);
    element.append(...children);
    return element;
  }

  function field(id, label, control) {
    const flaw = make("p", { id: `${id}-flaw`, class: "flaw", hidden: "" });
    control.setAttribute("id", id);
    control.setAttribute("name", id);
    control.setAttribute("maxlength", charsMax[id]);
    control.setAttribute("aria-describedby", flaw.id);
    return { control, flaw, row: make("div", { class: "field" }, make("label", { for: id }, label), control, flaw) };
  }

  const fields = {
    name: field("name", texts.labelName, make("input", { type: "text", autocomplete: "name" })),
    email: field("email", texts.labelEmail, make("input", { type: "email", autocomplete: "email" })),
    comments: field("comments", texts.labelComments, make("textarea", { rows: "5", required: "" })),
  };
  fields.name.control.value = name;
  fields.email.control.value = email;

  const problem = make("p", { class: "problem", role: "alert" });
  const closer = make("button", { type: "button" }, texts.labelClose);
  const sender = make("button", { type: "submit", class: "first" }, texts.labelSubmit);
  const form = make(
    "form", { novalidate: "" },
    ...Object.values(fields).map(({ row }) => row), problem, make("div", { class: "buttons" }, closer, sender),
  );
  const intro = make("div", { id: "intro" }, ...[texts.subtitle, texts.subtitle2].filter(Boolean).map((text) => make("p", {}, text)));
  const dialog = make(
    "dialog", { "aria-labelledby": "title", "aria-describedby": "intro", dir: "auto" },
    make("h2", { id: "title" }, texts.title), intro, form,
  );

  function complain(text, flaws = {}) {
    problem.textContent = text;
    for (const [id, { control, flaw }] of Object.entries(fields)) {
      const said = flaws[id];
      control.setAttribute("aria-invalid", said ? "true" : "false");
      flaw.textContent = said ?? "";
      flaw.hidden = !said;
    }
    Object.values(fields).find(({ flaw }) => !flaw.hidden)?.control.focus();
  }

  // In the words, and the language, of the browser.
  function flawsHere() {
    const flawed = Object.entries(fields).filter(([, { control }]) => !control.checkValidity());
    return Object.fromEntries(flawed.map(([id, { control }]) => [id, control.validationMessage]));
  }

  function thank() {
    const thanks = make("p", { role: "status", class: "thanks" });
    const done = make("button", { type: "button", class: "first" }, texts.labelClose);
    done.addEventListener("click", () => dialog.close());
    intro.remove();
    form.replaceWith(thanks, make("div", { class: "buttons" }, done));
    // A status is read out when it changes, not when it comes.
    thanks.textContent = texts.successMessage;
    done.focus();
  }

  async function send() {
    const flaws = flawsHere();
    if (Object.keys(flaws).length) return complain(texts.errorFormEntry, flaws);
    complain("");
    const answer = await fetch(address, {
      method: "POST",
      body: new URLSearchParams(new FormData(form)),
      credentials: "omit",
      // Absent in Safari before 16.
      signal: AbortSignal.timeout?.(SENDING_MS_MAX),
    });
    if (answer.ok) return thank();
    const { errors } = answer.status === 400 ? await answer.json() : {};
    if (!errors) return complain(texts.errorGeneric);
    complain(texts.errorFormEntry, Object.fromEntries(Object.entries(errors).map(([id, said]) => [id, said.join(" ")])));
  }

  let isSending = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (isSending) return;
    isSending = true;
    // Not `disabled`, which would drop the focus.
    sender.setAttribute("aria-disabled", "true");
    try {
      await send();
    } catch {
      complain(texts.errorGeneric);
    } finally {
      isSending = false;
      sender.setAttribute("aria-disabled", "false");
    }
  });
  closer.addEventListener("click", () => dialog.close());

  // The page sees keys that come out of a shadow root as pressed outside of any field: they would be its shortcuts.
  for (const type of ["keydown", "keypress", "keyup"]) dialog.addEventListener(type, (event) => event.stopPropagation());

  const host = make("div", { [MARK]: "", lang });
  dialog.addEventListener("close", () => {
    host.remove();
    // What the SDK waits for, to call `onClose`.
    window.postMessage("__sentry_reportdialog_closed__", "*");
  });
  const root = host.attachShadow({ mode: "open" });
  try {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
  } catch {
    // Safari before 16.4.
    root.append(make("style", {}, css));
  }
  root.append(dialog);
  (document.body ?? document.documentElement).append(host);
  dialog.showModal();
  Object.values(fields).find(({ control }) => !control.value)?.control.focus();
}
