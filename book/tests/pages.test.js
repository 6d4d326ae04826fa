// Every page: offline, without complaints, and accessible, in light and in dark.
"use strict";
const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");
const { test } = require("node:test");
const { BOOK, open, pages, skip, violations } = require("./common.js");

const all = skip ? [] : pages();

test("the book can be tested here", { skip }, () => {
    assert.ok(all.includes("sync.html"));
});

for (const theme of ["light", "coal"]) {
    for (const name of all) {
        test(`${name} in ${theme}: accessible, and nothing from outside`, { skip }, async () => {
            const page = await open(name, { theme });
            assert.deepStrictEqual(await violations(page), []);
            await page.clean();
        });
    }
}

test("no page scrolls sideways on a narrow screen", { skip }, async () => {
    for (const name of all) {
        const page = await open(name, { viewport: { width: 380, height: 800 } });
        const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(wider <= 0, `${name} is ${wider} pixels wider than the screen`);
        await page.clean();
    }
});

test("every picture has a text alternative", { skip }, async () => {
    for (const name of all) {
        const page = await open(name);
        const without = await page.locator("main svg").evaluateAll((pictures) =>
            pictures
                .filter((picture) => {
                    const title = picture.querySelector("title");
                    const by = document.getElementById(picture.getAttribute("aria-labelledby"));
                    const text = (by || title)?.textContent ?? picture.getAttribute("aria-label") ?? "";
                    return picture.getAttribute("role") !== "img" || text.trim().length < 20;
                })
                .map((picture) => picture.outerHTML.slice(0, 120)),
        );
        assert.deepStrictEqual(without, [], name);
        await page.clean();
    }
});

test("without a script, the chapter is there", { skip }, async () => {
    const page = await open("sync.html", { javaScriptEnabled: false });
    const levels = page.locator(".schedules .level");
    assert.strictEqual(await levels.count(), 6);
    for (const level of await levels.all()) {
        assert.ok(await level.isVisible());
        assert.ok(await level.locator("svg.tree").isVisible());
        await level.locator("summary").click();
        assert.ok(await level.locator("tbody tr").first().isVisible());
    }
    const gate = page.locator("form.gate").first();
    await gate.locator("summary").click();
    assert.ok((await gate.locator("details").innerText()).length > 20);
    await page.clean();
});

test("forced colors leave the figures readable", { skip }, async () => {
    const page = await open("sync.html", { media: { forcedColors: "active" } });
    const tree = page.locator(".schedules .level:not([hidden]) svg.tree");
    const colors = await tree.evaluate((tree) => {
        const edge = getComputedStyle(tree.querySelector(".edge")).stroke;
        return [edge, getComputedStyle(document.body).backgroundColor];
    });
    assert.notStrictEqual(colors[0], colors[1]);
    await page.clean();
});

test("reduced motion: nothing moves", { skip }, async () => {
    const page = await open("sync.html", { media: { reducedMotion: "reduce" } });
    await page.locator(".schedules .level:not([hidden])").getByRole("button", { name: "Run A" }).click();
    const moving = await page.evaluate(() =>
        document.getAnimations().map((one) => one.effect.target.outerHTML.slice(0, 80)),
    );
    assert.deepStrictEqual(moving, []);
    await page.clean();
});

test("printed, the whole tree and all answers are there", { skip }, async () => {
    const page = await open("sync.html", { media: { media: "print" }, javaScriptEnabled: false });
    assert.ok(await page.locator(".schedules svg.tree").first().isVisible());
    const answers = page.locator("form.gate details > :not(summary):not([hidden])");
    assert.ok(await answers.first().isVisible());
    await page.clean();
});

test("the search finds a word by its beginning", { skip }, async () => {
    const page = await open("index.html");
    await page.keyboard.press("/");
    await page.keyboard.type("semaph");
    await page.locator("#mdbook-searchresults li").first().waitFor();
    assert.match(await page.locator("#mdbook-searchresults").innerText(), /semaphore/i);
    await page.clean();
});

test("a page can be used within a second", { skip }, async () => {
    const times = [];
    for (let attempt = 0; attempt < 5; attempt += 1) {
        const page = await open("sync.html");
        times.push(await page.evaluate(() => performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd));
        assert.ok(await page.locator("figure.schedules.alive").count());
        await page.clean();
    }
    // The best of five: what is measured is the page, and not what else the machine does.
    assert.ok(Math.min(...times) < 1000, `${times} ms`);
});

test("the book is under 5 MB, its own scripts under 60 kB", { skip }, () => {
    const files = fs.readdirSync(BOOK, { recursive: true, withFileTypes: true });
    const sizes = files
        .filter((file) => file.isFile())
        .map((file) => [file.name, fs.statSync(path.join(file.parentPath ?? file.path, file.name)).size]);
    const sum = (sizes) => sizes.reduce((sum, [, size]) => sum + size, 0);
    assert.ok(sum(sizes) < 5e6, `${sum(sizes)} bytes`);
    const own = sizes.filter(([name]) => /^(parts|gates|schedules|scenes).*\.js$/.test(name));
    assert.strictEqual(own.length, 4);
    assert.ok(sum(own) < 60e3, `${sum(own)} bytes of scripts`);
});
