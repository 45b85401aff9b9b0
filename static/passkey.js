// Passkeys: fetches a question from the server, has the browser answer it, and posts the answer with the form. The forms
// are hidden without script, and where the browser has no passkeys; the password is always there.
(() => {
  if (!window.PublicKeyCredential) return;

  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (char) => char.charCodeAt(0));
  const text = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const texts = (from, names) => Object.fromEntries(names.filter((name) => from[name]).map((name) => [name, text(from[name])]));
  const answer = (credential, names) => ({
    id: credential.id, rawId: text(credential.rawId), type: credential.type, extensions: {},
    response: texts(credential.response, names),
  });

  const ways = {
    async get(options) {
      options.challenge = bytes(options.challenge);
      const credential = await navigator.credentials.get({ publicKey: options });
      return answer(credential, ["authenticatorData", "clientDataJSON", "signature", "userHandle"]);
    },
    async create(options) {
      options.challenge = bytes(options.challenge);
      options.user.id = bytes(options.user.id);
      for (const known of options.excludeCredentials ?? []) known.id = bytes(known.id);
      const credential = await navigator.credentials.create({ publicKey: options });
      return answer(credential, ["attestationObject", "clientDataJSON"]);
    },
  };

  function reason(error) {
    if (error.name === "InvalidStateError") return "This device has a passkey for you already.";
    if (error.name === "NotAllowedError") return "No passkey was chosen, or that took too long. Try again.";
    return error.message;
  }

  async function ask(form) {
    const response = await fetch(form.dataset.ask, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const question = await response.json().catch(() => ({}));
    if (!question.options) throw new Error(question.problem ?? "That did not work. Reload the page and try again in a minute.");
    return question;
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const problem = form.querySelector("[role=alert]");
      problem.hidden = true;
      try {
        const { step, options } = await ask(form);
        form.elements.answer.value = JSON.stringify(await ways[form.dataset.passkey](options.publicKey));
        form.elements.step.value = step;
        form.submit();
      } catch (error) {
        problem.textContent = reason(error);
        problem.hidden = false;
      }
    });
  }
})();
