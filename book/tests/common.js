// What the tests have in common: a browser, the built book, and pages that may
// do nothing wrong.
"use strict";
const assert = require("node:assert");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { after } = require("node:test");
const { pathToFileURL } = require("node:url");

const BOOK = path.resolve(process.env.BOOK || path.join(__dirname, "../../target/book"));
const CHROMIUM = process.env.CHROMIUM || "/usr/bin/chromium";

// Why the tests cannot run here; undefined if they can.
function missing() {
    if (!fs.existsSync(CHROMIUM)) {
        return `there is no ${CHROMIUM} (Debian's package chromium); CHROMIUM names another one`;
    }
    if (!fs.existsSync(path.join(BOOK, "index.html"))) {
        return `there is no book in ${BOOK}: run cargo course book build`;
    }
    try {
        require.resolve("playwright-core");
        require.resolve("axe-core");
    } catch {
        return "playwright-core and axe-core are not installed: run npm install in book/tests";
    }
    return undefined;
}

const skip = missing();
if (skip && process.env.CI) {
    throw new Error(`the book's tests cannot run: ${skip}`);
}

// All pages, without the one that is only for printing.
function pages() {
    const all = fs.readdirSync(BOOK).filter((name) => name.endsWith(".html"));
    return all.filter((name) => name !== "print.html" && name !== "toc.html" && name !== "404.html");
}

const address = (page, folder = BOOK) => pathToFileURL(path.join(folder, page)).href;

// One browser for all tests of a file. The first page starts it.
let started;
function browser() {
    started ??= require("playwright-core").chromium.launch({
        executablePath: CHROMIUM,
        args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
    });
    return started;
}
after(async () => (await started)?.close());

// A page of the book. At the end, `clean` says whether it asked for anything
// outside the book, or complained.
async function open(name, { theme, folder, media, ...context } = {}) {
    const opened = await (await browser()).newContext({ viewport: { width: 1280, height: 900 }, ...context });
    const page = await opened.newPage();
    const wrong = [];
    page.on("request", (request) => {
        if (!/^(file|data|blob):/.test(request.url())) {
            wrong.push(`asks for ${request.url()}`);
        }
    });
    page.on("requestfailed", (request) => wrong.push(`does not get ${request.url()}`));
    page.on("console", (message) => {
        if (message.type() === "error") {
            wrong.push(`the console says: ${message.text()}`);
        }
    });
    page.on("pageerror", (error) => wrong.push(`an error: ${error.message}`));
    if (theme) {
        await page.addInitScript((theme) => localStorage.setItem("mdbook-theme", theme), theme);
    }
    if (media) {
        await page.emulateMedia(media);
    }
    await page.goto(address(name, folder));
    page.clean = async () => {
        await opened.close();
        assert.deepStrictEqual(wrong, [], name);
    };
    return page;
}

// What axe finds in the chapter, in words.
async function violations(page, within = "main") {
    await page.addScriptTag({ path: require.resolve("axe-core") });
    // With preload, axe would ask for the style sheets, which file:// does not allow.
    const found = await page.evaluate((within) => window.axe.run(within, { preload: false }), within);
    return found.violations.map(
        (one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`,
    );
}

// The book with one page changed, in a folder of its own.
function changed(page, change) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "book-"));
    fs.cpSync(BOOK, folder, { recursive: true });
    const file = path.join(folder, page);
    const before = fs.readFileSync(file, "utf8");
    const after = change(before);
    assert.notStrictEqual(after, before, "nothing was changed");
    fs.writeFileSync(file, after);
    return folder;
}

module.exports = { BOOK, address, browser, changed, open, pages, skip, violations };
