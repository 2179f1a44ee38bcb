// Texts of others (captions, addresses) become text nodes only: nothing here parses HTML.
"use strict";

const SCANS_AT_ONCE = 36;
const element = (id) => document.getElementById(id);
let about = null;
let scansShown = 0;
let latest = 0;

function made(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

async function answerOf(response) {
  const content = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(content.message || `The server answered ${response.status}.`);
  return content;
}

// What is searched for stands in the address, so that back, reload and a bookmark work.
function asked() {
  const [way, ...rest] = location.hash.slice(1).split("=");
  const value = decodeURIComponent(rest.join("="));
  if (way === "text") return { query: { text: value }, title: `“${value}”` };
  if (way === "row")
    return { query: { row: Number(value) }, title: `like picture ${value}`, picture: `/picture/${value}` };
  if (way === "brain")
    return {
      query: { brain_image: Number(value) },
      title: `decoded from the scans of image ${value} (shown in the scanner: below)`,
      picture: `/brain/${value}`,
    };
  return null;
}

async function search({ query, title, picture }) {
  const number = ++latest;
  element("query").className = "";
  element("query").textContent = `Searching: ${title} …`;
  element("asked").hidden = !picture;
  if (picture) element("asked").src = picture;
  for (const one of element("scans").children)
    one.className = String(query.brain_image) === one.dataset.image ? "chosen" : "";
  try {
    const count = Number(element("count").value);
    const found = await answerOf(
      await fetch("/knn-service", {
        method: "POST",
        body: JSON.stringify({
          ...query,
          num_images: count,
          num_result_ids: count,
          modality: "image",
          indice_name: about.name,
          deduplicate: element("deduplicate").checked,
        }),
      }),
    );
    if (number !== latest) return;
    element("query").textContent = `${found.length} results: ${title}`;
    element("results").replaceChildren(...found.map(figureOf));
  } catch (error) {
    if (number !== latest) return;
    element("query").className = "wrong";
    element("query").textContent = error.message;
    element("results").replaceChildren();
  }
}

function figureOf(found) {
  const image = made("img", { src: `/picture/${found.id}`, alt: found.caption || "", loading: "lazy" });
  const button = made("button", { type: "button", title: "Search by this picture" }, image);
  image.addEventListener("error", () => image.replaceWith("not on this server"));
  button.addEventListener("click", () => (location.hash = `row=${found.id}`));
  const lines = [made("div", { className: "cosine" }, `cosine ${found.similarity.toFixed(3)} · ${found.id}`)];
  if (found.caption) lines.unshift(made("div", {}, found.caption));
  if (found.url && /^https?:\/\//i.test(found.url))
    lines.push(made("a", { href: found.url, target: "_blank", rel: "noopener noreferrer" }, "source"));
  return made("figure", {}, button, made("figcaption", {}, ...lines));
}

function showScans() {
  const ids = about.brain_images.slice(scansShown, scansShown + SCANS_AT_ONCE);
  for (const id of ids) {
    const image = made("img", { src: `/brain/${id}`, alt: `image ${id}`, loading: "lazy" });
    const button = made("button", { type: "button", title: `Decoded from the scans of image ${id}` }, image);
    button.dataset.image = String(id);
    button.addEventListener("click", () => (location.hash = `brain=${id}`));
    element("scans").append(button);
  }
  scansShown += ids.length;
  element("more").hidden = scansShown >= about.brain_images.length;
}

function searchByFile(file) {
  // Base64 is a third longer than the file.
  if (file.size * 1.4 > about.max_body) {
    element("query").className = "wrong";
    element("query").textContent = `${file.name} is too large for this server.`;
    return;
  }
  const reader = new FileReader();
  reader.addEventListener("load", () =>
    search({ query: { image: reader.result }, title: file.name, picture: URL.createObjectURL(file) }),
  );
  reader.readAsDataURL(file);
}

function searchByAddress() {
  const wanted = asked();
  if (wanted) search(wanted);
}

async function start() {
  about = await answerOf(await fetch("/about"));
  document.title = element("name").textContent = about.name;
  element("engine").textContent = `${about.vectors.toLocaleString("en")} vectors; ${about.engine}`;
  element("notes").append(...about.notes.map((note) => made("li", {}, note)));
  element("count").max = about.max_k;
  element("text").disabled = element("upload").disabled = !about.embeds;
  element("brain").hidden = !about.brain_images.length;
  showScans();
  element("more").addEventListener("click", showScans);
  element("upload").addEventListener("change", (event) => {
    if (event.target.files.length) searchByFile(event.target.files[0]);
    event.target.value = "";
  });
  element("search").addEventListener("submit", (event) => {
    event.preventDefault();
    const hash = `#text=${encodeURIComponent(element("text").value)}`;
    if (!element("text").value) return;
    if (location.hash === hash) searchByAddress();
    else location.hash = hash;
  });
  addEventListener("hashchange", searchByAddress);
  searchByAddress();
}

start().catch((error) => {
  element("query").className = "wrong";
  element("query").textContent = error.message;
});
