// Shows the operations of openapi.json, each with a form to try it. No other host is asked.

const base = new URL(".", document.baseURI);

/** Makes an element: attributes, then children (elements or texts). */
function make(tag, attributes = {}, ...children) {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
}

/** The schema of a parameter without the alternative null. */
function schemaOf(parameter) {
  const { anyOf, ...rest } = parameter.schema;
  return anyOf ? { ...rest, ...anyOf.find((one) => one.type !== "null") } : rest;
}

/** The input of one query parameter; its empty value leaves the parameter out. */
function field(parameter, models) {
  const schema = schemaOf(parameter);
  const isModel = parameter.name === "model";
  const choices = isModel ? models : schema.type === "boolean" ? ["true"] : schema.enum;
  const none = isModel ? `default (${models[0]})` : `${schema.default ?? "not set"}`;
  const input = choices
    ? make("select", {}, make("option", { value: "" }, none), ...choices.map((one) => make("option", {}, one)))
    : make("input", { placeholder: none, inputMode: schema.type === "number" ? "decimal" : "text" });
  input.name = parameter.name;
  return make("label", {}, make("b", {}, parameter.name), input, make("small", {}, parameter.description ?? ""));
}

/** The address of a form's request, with the parameters that are set. */
function address(path, form) {
  const url = new URL(path.slice(1), base);
  for (const [name, value] of new FormData(form)) {
    if (typeof value === "string" && value !== "") url.searchParams.set(name, value);
  }
  return url;
}

function curl(url, accept, hasBody) {
  const parts = ["curl"];
  if (hasBody) {
    if (accept !== "image/png") parts.push(`-H 'Accept: ${accept}'`);
    parts.push("--data-binary @photo.jpg", `-o result.${accept.replace(/image\/|\+xml/g, "")}`);
  }
  return [...parts, `'${url.href.replaceAll("'", "%27")}'`].join(" ");
}

/** What came back: a picture, or text. */
async function shown(answer, milliseconds) {
  const timing = answer.headers.get("Server-Timing");
  const facts = `${answer.status} in ${milliseconds.toFixed(0)} ms` + (timing ? ` (${timing})` : "");
  const line = make("p", { className: answer.ok ? "" : "bad" }, facts);
  const kind = answer.headers.get("Content-Type") ?? "";
  if (kind.startsWith("image/")) {
    const url = URL.createObjectURL(await answer.blob());
    return [line, make("img", { src: url, alt: "The result" }), make("a", { href: url, download: "result" }, "Download")];
  }
  const text = await answer.text();
  const pretty = kind.startsWith("application/json") ? JSON.stringify(JSON.parse(text), null, 2) : text;
  return [line, make("pre", { tabIndex: 0 }, pretty)];
}

async function send(form, method, path, file, accept, output, button) {
  button.disabled = true;
  const started = performance.now();
  try {
    const answer = await fetch(address(path, form), {
      method,
      body: file,
      headers: accept ? { Accept: accept } : {},
    });
    output.replaceChildren(...(await shown(answer, performance.now() - started)));
  } catch (error) {
    output.replaceChildren(make("p", { className: "bad" }, `No answer: ${error.message}`));
  }
  button.disabled = false;
}

function operation(path, method, { summary, description, parameters = [], requestBody, responses }, models) {
  const task = path.endsWith("/edges") ? "edges" : "saliency";
  const names = models.filter((model) => model.task === task).map((model) => model.name);
  const file = make("input", { type: "file", accept: "image/*", required: true });
  const formats = Object.keys(responses[200].content ?? {}).filter((kind) => kind.startsWith("image/"));
  const accept = make("select", {}, ...formats.map((kind) => make("option", {}, kind)));
  const button = make("button", {}, "Send");
  const output = make("output");
  const command = make("pre", { tabIndex: 0 });
  const form = make("form", {});
  if (requestBody) form.append(make("label", {}, make("b", {}, "picture"), file));
  const fields = make("div", { className: "fields" }, ...parameters.map((one) => field(one, names)));
  if (requestBody) {
    fields.append(make("label", {}, make("b", {}, "Accept"), accept, make("small", {}, "Format of the result.")));
  }
  form.append(fields, command, button);
  const wanted = () => (requestBody ? accept.value : "");
  const refresh = () => (command.textContent = curl(address(path, form), wanted(), requestBody));
  form.addEventListener("input", refresh);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, method.toUpperCase(), path, requestBody && file.files[0], wanted(), output, button);
  });
  refresh();
  const rows = Object.entries(responses).map(([status, one]) =>
    make("tr", {}, make("td", {}, make("code", {}, status)), make("td", {}, one.description)),
  );
  return make(
    "article",
    {},
    make("h2", {}, make("span", { className: "method" }, method.toUpperCase()), make("code", {}, path), make("span", {}, summary)),
    make("p", {}, description ?? ""),
    form,
    output,
    make("details", {}, make("summary", {}, "Answers"), make("table", {}, ...rows)),
  );
}

async function json(path) {
  const answer = await fetch(new URL(path, base));
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

const operations = document.querySelector("#operations");
try {
  const [api, { models }] = await Promise.all([json("openapi.json"), json("v1/models")]);
  document.querySelector("#version").textContent = api.info.version;
  document.querySelector("#about").textContent = api.info.description;
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, one] of Object.entries(methods)) operations.append(operation(path, method, one, models));
  }
} catch (error) {
  operations.append(make("p", { className: "bad" }, `The description of the API cannot be read: ${error.message}`));
}
operations.setAttribute("aria-busy", "false");
