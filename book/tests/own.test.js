// The reader's own runs, which `cargo course book mine` records. Without them,
// there is nothing to test.
"use strict";
const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const { BOOK, open, pages, skip, violations } = require("./common.js");

const both = skip ? [] : pages().filter((name) =>
    fs.readFileSync(path.join(BOOK, name), "utf8").includes('<div class="both">'));
const none = skip || (both.length === 0 && "this book has no runs of the reader's");

test("the book's run is shown, and with the keyboard the reader's", { skip: none }, async () => {
    for (const name of both) {
        const page = await open(name);
        for (const pair of await page.locator(".both").all()) {
            const figures = pair.locator("figure");
            assert.deepStrictEqual([await figures.nth(0).isVisible(), await figures.nth(1).isVisible()], [true, false]);
            await pair.getByRole("button", { name: "Your run" }).focus();
            await page.keyboard.press("Enter");
            assert.deepStrictEqual([await figures.nth(0).isVisible(), await figures.nth(1).isVisible()], [false, true]);
        }
        assert.deepStrictEqual(await violations(page), []);
        await page.clean();
    }
});

test("without a script and in print, both are there", { skip: none }, async () => {
    for (const options of [{ javaScriptEnabled: false }, { media: { media: "print" } }]) {
        const page = await open(both[0], options);
        const figures = page.locator(".both").first().locator("figure");
        assert.deepStrictEqual([await figures.nth(0).isVisible(), await figures.nth(1).isVisible()], [true, true]);
        await page.clean();
    }
});
