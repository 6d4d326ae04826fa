// Figures in scenes, walked through with the keyboard alone.
"use strict";
const assert = require("node:assert");
const { test } = require("node:test");
const { open, skip, violations } = require("./common.js");

// The figures, by page: how many scenes each of their runs has.
const FIGURES = [
    ["processes.html", "processes-memory-map", [6, 4]],
    ["coroutines.html", "coroutines-stacks-compared", [6, 6, 6]],
];

const scene = (figure) => figure.locator("li.scene:not(.before):visible");
const status = (figure) => figure.locator(".step").innerText();
const focused = (page) => page.evaluate(() => document.activeElement.textContent.trim());

for (const [name, id, runs] of FIGURES) {
    test(`${id}: every scene is reached with the keyboard alone`, { skip }, async () => {
        const page = await open(name);
        const figure = page.locator(`#figure-${id}`);
        const picks = figure.getByRole("group", { name: "What to watch" }).getByRole("button");
        for (let run = 0; run < runs.length; run += 1) {
            await picks.nth(run).focus();
            await page.keyboard.press("Enter");
            const titles = new Set();
            for (let step = 1; step <= runs[run]; step += 1) {
                assert.match(await status(figure), new RegExp(`^Step ${step} of ${runs[run]}`));
                assert.strictEqual(await scene(figure).count(), 1);
                if ((await status(figure)).includes("guess")) {
                    // Nothing is shown before a guess.
                    assert.ok(!(await scene(figure).locator("svg").isVisible()));
                    await scene(figure).getByRole("button").first().focus();
                    await page.keyboard.press("Enter");
                    assert.match(await scene(figure).locator(".said").innerText(), /^You said “/);
                    assert.match(await focused(page), /^You said/);
                    // A key that is held down does not go on.
                    await page.keyboard.press("Enter");
                }
                assert.ok(await scene(figure).locator("svg").isVisible());
                titles.add(await scene(figure).locator("svg title").textContent());
                await page.keyboard.press("ArrowRight");
            }
            assert.strictEqual(titles.size, runs[run]);
            // There is nothing after the last one, and the page is still this one.
            assert.match(await status(figure), new RegExp(`^Step ${runs[run]} of`));
            assert.ok(page.url().endsWith(name));
        }
        assert.deepStrictEqual(await violations(page, `#figure-${id}`), []);
        await page.clean();
    });

    test(`${id}: who does not want to guess need not`, { skip }, async () => {
        const page = await open(name);
        const figure = page.locator(`#figure-${id}`);
        const next = figure.getByRole("button", { name: "Next" });
        await next.focus();
        await page.keyboard.press("Enter");
        await page.keyboard.press("Tab");
        while ((await focused(page)) !== "Just show me") {
            await page.keyboard.press("Tab");
        }
        await page.keyboard.press("Enter");
        assert.match(await scene(figure).locator(".said").innerText(), /^The answer is “/);
        assert.ok(await scene(figure).locator("svg").isVisible());
        // From a question, "Next" leads to its answer.
        while (!(await status(figure)).includes("guess") && (await next.getAttribute("aria-disabled")) !== "true") {
            await next.click();
        }
        const asked = await status(figure);
        if (asked.includes("guess")) {
            // Meanwhile, the picture before stays.
            assert.ok(await figure.locator("li.before svg").isVisible());
            await next.click();
            assert.strictEqual(await status(figure), asked.replace(": guess first.", ""));
            assert.ok(await scene(figure).locator("svg").isVisible());
        }
        // Back and forth: it is not asked again.
        await page.keyboard.press("ArrowLeft");
        await page.keyboard.press("ArrowRight");
        assert.ok(await scene(figure).locator("svg").isVisible());
        await page.clean();
    });

    test(`${id}: without a script and in print, all scenes are there`, { skip }, async () => {
        const all = runs.reduce((sum, count) => sum + count, 0);
        const plain = await open(name, { javaScriptEnabled: false });
        assert.strictEqual(await plain.locator(`#figure-${id} svg:visible`).count(), all);
        await plain.clean();
        const print = await open(name, { media: { media: "print" } });
        assert.strictEqual(await print.locator(`#figure-${id} svg:visible`).count(), all);
        await print.clean();
    });
}
