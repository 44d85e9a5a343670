// Passkeys of whoever is signed in: the only part of the admin API that a person cannot use without a browser.

const SIGN_IN_AGAIN = "The session is over. Sign in again.";
const REASONS = {
  InvalidStateError: "This authenticator holds a passkey of yours already.",
  NotAllowedError: "The authenticator was not used in time, or was told not to go on.",
  SecurityError: "Open this page by the address that people use (people.admin_url; otherwise localhost and not an IP).",
};

const at = (id) => document.getElementById(id);
let csrf = "";

class Refused extends Error {
  constructor(status, answer) {
    super([answer.what, answer.fix].filter(Boolean).join(". ") || `The gateway answered ${status}.`);
    this.status = status;
  }
}

async function ask(method, path, given) {
  const headers = { "X-Gateway-Csrf": csrf };
  if (given !== undefined) headers["Content-Type"] = "application/json";
  const body = given === undefined ? undefined : JSON.stringify(given);
  const answer = await fetch(path, { method, headers, body, credentials: "same-origin", cache: "no-store" });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, told);
  return told;
}

function tell(text, wrong = false) {
  at("told").textContent = text;
  at("told").classList.toggle("wrong", wrong);
}

function show(section, person) {
  for (const id of ["signing-in", "choosing", "own"]) at(id).hidden = id !== section;
  at("who").hidden = !person;
  at("name").textContent = person ?? "";
  for (const form of document.forms) form.reset();
}

function moment(text) {
  return text ? new Date(text).toLocaleString() : "never";
}

function row(key) {
  const line = document.createElement("tr");
  for (const text of [key.name, moment(key.since), moment(key.used_at)]) {
    line.insertCell().textContent = text;
  }
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Remove";
  button.setAttribute("aria-label", `Remove ${key.name}`);
  button.addEventListener("click", () => run(() => remove(key.name), button));
  line.insertCell().append(button);
  return line;
}

// What is to be shown follows from the session alone, so a page that was left open shows nothing it should not.
async function refresh() {
  let session;
  try {
    session = await ask("GET", "/session");
  } catch (error) {
    if (error.status !== 401) throw error;
    csrf = "";
    show("signing-in");
    return;
  }
  csrf = session.csrf;
  if (session.must_change_password) {
    show("choosing", session.name);
    return;
  }
  const keys = await ask("GET", "/session/passkeys");
  at("rows").replaceChildren(...keys.map(row));
  at("none").hidden = keys.length > 0;
  at("list").hidden = keys.length === 0;
  show("own", session.name);
}

async function signIn(given) {
  await ask("POST", "/session", given);
  tell("");
}

async function signInWithPasskey() {
  const options = await ask("POST", "/session/passkey/question");
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const credential = await navigator.credentials.get({ publicKey });
  await ask("POST", "/session/passkey", { credential: credential.toJSON() });
  tell("");
}

async function choose(given) {
  await ask("POST", "/session/password", given);
  tell("The password is changed. Sign in with it.");
}

async function add(given) {
  const options = await ask("POST", "/session/passkeys/question", { password: given.password });
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  const credential = await navigator.credentials.create({ publicKey });
  await ask("POST", "/session/passkeys", { name: given.name, credential: credential.toJSON() });
  tell(`${given.name} is added. It signs in alone from now on.`);
}

async function remove(name) {
  if (!confirm(`Remove ${name}? It will not sign in any more, and every session of yours ends.`)) return;
  await ask("POST", "/session/passkeys/remove", { name });
  tell(`${name} is removed. Sign in again.`);
}

async function signOut() {
  await ask("DELETE", "/session");
  tell("You are signed out.");
}

async function run(work, button) {
  button.disabled = true;
  try {
    await work();
    await refresh();
  } catch (error) {
    const over = error.status === 401 && csrf !== "";
    tell(over ? SIGN_IN_AGAIN : (REASONS[error.name] ?? error.message), true);
    if (over) await refresh();
  } finally {
    button.disabled = false;
  }
}

function onSubmit(id, work) {
  at(id).addEventListener("submit", (event) => {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(event.target));
    run(() => work(given), event.submitter ?? event.target.querySelector("button"));
  });
}

onSubmit("sign-in", signIn);
onSubmit("choose", choose);
onSubmit("add", add);
at("with-passkey").addEventListener("click", (event) => run(signInWithPasskey, event.currentTarget));
at("sign-out").addEventListener("click", (event) => run(signOut, event.currentTarget));
if (!window.PublicKeyCredential?.parseCreationOptionsFromJSON) {
  for (const id of ["with-passkey", "add"]) at(id).hidden = true;
  tell("This browser is too old for passkeys here, or the page was not opened over TLS or as localhost.", true);
}
refresh().catch((error) => tell(error.message, true));
