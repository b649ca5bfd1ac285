"use strict";

const at = (id) => document.getElementById(id);
let token = sessionStorage.getItem("token");

async function api(path, body) {
  const answer = await fetch(`/api/v1/${path}`, {
    method: body ? "POST" : "GET",
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: body && JSON.stringify(body),
  });
  const said = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
  if (answer.ok) return said;
  if (answer.status === 401 && token) enter(null);
  throw new Error(typeof said.detail === "string" ? said.detail : `The service answered ${answer.status}.`);
}

function enter(newToken) {
  token = newToken;
  if (token) sessionStorage.setItem("token", token);
  else sessionStorage.removeItem("token");
  at("account").hidden = Boolean(token);
  at("new").hidden = at("logout").hidden = !token;
  at("snippets").replaceChildren();
}

function element(name, text, kind) {
  const made = document.createElement(name);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function card(snippet) {
  const { summary } = snippet;
  const said = summary ? `${summary.language}, ${summary.lines} lines, ${summary.bytes} bytes` : "being looked at …";
  const made = element("article", "", "card");
  made.append(element("h3", snippet.title), element("pre", snippet.code), element("p", said, "summary"));
  return made;
}

async function list() {
  const snippets = await api("snippets");
  at("snippets").replaceChildren(...snippets.map(card));
  // The worker needs a moment for its summary.
  if (snippets.some((snippet) => !snippet.summary)) setTimeout(() => token && attempt(list), 1500);
}

async function attempt(work) {
  at("message").textContent = "";
  try {
    await work();
  } catch (error) {
    at("message").textContent = error.message;
  }
}

at("account").addEventListener("submit", (event) => {
  event.preventDefault();
  const given = Object.fromEntries(new FormData(event.target));
  attempt(async () => {
    if (event.submitter?.value === "register") await api("auth/register", given);
    enter((await api("auth/login", given)).access_token);
    await list();
  });
});

at("new").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    await api("snippets", Object.fromEntries(new FormData(event.target)));
    event.target.reset();
    await list();
  });
});

at("logout").addEventListener("click", () => attempt(async () => {
  await api("auth/logout", {});
  enter(null);
}));

fetch("/api/health").then((answer) => {
  at("health").textContent = answer.ok ? "well" : "not well";
}, () => {
  at("health").textContent = "out of reach";
});

enter(token);
if (token) attempt(list);
