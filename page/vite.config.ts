import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipAsync } from "@gfx/zopfli";
import { defaultClientConditions, defineConfig, type Plugin } from "vite";

const ORT = createRequire(import.meta.url).resolve("onnxruntime-web/ort-wasm-simd-threaded.wasm");
const OUT = "../src/featheredge/server/page";

/**
 * The two files that ONNX Runtime loads by address. The WebAssembly is stored with gzip, by Zopfli:
 * it takes half a minute and makes the file 5 % smaller than zlib does.
 */
function ortFiles(): Plugin {
  const files: Record<string, () => Promise<{ name: string; source: Uint8Array }>> = {
    "virtual:ort-loader": async () => ({
      name: "ort.mjs",
      source: readFileSync(ORT.replace(/wasm$/, "mjs")),
    }),
    "virtual:ort-wasm": async () => ({
      name: "ort.wasm.gz",
      source: await gzipAsync(readFileSync(ORT), { numiterations: 1 }),
    }),
  };
  return {
    name: "ort-files",
    enforce: "pre",
    resolveId: (id) => (id in files ? `\0${id}` : null),
    async load(id) {
      const file = files[id.slice(1)];
      if (!id.startsWith("\0") || !file) return null;
      const { name, source } = await file();
      const digest = createHash("sha256").update(source).digest("hex").slice(0, 8);
      const fileName = `assets/${name.replace(".", `-${digest}.`)}`;
      this.emitFile({ type: "asset", fileName, source });
      return `export default ${JSON.stringify(fileName)};`;
    },
  };
}

/** Keeps the bundler from adding the WebAssembly again, uncompressed. */
function noSecondWasm(): Plugin {
  return {
    name: "no-second-wasm",
    enforce: "pre",
    transform: (code, id) =>
      id.includes("onnxruntime-web")
        ? code.replaceAll(/new URL\((["'])[^"']*\.(wasm|mjs)\1,\s*import\.meta\.url\)/g, "new URL(self.location.href)")
        : null,
  };
}

/** Digest of everything that the build is made from; a test compares it with the sources. */
function sourcesDigest(): string {
  const listed = readdirSync("src", { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
  const files = [...listed, "index.html", "public/icon.svg", "package-lock.json", "vite.config.ts"];
  const digest = createHash("sha256");
  for (const file of files.sort()) digest.update(`${file}\0`).update(readFileSync(file)).update("\0");
  return digest.digest("hex");
}

const SOURCES = sourcesDigest();

/** Writes build.json: the digest of the sources, and the files that make up the page. */
function buildRecord(): Plugin {
  return {
    name: "build-record",
    generateBundle(_, bundle) {
      const files = [...Object.keys(bundle).filter((name) => name !== "sw.js"), "icon.svg"].sort();
      const source = `${JSON.stringify({ sources: SOURCES, files }, null, 1)}\n`;
      this.emitFile({ type: "asset", fileName: "build.json", source });
    },
  };
}

/** Writes licences.txt: the packages that the page contains, with their licences. */
function licences(): Plugin {
  const describe = (name: string) => {
    const folder = `node_modules/${name}`;
    const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
    const file = readdirSync(folder).find((one) => /^licen[cs]e/i.test(one));
    const text = file ? readFileSync(`${folder}/${file}`, "utf8") : MIT_OF_MICROSOFT;
    return `${name} ${version} (${license})\n\n${text.trim()}\n`;
  };
  return {
    name: "licences",
    generateBundle() {
      const source = BUNDLED.map(describe).join(`\n${"-".repeat(80)}\n\n`);
      this.emitFile({ type: "asset", fileName: "licences.txt", source });
    },
  };
}

const BUNDLED = ["onnxruntime-web", "onnxruntime-common", "fflate"];

/** The packages of ONNX Runtime name their licence and do not contain its text. */
const MIT_OF_MICROSOFT = `MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
associated documentation files (the "Software"), to deal in the Software without restriction,
including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense,
and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so,
subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial
portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT
LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN
NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY,
WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE
SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

const plugins = () => [ortFiles(), noSecondWasm()];

export default defineConfig({
  base: "./",
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions] },
  define: { __SOURCES__: JSON.stringify(SOURCES) },
  plugins: [...plugins(), licences(), buildRecord()],
  worker: { format: "es", plugins },
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: false,
    rollupOptions: {
      input: { index: "index.html", sw: "src/sw.ts" },
      output: {
        entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js"),
      },
    },
  },
});
